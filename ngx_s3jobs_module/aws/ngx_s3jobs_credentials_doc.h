
/*
 * Copyright (C) the ngx_s3jobs_module authors
 */


#ifndef _NGX_S3JOBS_CREDENTIALS_DOC_H_INCLUDED_
#define _NGX_S3JOBS_CREDENTIALS_DOC_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_s3jobs_profile.h"


#define NGX_S3JOBS_DOC_TIME_MAX     64
#define NGX_S3JOBS_DOC_CODE_MAX     64
#define NGX_S3JOBS_DOC_MESSAGE_MAX  256


typedef enum {
    NGX_S3JOBS_DOC_KEY_ID = 0,
    NGX_S3JOBS_DOC_SECRET,
    NGX_S3JOBS_DOC_TOKEN,
    NGX_S3JOBS_DOC_EXPIRATION,
    NGX_S3JOBS_DOC_CODE,
    NGX_S3JOBS_DOC_MESSAGE,
    NGX_S3JOBS_DOC_NVALUES
} ngx_s3jobs_doc_value_e;


/* what temporary credentials have beside the key pair */
#define NGX_S3JOBS_DOC_TEMPORARY                                              \
    (1 << NGX_S3JOBS_DOC_TOKEN | 1 << NGX_S3JOBS_DOC_EXPIRATION)


/*
 * What a credentials document says.  It holds the secret itself: the caller
 * zeroes the whole structure after use.
 */

typedef struct {
    ngx_s3jobs_credentials_t    credentials;
    ngx_str_t                   code;       /* the service's refusal */
    ngx_str_t                   message;
    const char                 *error;      /* completes 'credentials ...' */

    ngx_str_t                   values[NGX_S3JOBS_DOC_NVALUES];
    u_char                      key_id[NGX_S3JOBS_KEY_ID_MAX];
    u_char                      secret[NGX_S3JOBS_SECRET_MAX];
    u_char                      token[NGX_S3JOBS_TOKEN_MAX];
    u_char                      expiration[NGX_S3JOBS_DOC_TIME_MAX];
    u_char                      code_buf[NGX_S3JOBS_DOC_CODE_MAX];
    u_char                      message_buf[NGX_S3JOBS_DOC_MESSAGE_MAX];
} ngx_s3jobs_credentials_doc_t;


/*
 * Read a document, text, of any length: the JSON of the container agents and
 * of instance metadata
 * (https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/
 * instance-metadata-security-credentials.html), the XML of STS
 * (https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html).
 *
 * required are the bits, 1 << ngx_s3jobs_doc_value_e, of the values that must
 * be there; the key id and the secret always must.
 *
 * Return NGX_OK: doc->credentials has passed ngx_s3jobs_credentials_check(),
 * what is required is there, the expiry may be in the past, and is 0 only if
 * the document has none.  NGX_DECLINED: the service refuses, doc->code
 * (printable ASCII, not empty) and doc->message (the same, or empty) say why.
 * NGX_ERROR: doc->error, static, says what is wrong and holds no value.
 *
 * What the libraries allocate is zeroed when it is freed.  Not to be called
 * by two threads at once.
 */
typedef ngx_int_t (*ngx_s3jobs_credentials_doc_pt)(ngx_str_t *text,
    ngx_uint_t required, ngx_s3jobs_credentials_doc_t *doc);

ngx_int_t ngx_s3jobs_credentials_json(ngx_str_t *text, ngx_uint_t required,
    ngx_s3jobs_credentials_doc_t *doc);
ngx_int_t ngx_s3jobs_credentials_xml(ngx_str_t *text, ngx_uint_t required,
    ngx_s3jobs_credentials_doc_t *doc);


/*
 * Seconds since the epoch of an RFC 3339 time, years 1970 to 9999, with "T"
 * or a space, a fraction (dropped), "Z" or an offset; a leap second counts as
 * the one before it.  Returns NGX_ERROR if it is none.
 */
time_t ngx_s3jobs_parse_time(ngx_str_t *text);


#endif /* _NGX_S3JOBS_CREDENTIALS_DOC_H_INCLUDED_ */
