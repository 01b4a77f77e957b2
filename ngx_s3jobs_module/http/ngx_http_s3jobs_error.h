
/*
 * Copyright (C) the ngx_s3jobs_module authors
 */


#ifndef _NGX_HTTP_S3JOBS_ERROR_H_INCLUDED_
#define _NGX_HTTP_S3JOBS_ERROR_H_INCLUDED_


#include "ngx_http_s3jobs_module.h"


/*
 * What the client is told.  The first three decide what ctx->error is, and
 * log what the client is not told.
 */


/* an error of this module or of nginx itself */
void ngx_http_s3jobs_own_error(ngx_http_request_t *r,
    ngx_http_s3jobs_ctx_t *ctx, ngx_uint_t status);

/*
 * S3's error, under any status; er may be NULL, no document.  NGX_AGAIN: it
 * is not for the client, the request is to be sent once more; or NGX_OK,
 * which is all that there is where last is set.
 */
ngx_int_t ngx_http_s3jobs_s3_error(ngx_http_request_t *r,
    ngx_http_s3jobs_ctx_t *ctx, ngx_s3jobs_error_reader_t *er,
    ngx_uint_t last);

/* a success of S3 that is not one */
void ngx_http_s3jobs_bad_upstream_response(ngx_http_request_t *r,
    ngx_http_s3jobs_ctx_t *ctx);

/* the document for ctx->error, with headers_out to match */
ngx_buf_t *ngx_http_s3jobs_error_document(ngx_http_request_t *r,
    ngx_http_s3jobs_ctx_t *ctx);

ngx_int_t ngx_http_s3jobs_error_init(ngx_conf_t *cf);


#endif /* _NGX_HTTP_S3JOBS_ERROR_H_INCLUDED_ */
