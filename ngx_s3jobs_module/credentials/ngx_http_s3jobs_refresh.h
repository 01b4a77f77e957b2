
/*
 * Copyright (C) the ngx_s3jobs_module authors
 */


#ifndef _NGX_HTTP_S3JOBS_REFRESH_H_INCLUDED_
#define _NGX_HTTP_S3JOBS_REFRESH_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_s3jobs_credentials_doc.h"
#include "ngx_http_s3jobs_source.h"


/*
 * The longest token in a file, in bytes, as STS has it
 * (https://docs.aws.amazon.com/STS/latest/APIReference/
 * API_AssumeRoleWithWebIdentity.html), and a buffer for it, with the white
 * space that may follow.
 */
#define NGX_HTTP_S3JOBS_TOKEN_MAX     20000
#define NGX_HTTP_S3JOBS_TOKEN_BUFFER  (NGX_HTTP_S3JOBS_TOKEN_MAX + 1024)


/*
 * What keeps a source's record fresh.  refresh_start() is the start() of
 * providers with a fetch(), which is called when new credentials are due and
 * nobody else fetches them.  fetch() returns NGX_AGAIN if it cannot begin
 * yet, which is no failure; or NGX_OK, and then exactly one of _done(),
 * _answer() and _failed() follows, or has been called.
 */
ngx_int_t ngx_http_s3jobs_refresh_start(ngx_cycle_t *cycle,
    ngx_http_s3jobs_source_t *source);
void ngx_http_s3jobs_refresh_stop(ngx_http_s3jobs_source_t *source);

void ngx_http_s3jobs_refresh_done(ngx_http_s3jobs_source_t *source,
    ngx_s3jobs_credentials_t *c);
void ngx_http_s3jobs_refresh_answer(ngx_http_s3jobs_source_t *source,
    ngx_s3jobs_credentials_doc_pt parse, ngx_uint_t required);

/* the text completes 'source "...": ...', in the error log */
void ngx_http_s3jobs_refresh_failed(ngx_http_s3jobs_source_t *source,
    const char *fmt, ...);


/* begins source->refresh.fetch; NGX_DECLINED: that has failed */
ngx_int_t ngx_http_s3jobs_refresh_fetch(ngx_http_s3jobs_source_t *source);


/* whether a fetch goes on, or is to begin, before end (ngx_current_msec) */
ngx_uint_t ngx_http_s3jobs_refresh_expected(ngx_http_s3jobs_source_t *source,
    ngx_msec_t end);


/* whether the first fetch has neither succeeded nor failed yet */
ngx_uint_t ngx_http_s3jobs_refresh_awaited(ngx_http_s3jobs_source_t *source);


/*
 * Any worker: S3 has refused the credentials of this key id as expired, and
 * if they are still the ones in use, new ones are fetched at once.
 */
void ngx_http_s3jobs_refresh_now(ngx_http_s3jobs_source_t *source,
    ngx_str_t *key_id);


/*
 * A token from a file, without the white space at its end, in a buffer of
 * NGX_HTTP_S3JOBS_TOKEN_BUFFER bytes.  NGX_DECLINED: that has failed, and
 * the refresh with it.
 */
ngx_int_t ngx_http_s3jobs_refresh_token(ngx_http_s3jobs_source_t *source,
    ngx_str_t *path, u_char *buf, ngx_str_t *token);


#endif /* _NGX_HTTP_S3JOBS_REFRESH_H_INCLUDED_ */
