
/*
 * Copyright (C) the ngx_s3jobs_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_s3jobs_module.h"
#include "ngx_http_s3jobs_headers.h"
#include "ngx_http_s3jobs_page.h"
#include "ngx_s3jobs_text.h"


static ngx_int_t ngx_http_s3jobs_prepare(ngx_http_request_t *r,
    ngx_http_s3jobs_ctx_t *ctx);
static ngx_int_t ngx_http_s3jobs_eval_identity(ngx_http_request_t *r,
    ngx_http_s3jobs_ctx_t *ctx);
static ngx_int_t ngx_http_s3jobs_find_credentials(ngx_http_request_t *r,
    ngx_http_s3jobs_ctx_t *ctx);
static ngx_int_t ngx_http_s3jobs_set_request(ngx_http_request_t *r,
    ngx_http_s3jobs_ctx_t *ctx, ngx_s3jobs_query_t *q);
static ngx_int_t ngx_http_s3jobs_set_strings(ngx_http_request_t *r,
    ngx_http_s3jobs_ctx_t *ctx, ngx_s3jobs_query_t *q);


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
    ngx_int_t                    rc;
    ngx_s3jobs_query_t          *q;
    ngx_s3jobs_query_error_t     err;
    ngx_http_s3jobs_loc_conf_t  *slcf;

    if (!(r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD))) {
        return ngx_http_s3jobs_reject(r, ctx, NGX_HTTP_NOT_ALLOWED,
                                      "MethodNotAllowed",
                                      "The method must be GET or HEAD.");
    }

    slcf = ngx_http_get_module_loc_conf(r, ngx_http_s3jobs_module);

    q = &ctx->arguments;

    if (slcf->job) {
        rc = ngx_http_s3jobs_job(r, ctx);
        if (rc != NGX_OK) {
            return rc;
        }

    } else if (ngx_s3jobs_query_parse(&r->args, q, &err) != NGX_OK) {
        return ngx_http_s3jobs_reject_query(r, ctx, &err);

    } else if (slcf->max_pages > 1 && q->max_results == -1
        && (ctx->page || ngx_http_s3jobs_json(r)))
    {
        q->max_results = NGX_S3JOBS_QUERY_MAX_RESULTS;
        ctx->paged = 1;
    }

    rc = ngx_http_s3jobs_eval_identity(r, ctx);
    if (rc != NGX_OK) {
        return rc;
    }

    rc = ngx_http_s3jobs_find_credentials(r, ctx);
    if (rc != NGX_OK) {
        return rc;
    }

    return ngx_http_s3jobs_set_request(r, ctx, q);
}


ngx_int_t
ngx_http_s3jobs_prepare_page(ngx_http_request_t *r, ngx_http_request_t *first,
    ngx_str_t *token)
{
    ngx_int_t               rc;
    ngx_s3jobs_query_t      q;
    ngx_http_s3jobs_ctx_t  *ctx, *fctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_s3jobs_module);
    fctx = ngx_http_get_module_ctx(first, ngx_http_s3jobs_module);

    ctx->job = fctx->job;
    ctx->account = fctx->account;
    ctx->region = fctx->region;
    ctx->host = fctx->host;

    /* the variables that gave it may have another value here */

    ctx->source = fctx->source;

    rc = ngx_http_s3jobs_find_credentials(r, ctx);
    if (rc != NGX_OK) {
        return rc;
    }

    q = fctx->arguments;

    if (token->len) {

        /* as a client would send it */

        q.next_token.data = ngx_pnalloc(r->pool, 3 * token->len);
        if (q.next_token.data == NULL) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        q.next_token.len = (u_char *)
                           ngx_escape_uri(q.next_token.data, token->data,
                                          token->len,
                                          NGX_ESCAPE_URI_COMPONENT)
                           - q.next_token.data;
    }

    return ngx_http_s3jobs_set_request(r, ctx, &q);
}


/*
 * From here on the request line is ours: without the unparsed URI and the
 * location, proxy_pass sends r->uri and r->args as they are.
 */

static ngx_int_t
ngx_http_s3jobs_set_request(ngx_http_request_t *r, ngx_http_s3jobs_ctx_t *ctx,
    ngx_s3jobs_query_t *q)
{
    ngx_int_t  rc;

    rc = ngx_http_s3jobs_set_strings(r, ctx, q);
    if (rc != NGX_OK) {
        return rc;
    }

    /* or nginx would read it first, as slowly as the client sends it */

    rc = ngx_http_discard_request_body(r);
    if (rc != NGX_OK) {
        return rc;
    }

#if (NGX_HTTP_CACHE)

    /* still set where another location, with a cache, redirected to here */

    r->cached = 0;

#endif

    r->uri = ctx->path;
    r->args = ctx->query;
    r->valid_unparsed_uri = 0;
    r->valid_location = 0;

    ctx->http_version = r->http_version;
    ctx->requests = 1;
    ctx->ready = 1;

    return NGX_DECLINED;
}


static ngx_int_t
ngx_http_s3jobs_eval_identity(ngx_http_request_t *r,
    ngx_http_s3jobs_ctx_t *ctx)
{
    ngx_http_s3jobs_loc_conf_t  *slcf;

    slcf = ngx_http_get_module_loc_conf(r, ngx_http_s3jobs_module);

    if (slcf->fixed_key.len) {
        ctx->account = slcf->account->value;
        ctx->region = slcf->region->value;
        ctx->host = slcf->fixed_host;

        return NGX_OK;
    }

    if (ngx_http_complex_value(r, slcf->account, &ctx->account) != NGX_OK
        || ngx_http_complex_value(r, slcf->region, &ctx->region) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (!ngx_s3jobs_account_valid(&ctx->account)) {
        ngx_http_s3jobs_printable(r, &ctx->account);

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
        ngx_http_s3jobs_printable(r, &ctx->region);

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
        ngx_http_s3jobs_printable(r, &ctx->host);

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

    if (ctx->source == NULL) {
        ctx->source = slcf->source;
    }

    if (ctx->source == NULL) {
        if (ngx_http_complex_value(r, slcf->credentials, &name) != NGX_OK) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        smcf = ngx_http_get_module_main_conf(r, ngx_http_s3jobs_module);

        ctx->source = ngx_http_s3jobs_find_source(&smcf->sources, &name);

        if (ctx->source == NULL) {
            ngx_http_s3jobs_printable(r, &name);

            ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                          "unknown credentials source \"%V\" from "
                          "\"s3jobs_credentials\"", &name);
            return ngx_http_s3jobs_no_credentials(r, ctx);
        }
    }

    rc = ngx_http_s3jobs_check_credentials(ctx->source);

    if (rc == NGX_AGAIN) {
        rc = ngx_http_s3jobs_wait(r, ctx);
    }

    ctx->expires = ctx->source->copy->expires;

    switch (rc) {

    case NGX_OK:
    case NGX_AGAIN:
        return rc;

    case NGX_ERROR:
        return NGX_HTTP_INTERNAL_SERVER_ERROR;

    default: /* NGX_DECLINED */
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "no usable credentials from source \"%V\"",
                      &ctx->source->name);

        return ngx_http_s3jobs_no_credentials(r, ctx);
    }
}


ngx_int_t
ngx_http_s3jobs_no_credentials(ngx_http_request_t *r,
    ngx_http_s3jobs_ctx_t *ctx)
{
    ngx_str_set(&ctx->retry_after, "1");

    return ngx_http_s3jobs_reject(r, ctx, NGX_HTTP_SERVICE_UNAVAILABLE,
                                  "CredentialsUnavailable",
                                  "The gateway has no usable AWS credentials "
                                  "at the moment.");
}


/* the query, or the path of a job, goes last: the cache key ends with it */

static ngx_int_t
ngx_http_s3jobs_set_strings(ngx_http_request_t *r, ngx_http_s3jobs_ctx_t *ctx,
    ngx_s3jobs_query_t *q)
{
    u_char                      *p;
    size_t                       len, query_len;
    ngx_http_s3jobs_loc_conf_t  *slcf;

    slcf = ngx_http_get_module_loc_conf(r, ngx_http_s3jobs_module);

    ctx->path = ngx_http_s3jobs_path;

    if (ctx->job.len) {
        query_len = ctx->path.len + 1 + ctx->job.len;

    } else {
        query_len = ngx_s3jobs_query_length(q);
    }

    if (slcf->fixed_key.len && query_len == 0) {
        ctx->cache_key = slcf->fixed_key;
        ngx_str_set(&ctx->query, "");
        return NGX_OK;
    }

    len = ctx->account.len + 1 + ctx->region.len + 1 + query_len
          + (ctx->host.len ? 0 : NGX_S3JOBS_ENDPOINT_MAX);

    p = ngx_pnalloc(r->pool, len);
    if (p == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (ctx->host.len == 0) {
        ctx->host.data = p;
        p = ngx_s3jobs_endpoint_write(p, &ctx->account, &ctx->region,
                                      slcf->endpoint);
        ctx->host.len = p - ctx->host.data;
    }

    ctx->cache_key.data = p;
    p = ngx_http_s3jobs_key_write(p, &ctx->account, &ctx->region);

    if (ctx->job.len) {
        ctx->path.data = p;
        p = ngx_cpymem(p, ngx_http_s3jobs_path.data, ngx_http_s3jobs_path.len);
        *p++ = '/';
        p = ngx_cpymem(p, ctx->job.data, ctx->job.len);
        ctx->path.len = p - ctx->path.data;

    } else {
        ctx->query.data = p;
        p = ngx_s3jobs_query_write(p, q);
        ctx->query.len = p - ctx->query.data;
    }

    ctx->cache_key.len = p - ctx->cache_key.data;

    return NGX_OK;
}


u_char *
ngx_http_s3jobs_key_write(u_char *p, ngx_str_t *account, ngx_str_t *region)
{
    p = ngx_cpymem(p, account->data, account->len);
    *p++ = ':';
    p = ngx_cpymem(p, region->data, region->len);
    *p++ = ':';

    return p;
}


ngx_int_t
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


ngx_int_t
ngx_http_s3jobs_reject_query(ngx_http_request_t *r,
    ngx_http_s3jobs_ctx_t *ctx, ngx_s3jobs_query_error_t *err)
{
    u_char  *p;
    size_t   len;

    ngx_http_s3jobs_printable(r, &err->name);

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

        if (r->background) {
            ctx->page = ngx_http_s3jobs_page_of(r);
        }
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


void
ngx_http_s3jobs_printable(ngx_http_request_t *r, ngx_str_t *value)
{
    value->data = ngx_pstrdup(r->pool, value);

    if (value->data == NULL) {
        value->len = 0;
        return;
    }

    ngx_s3jobs_text_clean(value);
}
