
/*
 * Copyright (C) the ngx_s3jobs_module authors
 */


#ifndef _NGX_HTTP_S3JOBS_HEADERS_H_INCLUDED_
#define _NGX_HTTP_S3JOBS_HEADERS_H_INCLUDED_


#include "ngx_http_s3jobs_module.h"


/*
 * Header lists: S3's, the client's and that of the answer.  Names that are
 * looked for are in lower case.
 */


/* the value of a header of S3's answer, NULL if there is none */
ngx_str_t *ngx_http_s3jobs_find_header(ngx_http_request_t *r,
    const char *name);

/* takes AWS's request id from the answer, and drops ids that are none */
void ngx_http_s3jobs_upstream_ids(ngx_http_request_t *r,
    ngx_http_s3jobs_ctx_t *ctx);

/* drops S3's own headers but its ids, for an error in place of its answer */
void ngx_http_s3jobs_drop_headers(ngx_http_request_t *r);

/* drops these too */
void ngx_http_s3jobs_drop_all_headers(ngx_http_request_t *r);

ngx_uint_t ngx_http_s3jobs_header_is(ngx_table_elt_t *h, const char *name);

/*
 * Drops what described S3's document and not ours: representation metadata
 * and digests (RFC 9110, section 8; RFC 9530), and what signs them.
 */
void ngx_http_s3jobs_clear_headers(ngx_http_request_t *r);

/* the name and what the value points to must live as long as the request */
ngx_int_t ngx_http_s3jobs_add_header(ngx_http_request_t *r, const char *name,
    ngx_str_t *value);

/* adds "Vary: Accept" if the answer depends on it */
ngx_int_t ngx_http_s3jobs_add_vary(ngx_http_request_t *r);

/* whether the client gets JSON */
ngx_uint_t ngx_http_s3jobs_json(ngx_http_request_t *r);


#endif /* _NGX_HTTP_S3JOBS_HEADERS_H_INCLUDED_ */
