
/*
 * Copyright (C) the ngx_s3jobs_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include <openssl/crypto.h>

#include "ngx_http_s3jobs_module.h"
#include "ngx_http_s3jobs_retry.h"


static ngx_uint_t ngx_http_s3jobs_building(ngx_http_request_t *r);
static ngx_int_t ngx_http_s3jobs_sign(ngx_http_request_t *r,
    ngx_http_s3jobs_ctx_t *ctx);
static void ngx_http_s3jobs_set_date(ngx_http_s3jobs_ctx_t *ctx);
static void ngx_http_s3jobs_signed_request(ngx_http_s3jobs_ctx_t *ctx,
    ngx_s3jobs_sigv4_t *s, ngx_keyval_t *headers);
static ngx_int_t ngx_http_s3jobs_authorize(ngx_http_request_t *r,
    ngx_http_s3jobs_ctx_t *ctx, ngx_s3jobs_sigv4_t *s, u_char *key);
static void ngx_http_s3jobs_refuse(ngx_http_request_t *r);


/* where no request goes, and what nginx logs of one that would have gone */

static ngx_http_upstream_resolved_t  ngx_http_s3jobs_nowhere;


void
ngx_http_s3jobs_signed(ngx_http_request_t *r)
{
    ngx_http_s3jobs_ctx_t  *ctx;

    /*
     * nginx asks twice, for the length of a value and for the value: what was
     * refused once has to be empty again.
     */

    if (!ngx_http_s3jobs_building(r)
        || r->upstream->resolved == &ngx_http_s3jobs_nowhere)
    {
        return;
    }

    ctx = ngx_http_s3jobs_get_ctx(r);

    if (ctx && ctx->authorization.len) {
        return;
    }

    if (ctx == NULL || !ctx->ready || ngx_http_s3jobs_sign(r, ctx) != NGX_OK)
    {
        ngx_http_s3jobs_refuse(r);
        return;
    }

    ngx_http_s3jobs_limit_tries(r, ctx);
}


/* nginx registers its cleanup when the request upstream has been made */

static ngx_uint_t
ngx_http_s3jobs_building(ngx_http_request_t *r)
{
#if (NGX_HTTP_CACHE)

    if (r->cached) {
        return 0;
    }

#endif

    return r->upstream != NULL && r->upstream->cleanup == NULL
           && (!r->header_sent || r->post_action);
}


static ngx_int_t
ngx_http_s3jobs_sign(ngx_http_request_t *r, ngx_http_s3jobs_ctx_t *ctx)
{
    u_char               key[NGX_S3JOBS_SHA256_LEN];
    ngx_int_t            rc;
    ngx_keyval_t         headers[5];
    ngx_s3jobs_sigv4_t   s;

    /* one reading of the clock, and one record of credentials */

    ngx_http_s3jobs_set_date(ctx);

    rc = ngx_http_s3jobs_get_credentials(ctx->source, &ctx->date,
                                         &ctx->region, key);

    if (rc != NGX_OK) {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "no usable credentials from source \"%V\" any more",
                      &ctx->source->name);

        (void) ngx_http_s3jobs_no_credentials(r, ctx);

        ctx->refused = 1;
        ngx_str_null(&ctx->date);

        return NGX_DECLINED;
    }

    ctx->key_id = ctx->source->copy->key_id;
    ctx->token = ctx->source->copy->token;
    ctx->expires = ctx->source->copy->expires;

    ngx_http_s3jobs_signed_request(ctx, &s, headers);

    rc = ngx_http_s3jobs_authorize(r, ctx, &s, key);

    OPENSSL_cleanse(key, sizeof(key));

    if (rc != NGX_OK) {
        ngx_log_error(NGX_LOG_CRIT, r->connection->log, 0,
                      "request could not be signed, it is not sent");

        ngx_str_null(&ctx->date);
        ngx_str_null(&ctx->key_id);
        ngx_str_null(&ctx->token);
    }

    return rc;
}


static void
ngx_http_s3jobs_set_date(ngx_http_s3jobs_ctx_t *ctx)
{
    static time_t  sec = -1;
    static u_char  date[NGX_S3JOBS_DATE_LEN];

    if (sec != ngx_time() + ngx_http_s3jobs_clock_offset) {
        sec = ngx_time() + ngx_http_s3jobs_clock_offset;
        ngx_s3jobs_sigv4_date(date, sec);
    }

    ngx_memcpy(ctx->date_buf, date, NGX_S3JOBS_DATE_LEN);

    ctx->date.data = ctx->date_buf;
    ctx->date.len = NGX_S3JOBS_DATE_LEN;
}


static void
ngx_http_s3jobs_signed_request(ngx_http_s3jobs_ctx_t *ctx,
    ngx_s3jobs_sigv4_t *s, ngx_keyval_t *headers)
{
    ngx_str_set(&s->method, "GET");
    s->path = ctx->path;
    s->query = ctx->query;
    ngx_str_set(&s->payload_hash, NGX_S3JOBS_EMPTY_SHA256);
    s->date = ctx->date;
    s->region = ctx->region;
    ngx_str_set(&s->service, "s3");

    s->headers = headers;
    s->nheaders = ctx->token.len ? 5 : 4;

    ngx_str_set(&headers[0].key, "host");
    headers[0].value = ctx->host;
    ngx_str_set(&headers[1].key, "x-amz-account-id");
    headers[1].value = ctx->account;
    ngx_str_set(&headers[2].key, "x-amz-content-sha256");
    headers[2].value = s->payload_hash;
    ngx_str_set(&headers[3].key, "x-amz-date");
    headers[3].value = ctx->date;
    ngx_str_set(&headers[4].key, "x-amz-security-token");
    headers[4].value = ctx->token;
}


/* the source's copies of key id and token may change later on */

static ngx_int_t
ngx_http_s3jobs_authorize(ngx_http_request_t *r, ngx_http_s3jobs_ctx_t *ctx,
    ngx_s3jobs_sigv4_t *s, u_char *key)
{
    u_char  *p, *authorization;
    size_t   len;

    len = ngx_s3jobs_sigv4_length(s, &ctx->key_id);

    p = ngx_pnalloc(r->pool, ctx->key_id.len + ctx->token.len + len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    ctx->key_id.data = p;
    p = ngx_cpymem(p, ctx->source->copy->key_id.data, ctx->key_id.len);

    ctx->token.data = p;
    p = ngx_cpymem(p, ctx->source->copy->token.data, ctx->token.len);

    authorization = p;

    if (ngx_s3jobs_sigv4_sign(p, s, &ctx->key_id, key) == NULL) {
        return NGX_ERROR;
    }

    ctx->authorization.data = authorization;
    ctx->authorization.len = len;

    ngx_http_s3jobs_count(&ctx->source->record->usage.signatures, 1);

    return NGX_OK;
}


/*
 * A variable cannot stop nginx from sending the request that it is making,
 * it can only be left out.  But nginx looks for the upstream next, and where
 * there is none it ends the request, before anything is sent.
 */

static void
ngx_http_s3jobs_refuse(ngx_http_request_t *r)
{
    ngx_str_set(&ngx_http_s3jobs_nowhere.host,
                "(none, for a request without a signature)");

    r->upstream->resolved = &ngx_http_s3jobs_nowhere;
}
