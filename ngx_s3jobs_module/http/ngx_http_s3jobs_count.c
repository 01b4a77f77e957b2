
/*
 * Copyright (C) the ngx_s3jobs_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_s3jobs_module.h"
#include "ngx_http_s3jobs_count.h"


static ngx_http_s3jobs_counters_t *ngx_http_s3jobs_counters(
    ngx_http_request_t *r);
static ngx_uint_t ngx_http_s3jobs_status(ngx_http_request_t *r);


static ngx_http_s3jobs_counters_t *
ngx_http_s3jobs_counters(ngx_http_request_t *r)
{
    ngx_http_s3jobs_main_conf_t  *smcf;

    smcf = ngx_http_get_module_main_conf(r, ngx_http_s3jobs_module);

    return smcf->sources.counters;
}


ngx_int_t
ngx_http_s3jobs_count_request(ngx_http_request_t *r)
{
    ngx_uint_t                   status, code;
    ngx_http_s3jobs_ctx_t       *ctx;
    ngx_http_s3jobs_counters_t  *counters;
    ngx_http_s3jobs_loc_conf_t  *slcf;

    slcf = ngx_http_get_module_loc_conf(r, ngx_http_s3jobs_module);

    if (r != r->main || !(slcf->enable || slcf->merge)) {
        return NGX_OK;
    }

    counters = ngx_http_s3jobs_counters(r);
    ctx = ngx_http_get_module_ctx(r, ngx_http_s3jobs_module);

    status = ngx_http_s3jobs_status(r);
    code = NGX_S3JOBS_ERROR_NONE;

    if (ctx && ctx->error.code.len) {
        code = ngx_s3jobs_error_number(&ctx->error.code);
    }

    ngx_http_s3jobs_tally(counters->requests, status, code);

    if (ctx && ctx->listed && ctx->jobs && !r->header_only) {
        ngx_http_s3jobs_count(&counters->jobs, ctx->jobs);
    }

    return NGX_OK;
}


/* as $status */

static ngx_uint_t
ngx_http_s3jobs_status(ngx_http_request_t *r)
{
    if (r->err_status) {
        return r->err_status;
    }

    if (r->headers_out.status) {
        return r->headers_out.status;
    }

    return (r->http_version == NGX_HTTP_VERSION_9) ? 9 : 0;
}


void
ngx_http_s3jobs_count_answers(ngx_http_request_t *r, ngx_uint_t own)
{
    ngx_uint_t                   i, n;
    ngx_http_upstream_state_t   *state;
    ngx_http_s3jobs_counters_t  *counters;

    /* another filter that finalizes the request brings its header here, too */

    if (r->upstream_states == NULL || r->upstream == NULL
        || r->filter_finalize)
    {
        return;
    }

    n = r->upstream_states->nelts;
    state = r->upstream_states->elts;
    counters = ngx_http_s3jobs_counters(r);

    if (!own && !(r->background && r->header_only)
        && ngx_http_s3jobs_error_status(r))
    {
        n--;
    }

    for (i = ngx_http_s3jobs_first_try(r->upstream_states); i < n; i++) {

        if (state[i].status && state[i].header_time != (ngx_msec_t) -1) {
            ngx_http_s3jobs_tally(counters->answers, state[i].status,
                                  NGX_S3JOBS_ERROR_NONE);
        }
    }
}


ngx_uint_t
ngx_http_s3jobs_error_status(ngx_http_request_t *r)
{
    ngx_uint_t  status;

#if (NGX_HTTP_CACHE)

    if (r->cached) {
        return 0;
    }

#endif

    status = r->upstream->headers_in.status_n;

    return status >= NGX_HTTP_SPECIAL_RESPONSE ? status : 0;
}


ngx_uint_t
ngx_http_s3jobs_first_try(ngx_array_t *states)
{
    ngx_uint_t                  i;
    ngx_http_upstream_state_t  *state;

    state = states->elts;

    for (i = states->nelts; i > 0; i--) {
        if (state[i - 1].peer == NULL && state[i - 1].response_time == 0) {
            break;
        }
    }

    return i;
}


void
ngx_http_s3jobs_count_error(ngx_http_s3jobs_filter_t *f, ngx_str_t *code)
{
    ngx_http_s3jobs_counters_t  *counters;

    if (f == NULL || f->status == 0) {
        return;
    }

    counters = ngx_http_s3jobs_counters(f->request);

    ngx_http_s3jobs_tally(counters->answers, f->status,
                          ngx_s3jobs_error_number(code));
    f->status = 0;
}


void
ngx_http_s3jobs_count_documents(ngx_http_s3jobs_filter_t *f)
{
    ngx_http_s3jobs_counters_t  *counters;

    static ngx_str_t  unread = ngx_null_string;

    ngx_http_s3jobs_count_error(f, &unread);

    if (f->xml == 0 && f->json == 0) {
        return;
    }

    counters = ngx_http_s3jobs_counters(f->request);

    ngx_http_s3jobs_count(&counters->xml, f->xml);
    ngx_http_s3jobs_count(&counters->json, f->json);

    f->xml = 0;
    f->json = 0;
}


void
ngx_http_s3jobs_count_retry(ngx_http_request_t *r,
    ngx_http_s3jobs_retry_e reason)
{
    ngx_http_s3jobs_count(&ngx_http_s3jobs_counters(r)->retries[reason], 1);
}
