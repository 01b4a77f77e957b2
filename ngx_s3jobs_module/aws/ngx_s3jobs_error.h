
/*
 * Copyright (C) the ngx_s3jobs_module authors
 */


#ifndef _NGX_S3JOBS_ERROR_H_INCLUDED_
#define _NGX_S3JOBS_ERROR_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/*
 * Errors: what S3 Control said, what the client is told, and the document
 * that tells it.
 */


/*
 * What is kept of S3's document, in bytes; longer text is cut.  A code of
 * other characters than A-Z a-z 0-9 . _ - and a request id that is not all
 * visible ASCII count as not given; the message is as
 * ngx_s3jobs_text_clean() leaves it.
 */
#define NGX_S3JOBS_CODE_MAX        64
#define NGX_S3JOBS_MESSAGE_MAX     1024
#define NGX_S3JOBS_REQUEST_ID_MAX  128


/* whose fault it is, for the error log */
#define NGX_S3JOBS_FAULT_CLIENT    0
#define NGX_S3JOBS_FAULT_DENIED    1    /* the role lacks a permission */
#define NGX_S3JOBS_FAULT_GATEWAY   2    /* credentials, clock, configuration */
#define NGX_S3JOBS_FAULT_BUSY      3    /* throttled or unavailable */
#define NGX_S3JOBS_FAULT_UPSTREAM  4    /* anything else */


typedef struct {
    ngx_uint_t    status;        /* HTTP status for the client */
    ngx_str_t     code;
    ngx_str_t     message;
    ngx_str_t     request_id;    /* len 0: none */
    ngx_uint_t    fault;         /* NGX_S3JOBS_FAULT_... */
    unsigned      refresh:1;     /* credentials should be fetched anew */
    unsigned      skewed:1;      /* the clocks differ */
    unsigned      again:1;       /* the same request may succeed later */
} ngx_s3jobs_error_t;


typedef struct ngx_s3jobs_error_reader_s  ngx_s3jobs_error_reader_t;


/*
 * Reads an S3 error document, in either of its two shapes,
 * <ErrorResponse><Error>..</Error><RequestId/></ErrorResponse> or
 * <Error>..</Error>, as it arrives and in bounded memory.  create returns
 * NULL if there is no memory; destroy takes NULL; what is not an error
 * document is noticed by ngx_s3jobs_error_classify().
 */
ngx_s3jobs_error_reader_t *ngx_s3jobs_error_reader_create(void);
void ngx_s3jobs_error_reader_destroy(ngx_s3jobs_error_reader_t *er);
void ngx_s3jobs_error_reader_feed(ngx_s3jobs_error_reader_t *er,
    const u_char *p, size_t len);


/*
 * Ends the document and decides what the client is told about an upstream
 * answer of the given status, 200 to 599.  Strings in e are static or memory
 * of er.  The code has no "Exception" suffix.  said is what S3 itself said,
 * for the error log: its code and message (len 0: none).  er may be NULL: no
 * document.  Nothing of a document that is broken or cut short is used.
 *
 *     the client's fault          400, S3's code and message
 *     no such job                 404, S3's code and message
 *     access denied               403 AccessDenied, our message
 *     the gateway's fault         502, S3's code, our message
 *     throttled or unavailable    503, S3's code; 429, 503 without XML too
 *     anything else               502, S3's code or BadUpstreamResponse
 */
void ngx_s3jobs_error_classify(ngx_s3jobs_error_reader_t *er,
    ngx_uint_t status, ngx_s3jobs_error_t *e, ngx_keyval_t *said);


/*
 * A number below 256 for each code that is known: those of S3 (with or without
 * "Exception"), of this module and of nginx.  It is the same in all processes
 * of one build.  The name of a number has no "Exception".
 */
#define NGX_S3JOBS_ERROR_NONE   0    /* of length 0 */
#define NGX_S3JOBS_ERROR_OTHER  1    /* unknown; its name is "other" */

ngx_uint_t ngx_s3jobs_error_number(ngx_str_t *code);
ngx_str_t ngx_s3jobs_error_name(ngx_uint_t number);


/*
 * S3's codes among them: the one of an index, of length 0 beyond the last;
 * and a code without "Exception".
 */
ngx_str_t ngx_s3jobs_error_known(ngx_uint_t i);
ngx_str_t ngx_s3jobs_error_bare(ngx_str_t *code);


/*
 * The code for an error that nginx itself made: the reason phrase of the
 * status (RFC 9110, section 15; RFC 6585) without spaces, "NotFound" for
 * 404; and the phrase.  Static; "Error" for a status without a phrase.
 */
ngx_str_t *ngx_s3jobs_error_code(ngx_uint_t status);
ngx_str_t *ngx_s3jobs_error_title(ngx_uint_t status);


/*
 * The document for the client, as application/problem+json (RFC 9457) or as
 * S3 Control's XML, written to p, where there must be room for
 * ngx_s3jobs_error_size() bytes; returns its end.  Text that is not UTF-8, or
 * not allowed in XML, is replaced by U+FFFD.
 */
size_t ngx_s3jobs_error_size(ngx_s3jobs_error_t *e);
u_char *ngx_s3jobs_error_json(u_char *p, ngx_s3jobs_error_t *e);
u_char *ngx_s3jobs_error_xml(u_char *p, ngx_s3jobs_error_t *e);


#endif /* _NGX_S3JOBS_ERROR_H_INCLUDED_ */
