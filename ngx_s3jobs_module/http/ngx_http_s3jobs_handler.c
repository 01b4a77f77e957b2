
/*
 * Copyright (C) the ngx_s3jobs_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include <openssl/crypto.h>

#include "ngx_http_s3jobs_module.h"
#include "ngx_s3jobs_query.h"


static ngx_int_t ngx_http_s3jobs_prepare(ngx_http_request_t *r,
    ngx_http_s3jobs_ctx_t *ctx);
static ngx_int_t ngx_http_s3jobs_eval_identity(ngx_http_request_t *r,
    ngx_http_s3jobs_ctx_t *ctx);
static ngx_int_t ngx_http_s3jobs_find_credentials(ngx_http_request_t *r,
    ngx_http_s3jobs_ctx_t *ctx);
static ngx_int_t ngx_http_s3jobs_set_strings(ngx_http_request_t *r,
    ngx_http_s3jobs_ctx_t *ctx, ngx_s3jobs_query_t *q);
static void ngx_http_s3jobs_cleanup(void *data);
static ngx_int_t ngx_http_s3jobs_reject(ngx_http_request_t *r,
    ngx_http_s3jobs_ctx_t *ctx, ngx_uint_t status, const char *code,
    const char *message);
static ngx_int_t ngx_http_s3jobs_reject_query(ngx_http_request_t *r,
    ngx_http_s3jobs_ctx_t *ctx, ngx_s3jobs_query_error_t *err);


static ngx_str_t  ngx_http_s3jobs_path = ngx_string("/v20180820/jobs");


ngx_int_t
ngx_http_s3jobs_handler(ngx_http_request_t *r)
{
    ngx_http_s3jobs_ctx_t       *ctx;
    ngx_http_s3jobs_loc_conf_t  *slcf;

    slcf = ngx_http_get_module_loc_conf(r, ngx_http_s3jobs_module);

    if (!slcf->enable) {
        return NGX_DECLINED;
    }

    ctx = ngx_http_s3jobs_create_ctx(r);
    if (ctx == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (ctx->ready) {
        return NGX_DECLINED;
    }

    return ngx_http_s3jobs_prepare(r, ctx);
}


static ngx_int_t
ngx_http_s3jobs_prepare(ngx_http_request_t *r, ngx_http_s3jobs_ctx_t *ctx)
{
    ngx_int_t                  rc;
    ngx_s3jobs_query_t         q;
    ngx_s3jobs_query_error_t   err;

    if (!(r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD))) {
        return ngx_http_s3jobs_reject(r, ctx, NGX_HTTP_NOT_ALLOWED,
                                      "MethodNotAllowed",
                                      "The method must be GET or HEAD.");
    }

    if (ngx_s3jobs_query_parse(&r->args, &q, &err) != NGX_OK) {
        return ngx_http_s3jobs_reject_query(r, ctx, &err);
    }

    rc = ngx_http_s3jobs_eval_identity(r, ctx);
    if (rc != NGX_OK) {
        return rc;
    }

    rc = ngx_http_s3jobs_find_credentials(r, ctx);
    if (rc != NGX_OK) {
        return rc;
    }

    rc = ngx_http_s3jobs_set_strings(r, ctx, &q);
    if (rc != NGX_OK) {
        return rc;
    }

    /*
     * From here on the request line is ours: without the unparsed URI and
     * the location, proxy_pass sends r->uri and r->args as they are.
     */

    r->uri = ngx_http_s3jobs_path;
    r->args = ctx->query;
    r->valid_unparsed_uri = 0;
    r->valid_location = 0;

    ctx->http_version = r->http_version;
    ctx->ready = 1;

    return NGX_DECLINED;
}


static ngx_int_t
ngx_http_s3jobs_eval_identity(ngx_http_request_t *r,
    ngx_http_s3jobs_ctx_t *ctx)
{
    ngx_http_s3jobs_loc_conf_t  *slcf;

    slcf = ngx_http_get_module_loc_conf(r, ngx_http_s3jobs_module);

    if (ngx_http_complex_value(r, slcf->account, &ctx->account) != NGX_OK
        || ngx_http_complex_value(r, slcf->region, &ctx->region) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (!ngx_s3jobs_account_valid(&ctx->account)) {
        ngx_log_error(NGX_LOG_INFO, r->connection->log, 0,
                      "invalid account \"%V\" from \"s3jobs_account\"",
                      &ctx->account);

        return ngx_http_s3jobs_reject(r, ctx, NGX_HTTP_FORBIDDEN,
                                      "AccessDenied",
                                      "No such account is served here.");
    }

    if (!ngx_s3jobs_region_valid(&ctx->region)
        || ((slcf->endpoint & NGX_S3JOBS_FIPS)
            && !ngx_s3jobs_region_fips(&ctx->region)))
    {
        ngx_log_error(NGX_LOG_INFO, r->connection->log, 0,
                      "invalid region \"%V\" from \"s3jobs_region\"",
                      &ctx->region);

        return ngx_http_s3jobs_reject(r, ctx, NGX_HTTP_FORBIDDEN,
                                      "AccessDenied",
                                      "No such region is served here.");
    }

    if (slcf->host == NULL) {
        return NGX_OK;
    }

    if (ngx_http_complex_value(r, slcf->host, &ctx->host) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (!ngx_s3jobs_host_valid(&ctx->host)) {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "invalid host \"%V\" from \"s3jobs_endpoint\"",
                      &ctx->host);
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_s3jobs_find_credentials(ngx_http_request_t *r,
    ngx_http_s3jobs_ctx_t *ctx)
{
    ngx_int_t                     rc;
    ngx_str_t                     name;
    ngx_http_s3jobs_loc_conf_t   *slcf;
    ngx_http_s3jobs_main_conf_t  *smcf;

    slcf = ngx_http_get_module_loc_conf(r, ngx_http_s3jobs_module);

    ctx->source = slcf->source;

    if (ctx->source == NULL) {
        if (ngx_http_complex_value(r, slcf->credentials, &name) != NGX_OK) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        smcf = ngx_http_get_module_main_conf(r, ngx_http_s3jobs_module);

        ctx->source = ngx_http_s3jobs_find_source(&smcf->sources, &name);

        if (ctx->source == NULL) {
            ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                          "unknown credentials source \"%V\" from "
                          "\"s3jobs_credentials\"", &name);
            goto unavailable;
        }
    }

    ctx->date.data = ctx->date_buf;
    ctx->date.len = NGX_S3JOBS_DATE_LEN;

    ngx_s3jobs_sigv4_date(ctx->date_buf, ngx_time());

    rc = ngx_http_s3jobs_get_credentials(ctx->source, &ctx->date,
                                         &ctx->region, ctx->key);

    if (rc == NGX_AGAIN) {
        rc = ngx_http_s3jobs_wait(r, ctx);
    }

    if (rc == NGX_OK || rc == NGX_AGAIN) {
        return rc;
    }

    if (rc == NGX_ERROR) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                  "no usable credentials from source \"%V\"",
                  &ctx->source->name);

unavailable:

    ngx_str_set(&ctx->retry_after, "1");

    return ngx_http_s3jobs_reject(r, ctx, NGX_HTTP_SERVICE_UNAVAILABLE,
                                  "CredentialsUnavailable",
                                  "The gateway has no usable AWS credentials "
                                  "at the moment.");
}


/*
 * All strings that the request upstream is made of, in one allocation, with
 * room for the signature: signing later on cannot fail.
 */

static ngx_int_t
ngx_http_s3jobs_set_strings(ngx_http_request_t *r, ngx_http_s3jobs_ctx_t *ctx,
    ngx_s3jobs_query_t *q)
{
    u_char                      *p;
    size_t                       len, host_len, query_len, key_len;
    ngx_keyval_t                 headers[5];
    ngx_s3jobs_sigv4_t           s;
    ngx_pool_cleanup_t          *cln;
    ngx_http_s3jobs_loc_conf_t  *slcf;

    slcf = ngx_http_get_module_loc_conf(r, ngx_http_s3jobs_module);

    cln = ngx_pool_cleanup_add(r->pool, 0);
    if (cln == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    cln->handler = ngx_http_s3jobs_cleanup;
    cln->data = ctx;

    ctx->key_id = ctx->source->key_id;
    ctx->token = ctx->source->token;
    ctx->expires = ctx->source->expires;

    ngx_http_s3jobs_request(ctx, &s, headers);

    query_len = ngx_s3jobs_query_length(q);
    host_len = slcf->host ? 0 : NGX_S3JOBS_ENDPOINT_MAX;
    key_len = ctx->account.len + 1 + ctx->region.len + 1 + query_len;

    len = ctx->key_id.len + ctx->token.len + query_len + host_len + key_len
          + ngx_s3jobs_sigv4_length(&s, &ctx->key_id);

    p = ngx_pnalloc(r->pool, len);
    if (p == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    /* the source's copies may change before the signature is made */

    ctx->key_id.data = p;
    p = ngx_cpymem(p, ctx->source->key_id.data, ctx->key_id.len);

    ctx->token.data = p;
    p = ngx_cpymem(p, ctx->source->token.data, ctx->token.len);

    ctx->cache_key.data = p;
    ctx->cache_key.len = key_len;
    p = ngx_cpymem(p, ctx->account.data, ctx->account.len);
    *p++ = ':';
    p = ngx_cpymem(p, ctx->region.data, ctx->region.len);
    *p++ = ':';

    ctx->query.data = p;
    p = ngx_s3jobs_query_write(p, q);
    ctx->query.len = p - ctx->query.data;

    if (slcf->host == NULL) {
        ctx->host.data = p;
        p = ngx_s3jobs_endpoint_write(p, &ctx->account, &ctx->region,
                                      slcf->endpoint);
        ctx->host.len = p - ctx->host.data;
    }

    ctx->authorization_buf = p;

    ngx_str_set(&ctx->content_sha256, NGX_S3JOBS_EMPTY_SHA256);

    return NGX_OK;
}


void
ngx_http_s3jobs_request(ngx_http_s3jobs_ctx_t *ctx, ngx_s3jobs_sigv4_t *s,
    ngx_keyval_t *headers)
{
    ngx_str_set(&s->method, "GET");
    s->path = ngx_http_s3jobs_path;
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


static void
ngx_http_s3jobs_cleanup(void *data)
{
    ngx_http_s3jobs_ctx_t *ctx = data;

    OPENSSL_cleanse(ctx->key, sizeof(ctx->key));
}


static ngx_int_t
ngx_http_s3jobs_reject(ngx_http_request_t *r, ngx_http_s3jobs_ctx_t *ctx,
    ngx_uint_t status, const char *code, const char *message)
{
    ctx->error.status = status;

    ctx->error.code.data = (u_char *) code;
    ctx->error.code.len = ngx_strlen(code);

    ctx->error.message.data = (u_char *) message;
    ctx->error.message.len = ngx_strlen(message);

    return status;
}


static ngx_int_t
ngx_http_s3jobs_reject_query(ngx_http_request_t *r,
    ngx_http_s3jobs_ctx_t *ctx, ngx_s3jobs_query_error_t *err)
{
    u_char  *p;
    size_t   len;

    len = sizeof("argument \"\" ") + err->name.len + err->text.len;

    p = ngx_pnalloc(r->pool, len);
    if (p == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    (void) ngx_sprintf(p, "argument \"%V\" %V%Z", &err->name, &err->text);

    ngx_log_error(NGX_LOG_INFO, r->connection->log, 0, "client sent %s", p);

    return ngx_http_s3jobs_reject(r, ctx, NGX_HTTP_BAD_REQUEST,
                                  "InvalidRequest", (char *) p);
}


ngx_http_s3jobs_ctx_t *
ngx_http_s3jobs_create_ctx(ngx_http_request_t *r)
{
    ngx_http_s3jobs_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_s3jobs_module);

    if (ctx == NULL) {
        ctx = ngx_pcalloc(r->pool, sizeof(ngx_http_s3jobs_ctx_t));
        if (ctx == NULL) {
            return NULL;
        }

        ngx_http_set_ctx(r, ctx, ngx_http_s3jobs_module);
    }

    return ctx;
}


ngx_http_s3jobs_ctx_t *
ngx_http_s3jobs_get_ctx(ngx_http_request_t *r)
{
    ngx_http_s3jobs_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_s3jobs_module);

    if (ctx == NULL && r->background && r->loc_conf == r->parent->loc_conf) {
        ctx = ngx_http_get_module_ctx(r->parent, ngx_http_s3jobs_module);
    }

    return ctx;
}
