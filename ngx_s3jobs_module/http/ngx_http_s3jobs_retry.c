
/*
 * Copyright (C) the ngx_s3jobs_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_s3jobs_module.h"
#include "ngx_http_s3jobs_count.h"
#include "ngx_http_s3jobs_headers.h"
#include "ngx_http_s3jobs_page.h"
#include "ngx_http_s3jobs_refresh.h"
#include "ngx_http_s3jobs_retry.h"


/* in milliseconds: what the first wait is at most, and any */
#define NGX_HTTP_S3JOBS_BACKOFF      100
#define NGX_HTTP_S3JOBS_BACKOFF_MAX  20000

/* in seconds: clocks that differ by less agree; AWS tolerates 15 minutes */
#define NGX_HTTP_S3JOBS_CLOCK_SKEW   240


static ngx_int_t ngx_http_s3jobs_retry_later(ngx_http_request_t *r,
    ngx_http_s3jobs_ctx_t *ctx, ngx_http_s3jobs_tries_t *t);
static uint64_t ngx_http_s3jobs_retry_hash(ngx_str_t *key_id,
    ngx_str_t *token);
static ngx_int_t ngx_http_s3jobs_retry_clock(ngx_http_request_t *r,
    ngx_http_s3jobs_ctx_t *ctx, ngx_http_s3jobs_tries_t *t);
static ngx_int_t ngx_http_s3jobs_clock_difference(ngx_http_request_t *r,
    time_t *difference);
static ngx_msec_int_t ngx_http_s3jobs_time_left(ngx_http_request_t *r,
    ngx_http_s3jobs_tries_t *t);


time_t  ngx_http_s3jobs_clock_offset;


char *
ngx_http_s3jobs_tries(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_s3jobs_loc_conf_t *slcf = conf;

    ngx_int_t   n;
    ngx_str_t  *value;

    if (slcf->tries != NGX_CONF_UNSET_UINT) {
        return "is duplicate";
    }

    value = cf->args->elts;

    n = ngx_atoi(value[1].data, value[1].len);

    if (n == NGX_ERROR || n < 1 || n > 100) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid number \"%V\" in \"%V\" directive, it "
                           "must be between 1 and 100", &value[1], &cmd->name);
        return NGX_CONF_ERROR;
    }

    slcf->tries = n;

    if (cf->args->nelts == 2) {
        slcf->tries_time = 10000;
        return NGX_CONF_OK;
    }

    slcf->tries_time = ngx_parse_time(&value[2], 0);

    if (slcf->tries_time == (ngx_msec_t) NGX_ERROR
        || slcf->tries_time == 0)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid time \"%V\" in \"%V\" directive",
                           &value[2], &cmd->name);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


ngx_uint_t
ngx_http_s3jobs_tries_left(ngx_http_request_t *r, ngx_http_s3jobs_ctx_t *ctx)
{
    ngx_http_s3jobs_tries_t     *t;
    ngx_http_s3jobs_loc_conf_t  *slcf;

    slcf = ngx_http_get_module_loc_conf(r, ngx_http_s3jobs_module);

    t = ctx->page ? ngx_http_s3jobs_page_tries(ctx->page) : &ctx->tries;

    return (slcf->tries > t->n) ? slcf->tries - t->n : 0;
}


ngx_uint_t
ngx_http_s3jobs_retry(ngx_http_request_t *r, ngx_http_s3jobs_ctx_t *ctx)
{
    ngx_int_t                    rc;
    ngx_http_s3jobs_tries_t     *t;
    ngx_http_s3jobs_loc_conf_t  *slcf;

    slcf = ngx_http_get_module_loc_conf(r, ngx_http_s3jobs_module);

    t = ctx->page ? ngx_http_s3jobs_page_tries(ctx->page) : &ctx->tries;

    if (t->n == 0) {
        t->start = (ctx->page ? ctx->page->start
                              : (ngx_msec_t) (r->start_sec * 1000
                                              + r->start_msec));
    }

    t->n += r->upstream_states
            ? r->upstream_states->nelts
              - ngx_http_s3jobs_first_try(r->upstream_states)
            : 1;
    t->refused = 0;
    t->delay = 0;

#if (NGX_HTTP_CACHE)

    if (r->cached) {
        return 0;
    }

#endif

    if (slcf->tries <= t->n || !ctx->ready
        || (r->background && ctx->page == NULL)
        || ngx_http_s3jobs_time_left(r, t) <= 0)
    {
        return 0;
    }

    rc = ngx_http_s3jobs_retry_clock(r, ctx, t);

    if (rc == NGX_DECLINED && ctx->error.refresh && !t->refreshed) {
        t->refreshed = 1;
        t->refused = 1;
        t->end = ngx_current_msec + slcf->credentials_timeout;
        t->source = ctx->source;
        t->hash = ngx_http_s3jobs_retry_hash(&ctx->key_id, &ctx->token);

        if (ngx_http_s3jobs_retry_credentials(t) != NGX_DECLINED) {
            ngx_http_s3jobs_count_retry(r, NGX_HTTP_S3JOBS_RETRY_CREDENTIALS);
            rc = NGX_OK;
        }
    }

    if (rc == NGX_DECLINED && ctx->error.again) {
        rc = ngx_http_s3jobs_retry_later(r, ctx, t);
    }

    return rc == NGX_OK;
}


/* full jitter: all who were refused together do not come back together */

static ngx_int_t
ngx_http_s3jobs_retry_later(ngx_http_request_t *r, ngx_http_s3jobs_ctx_t *ctx,
    ngx_http_s3jobs_tries_t *t)
{
    ngx_int_t    n;
    ngx_str_t   *value;
    ngx_msec_t   most;

    most = ngx_min(NGX_HTTP_S3JOBS_BACKOFF << ngx_min(t->n - 1, 10),
                   NGX_HTTP_S3JOBS_BACKOFF_MAX);

    t->delay = 1 + ngx_random() % most;

    value = ngx_http_s3jobs_find_header(r, "retry-after");

    if (value) {
        n = ngx_atoi(value->data, value->len);

        if (n > 0 && n <= 3600) {
            t->delay = n * 1000;
        }
    }

    if ((ngx_msec_int_t) t->delay >= ngx_http_s3jobs_time_left(r, t)) {
        return NGX_DECLINED;
    }

    ngx_http_s3jobs_count_retry(r, ctx->error.fault == NGX_S3JOBS_FAULT_BUSY
                                   ? NGX_HTTP_S3JOBS_RETRY_THROTTLED
                                   : NGX_HTTP_S3JOBS_RETRY_FAILED);

    return NGX_OK;
}


ngx_int_t
ngx_http_s3jobs_retry_credentials(ngx_http_s3jobs_tries_t *t)
{
    ngx_http_s3jobs_source_t  *source;

    source = t->source;

    if (ngx_http_s3jobs_check_credentials(source) == NGX_OK
        && ngx_http_s3jobs_retry_hash(&source->copy->key_id,
                                      &source->copy->token)
           != t->hash)
    {
        return NGX_OK;
    }

    return ((ngx_msec_int_t) (t->end - ngx_current_msec) > 0
            && ngx_http_s3jobs_refresh_expected(source, t->end))
           ? NGX_AGAIN : NGX_DECLINED;
}


static uint64_t
ngx_http_s3jobs_retry_hash(ngx_str_t *key_id, ngx_str_t *token)
{
    return (uint64_t) ngx_murmur_hash2(key_id->data, key_id->len) << 32
           | ngx_murmur_hash2(token->data, token->len);
}


static ngx_int_t
ngx_http_s3jobs_retry_clock(ngx_http_request_t *r, ngx_http_s3jobs_ctx_t *ctx,
    ngx_http_s3jobs_tries_t *t)
{
    time_t  difference, more;

    if (t->skewed
        || (!ctx->error.skewed
            && r->upstream->headers_in.status_n != NGX_HTTP_FORBIDDEN)
        || ngx_http_s3jobs_clock_difference(r, &difference) != NGX_OK)
    {
        return NGX_DECLINED;
    }

    more = difference - ngx_http_s3jobs_clock_offset;

    if (ngx_abs(more) <= NGX_HTTP_S3JOBS_CLOCK_SKEW) {
        return NGX_DECLINED;
    }

    t->skewed = 1;

    ngx_http_s3jobs_clock_offset =
        ngx_abs(difference) > NGX_HTTP_S3JOBS_CLOCK_SKEW ? difference : 0;

    ngx_log_error(NGX_LOG_WARN, r->connection->log, 0,
                  "the clock is %T s %s S3 Control's",
                  (time_t) ngx_abs(difference),
                  difference < 0 ? "ahead of" : "behind");

    ngx_http_s3jobs_count_retry(r, NGX_HTTP_S3JOBS_RETRY_CLOCK);

    return NGX_OK;
}


void
ngx_http_s3jobs_check_clock(ngx_http_request_t *r)
{
    time_t  difference;

    if (ngx_http_s3jobs_clock_difference(r, &difference) == NGX_OK
        && ngx_abs(difference) <= NGX_HTTP_S3JOBS_CLOCK_SKEW)
    {
        ngx_http_s3jobs_clock_offset = 0;

        ngx_log_error(NGX_LOG_NOTICE, r->connection->log, 0,
                      "the clock agrees with S3 Control's again");
    }
}


/* S3's date is that of the middle between sending and receiving */

static ngx_int_t
ngx_http_s3jobs_clock_difference(ngx_http_request_t *r, time_t *difference)
{
    time_t                date;
    ngx_str_t            *value;
    ngx_http_upstream_t  *u;

    u = r->upstream;

#if (NGX_HTTP_CACHE)

    if (r->cached) {
        return NGX_DECLINED;
    }

#endif

    value = ngx_http_s3jobs_find_header(r, "date");

    if (value == NULL || ngx_http_s3jobs_find_header(r, "age")) {
        return NGX_DECLINED;
    }

    date = ngx_parse_http_time(value->data, value->len);

    if (date == (time_t) NGX_ERROR) {
        return NGX_DECLINED;
    }

    *difference = date - ngx_time();

    if (u->state && u->state->header_time != (ngx_msec_t) -1) {
        *difference += u->state->header_time / 2000;
    }

    return NGX_OK;
}


static ngx_msec_int_t
ngx_http_s3jobs_time_left(ngx_http_request_t *r, ngx_http_s3jobs_tries_t *t)
{
    ngx_msec_t                   now;
    ngx_time_t                  *tp;
    ngx_http_s3jobs_loc_conf_t  *slcf;

    slcf = ngx_http_get_module_loc_conf(r, ngx_http_s3jobs_module);

    tp = ngx_timeofday();
    now = (ngx_msec_t) (tp->sec * 1000 + tp->msec);

    return (ngx_msec_int_t) slcf->tries_time
           - ngx_max((ngx_msec_int_t) (now - t->start), 0);
}


void
ngx_http_s3jobs_limit_tries(ngx_http_request_t *r, ngx_http_s3jobs_ctx_t *ctx)
{
    ngx_uint_t                   left;
    ngx_http_upstream_t         *u;
    ngx_http_upstream_conf_t    *conf;
    ngx_http_s3jobs_loc_conf_t  *slcf;

    u = r->upstream;
    conf = u->conf;

    slcf = ngx_http_get_module_loc_conf(r, ngx_http_s3jobs_module);

    if (slcf->tries == 1) {
        return;
    }

    left = ngx_http_s3jobs_tries_left(r, ctx);

    if (conf->next_upstream_tries && conf->next_upstream_tries <= left) {
        return;
    }

    if (left == slcf->tries) {

        /* the same for all requests that are sent for the first time */

        conf->next_upstream_tries = left;

        if (conf->next_upstream_timeout == 0) {
            conf->next_upstream_timeout = slcf->tries_time;
        }

        return;
    }

    conf = ngx_palloc(r->pool, sizeof(ngx_http_upstream_conf_t));
    if (conf == NULL) {
        return;
    }

    *conf = *u->conf;
    conf->next_upstream_tries = left;

    u->conf = conf;
}
