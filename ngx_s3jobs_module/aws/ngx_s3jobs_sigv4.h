
/*
 * Copyright (C) the ngx_s3jobs_module authors
 */


#ifndef _NGX_S3JOBS_SIGV4_H_INCLUDED_
#define _NGX_S3JOBS_SIGV4_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/*
 * AWS Signature Version 4
 * (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html).
 */


#define NGX_S3JOBS_SHA256_LEN      32
#define NGX_S3JOBS_SHA256_HEX_LEN  64

/* YYYYMMDDThhmmssZ, the first eight bytes are the date of the scope */
#define NGX_S3JOBS_DATE_LEN        16

#define NGX_S3JOBS_SIGV4_SECRET_MAX     256
#define NGX_S3JOBS_SIGV4_CANONICAL_MAX  16384

/* hex(sha256("")), the payload hash of every request without a body */
#define NGX_S3JOBS_EMPTY_SHA256                                               \
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


typedef struct {
    ngx_str_t      method;
    ngx_str_t      path;           /* as sent, never normalised or encoded */
    ngx_str_t      query;          /* canonical, without "?" */
    ngx_keyval_t  *headers;        /* names in lower case, sorted by name; */
    ngx_uint_t     nheaders;       /* values without space around them */
    ngx_str_t      payload_hash;   /* hex(sha256(body)) */
    ngx_str_t      date;           /* NGX_S3JOBS_DATE_LEN bytes, UTC */
    ngx_str_t      region;
    ngx_str_t      service;
} ngx_s3jobs_sigv4_t;


/*
 * Fetches the digest and allocates the contexts that all later calls of the
 * process use.  May be called again.  Returns NGX_OK or NGX_ERROR.
 */
ngx_int_t ngx_s3jobs_sigv4_init(void);


/*
 * Zeroes what ngx_s3jobs_sigv4_sign() keeps of the signing keys it was given
 * last: to be called when one of them is replaced.
 */
void ngx_s3jobs_sigv4_forget(void);


/*
 * Writes the NGX_S3JOBS_DATE_LEN bytes of a date, in UTC, to p; t is in
 * seconds since the epoch, years 1970 to 9999.
 */
void ngx_s3jobs_sigv4_date(u_char *p, time_t t);


/*
 * Derives the signing key for the scope date/region/service from a secret
 * access key of at most NGX_S3JOBS_SIGV4_SECRET_MAX bytes.  Only the first
 * eight bytes of date are used.  Returns NGX_OK, or NGX_ERROR if the secret
 * is longer or the digest failed.
 */
ngx_int_t ngx_s3jobs_sigv4_key(u_char key[NGX_S3JOBS_SHA256_LEN],
    ngx_str_t *secret, ngx_str_t *date, ngx_str_t *region,
    ngx_str_t *service);


/*
 * The value of the Authorization header: its length in bytes, which depends
 * on no secret; and the text itself written to p with the given signing key.
 *
 * ngx_s3jobs_sigv4_sign() returns the end of the text.  It returns NULL, and
 * what it wrote is of no use, if the digest failed (OpenSSL 3 allocates some
 * 100 bytes whenever a hash begins), if nothing was initialised, or if the
 * canonical request has more than NGX_S3JOBS_SIGV4_CANONICAL_MAX bytes, which
 * one of ListJobs with the longest query, host and token has not.
 */
size_t ngx_s3jobs_sigv4_length(ngx_s3jobs_sigv4_t *s, ngx_str_t *key_id);
u_char *ngx_s3jobs_sigv4_sign(u_char *p, ngx_s3jobs_sigv4_t *s,
    ngx_str_t *key_id, u_char key[NGX_S3JOBS_SHA256_LEN]);


/*
 * Writes the NGX_S3JOBS_SHA256_HEX_LEN bytes of hex(sha256(data)) to p.
 * Returns NGX_OK or NGX_ERROR.
 */
ngx_int_t ngx_s3jobs_sha256_hex(u_char *p, ngx_str_t *data);


#endif /* _NGX_S3JOBS_SIGV4_H_INCLUDED_ */
