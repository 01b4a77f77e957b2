
/*
 * Copyright (C) the ngx_s3jobs_module authors
 */


#ifndef _NGX_S3JOBS_JSON_H_INCLUDED_
#define _NGX_S3JOBS_JSON_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/*
 * Where bytes go: the caller's buffer from pos to end.  When it is full,
 * more() must provide another one by setting pos and end, or return
 * NGX_ERROR.  NULL: there is no more.
 */

typedef struct ngx_s3jobs_out_s  ngx_s3jobs_out_t;

struct ngx_s3jobs_out_s {
    u_char       *pos;
    u_char       *end;
    ngx_int_t   (*more)(ngx_s3jobs_out_t *out);
    void         *data;
};


/*
 * Both write to out and return NGX_OK, or NGX_ERROR from more().
 *
 * ngx_s3jobs_json_escape() writes what stands between the quotes of a JSON
 * string (RFC 8259, section 7).  The text is UTF-8; bytes that are not are
 * replaced by U+FFFD, so that the output is valid whatever comes in.  U+2028,
 * U+2029 and DEL are escaped too.
 */
ngx_int_t ngx_s3jobs_out_write(ngx_s3jobs_out_t *out, const void *p,
    size_t len);
ngx_int_t ngx_s3jobs_json_escape(ngx_s3jobs_out_t *out, const u_char *p,
    size_t len);


/*
 * Cuts XML's white space off both ends of s.  Returns NGX_OK if an integer as
 * JSON has it is left (RFC 8259, section 6), NGX_DECLINED if nothing is, or
 * else NGX_ERROR.
 */
ngx_int_t ngx_s3jobs_json_integer(ngx_str_t *s);

/* The same for "true" and "false". */
ngx_int_t ngx_s3jobs_json_boolean(ngx_str_t *s);


/*
 * The length in bytes, 1 to 4, of the UTF-8 character at p (RFC 3629); 0 if
 * there is none; NGX_AGAIN if last cuts one short.
 */
ngx_int_t ngx_s3jobs_utf8_length(const u_char *p, const u_char *last);


#endif /* _NGX_S3JOBS_JSON_H_INCLUDED_ */
