
/*
 * Copyright (C) the ngx_s3jobs_module authors
 */


#ifndef _NGX_HTTP_S3JOBS_FIRST_H_INCLUDED_
#define _NGX_HTTP_S3JOBS_FIRST_H_INCLUDED_


#include "ngx_http_s3jobs_answer.h"


/*
 * A 200 is what its document is: a listing, an error, or neither.  Nothing of
 * it goes to the client before its root element is known, which has to begin
 * within NGX_HTTP_S3JOBS_FIRST_MAX bytes.
 */
#define NGX_HTTP_S3JOBS_FIRST_MAX  512


/* the body filter until then */
ngx_int_t ngx_http_s3jobs_first_filter(ngx_http_request_t *r,
    ngx_http_s3jobs_ctx_t *ctx, ngx_chain_t *in);

/* whether what came with the header, or is in the cache, is a listing's */
ngx_uint_t ngx_http_s3jobs_first_seen(ngx_http_request_t *r,
    ngx_http_s3jobs_ctx_t *ctx);

/*
 * The same where nobody listens: what a background update of a cache brings is
 * not kept unless it is a listing.
 */
void ngx_http_s3jobs_first_update(ngx_http_request_t *r,
    ngx_http_s3jobs_ctx_t *ctx);

/* the header of S3's own document */
ngx_int_t ngx_http_s3jobs_xml_header(ngx_http_request_t *r);


#endif /* _NGX_HTTP_S3JOBS_FIRST_H_INCLUDED_ */
