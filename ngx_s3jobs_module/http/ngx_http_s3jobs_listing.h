
/*
 * Copyright (C) the ngx_s3jobs_module authors
 */


#ifndef _NGX_HTTP_S3JOBS_LISTING_H_INCLUDED_
#define _NGX_HTTP_S3JOBS_LISTING_H_INCLUDED_


#include "ngx_http_s3jobs_answer.h"


/*
 * S3's listing to JSON, held back until it has ended or the buffer is full.
 */


/* begins one; NULL if there is no memory */
ngx_http_s3jobs_filter_t *ngx_http_s3jobs_listing_start(ngx_http_request_t *r,
    ngx_http_s3jobs_ctx_t *ctx);

ngx_int_t ngx_http_s3jobs_listing_filter(ngx_http_request_t *r,
    ngx_http_s3jobs_ctx_t *ctx, ngx_chain_t *in);

/* logs the reason, and sees to it that the document is not cached */
void ngx_http_s3jobs_listing_broken(ngx_http_request_t *r,
    ngx_http_s3jobs_filter_t *f, const char *reason);


#endif /* _NGX_HTTP_S3JOBS_LISTING_H_INCLUDED_ */
