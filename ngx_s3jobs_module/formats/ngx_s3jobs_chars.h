
/*
 * Copyright (C) the ngx_s3jobs_module authors
 */


#ifndef _NGX_S3JOBS_CHARS_H_INCLUDED_
#define _NGX_S3JOBS_CHARS_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/* what a byte is, one bit of ngx_s3jobs_chars[] or none */
#define NGX_S3JOBS_CHAR_DIGIT       0x01
#define NGX_S3JOBS_CHAR_ALPHA       0x02    /* ASCII letter */
#define NGX_S3JOBS_CHAR_HYPHEN      0x04
#define NGX_S3JOBS_CHAR_UNDERSCORE  0x08
#define NGX_S3JOBS_CHAR_DOT         0x10
#define NGX_S3JOBS_CHAR_TILDE       0x20
#define NGX_S3JOBS_CHAR_IAM         0x40    /* + , = @ */
#define NGX_S3JOBS_CHAR_PATH        0x80    /* : / */

/* a label of a host name, with the "_" that such names have in practice */
#define NGX_S3JOBS_CHARS_LABEL                                                \
    (NGX_S3JOBS_CHAR_DIGIT|NGX_S3JOBS_CHAR_ALPHA|NGX_S3JOBS_CHAR_HYPHEN       \
     |NGX_S3JOBS_CHAR_UNDERSCORE)

/* the code of an AWS error */
#define NGX_S3JOBS_CHARS_CODE                                                 \
    (NGX_S3JOBS_CHARS_LABEL|NGX_S3JOBS_CHAR_DOT)

/* RFC 3986, section 2.3 */
#define NGX_S3JOBS_CHARS_UNRESERVED                                           \
    (NGX_S3JOBS_CHARS_CODE|NGX_S3JOBS_CHAR_TILDE)

/* [\w+=,.@-], and with :/ added, as the API of STS has them */
#define NGX_S3JOBS_CHARS_IAM                                                  \
    (NGX_S3JOBS_CHARS_CODE|NGX_S3JOBS_CHAR_IAM)
#define NGX_S3JOBS_CHARS_ARN                                                  \
    (NGX_S3JOBS_CHARS_IAM|NGX_S3JOBS_CHAR_PATH)


extern const u_char  ngx_s3jobs_chars[256];


/* whether the byte is of the class */
#define ngx_s3jobs_char(c, class)  (ngx_s3jobs_chars[(u_char) (c)] & (class))


/* how many bytes from p on, up to last, are of the class */
size_t ngx_s3jobs_span(const u_char *p, const u_char *last, ngx_uint_t class);


#endif /* _NGX_S3JOBS_CHARS_H_INCLUDED_ */
