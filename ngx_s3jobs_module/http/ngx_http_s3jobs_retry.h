
/*
 * Copyright (C) the ngx_s3jobs_module authors
 */


#ifndef _NGX_HTTP_S3JOBS_RETRY_H_INCLUDED_
#define _NGX_HTTP_S3JOBS_RETRY_H_INCLUDED_


#include "ngx_http_s3jobs_module.h"


/*
 * s3jobs_tries: what S3 could not or would not answer is asked again, as long
 * as nothing of the answer went to the client.
 */

char *ngx_http_s3jobs_tries(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);

/* how often the request at hand may be sent, this time included; 0: no more */
ngx_uint_t ngx_http_s3jobs_tries_left(ngx_http_request_t *r,
    ngx_http_s3jobs_ctx_t *ctx);

/*
 * Whether S3's error, which is ctx->error, is to be answered with the same
 * request once more: ctx->tries then says after how long.  Returns 1 or 0.
 */
ngx_uint_t ngx_http_s3jobs_retry(ngx_http_request_t *r,
    ngx_http_s3jobs_ctx_t *ctx);

/* nginx's own tries, with other servers, count too */
void ngx_http_s3jobs_limit_tries(ngx_http_request_t *r,
    ngx_http_s3jobs_ctx_t *ctx);

/*
 * Whether the credentials that S3 has refused still are those of their
 * source: NGX_AGAIN, and NGX_DECLINED if there will be no others in time,
 * else NGX_OK.
 */
ngx_int_t ngx_http_s3jobs_retry_credentials(ngx_http_s3jobs_tries_t *t);

/* a success tells whether the clocks agree again */
void ngx_http_s3jobs_check_clock(ngx_http_request_t *r);


/* seconds that S3's clock is ahead of ours, if they do not agree */
extern time_t  ngx_http_s3jobs_clock_offset;


#endif /* _NGX_HTTP_S3JOBS_RETRY_H_INCLUDED_ */
