
/*
 * Copyright (C) the ngx_s3jobs_module authors
 */


#ifndef _NGX_HTTP_S3JOBS_LISTING_H_INCLUDED_
#define _NGX_HTTP_S3JOBS_LISTING_H_INCLUDED_


#include "ngx_http_s3jobs_answer.h"


/*
 * S3's listing to JSON, held back until it has ended or the buffer is full.
 */


/* begins one, with the state that ctx has; NGX_OK or NGX_ERROR */
ngx_int_t ngx_http_s3jobs_listing_start(ngx_http_request_t *r,
    ngx_http_s3jobs_ctx_t *ctx);

/* makes f->writer give pieces of output */
void ngx_http_s3jobs_listing_output(ngx_http_s3jobs_filter_t *f);

ngx_int_t ngx_http_s3jobs_listing_filter(ngx_http_request_t *r,
    ngx_http_s3jobs_ctx_t *ctx, ngx_chain_t *in);

/* gives the parser what there is, until a piece of output is to be sent */
ngx_int_t ngx_http_s3jobs_listing_convert(ngx_http_request_t *r,
    ngx_http_s3jobs_ctx_t *ctx);

/* what was written of the current piece becomes output */
ngx_int_t ngx_http_s3jobs_listing_piece(ngx_http_s3jobs_filter_t *f);

/* passes on what was made; NGX_AGAIN if not all of it was taken */
ngx_int_t ngx_http_s3jobs_pass(ngx_http_request_t *r,
    ngx_http_s3jobs_filter_t *f);

/* logs the reason, and sees to it that the document is not cached */
void ngx_http_s3jobs_listing_broken(ngx_http_request_t *r,
    ngx_http_s3jobs_filter_t *f, const char *reason);


#endif /* _NGX_HTTP_S3JOBS_LISTING_H_INCLUDED_ */
