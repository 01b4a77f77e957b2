
/*
 * Copyright (C) the ngx_s3jobs_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_s3jobs_module.h"
#include "ngx_http_s3jobs_answer.h"
#include "ngx_http_s3jobs_count.h"
#include "ngx_http_s3jobs_error.h"
#include "ngx_http_s3jobs_first.h"
#include "ngx_http_s3jobs_gather.h"
#include "ngx_http_s3jobs_headers.h"
#include "ngx_http_s3jobs_listing.h"
#include "ngx_http_s3jobs_retry.h"


static ngx_int_t ngx_http_s3jobs_header_filter(ngx_http_request_t *r);
static ngx_int_t ngx_http_s3jobs_no_header(ngx_http_request_t *r);
static ngx_uint_t ngx_http_s3jobs_answered(ngx_http_request_t *r);
static ngx_uint_t ngx_http_s3jobs_unsafe(ngx_http_request_t *r);
#if (NGX_HTTP_CACHE)
static ngx_uint_t ngx_http_s3jobs_own_key(ngx_http_request_t *r,
    ngx_http_s3jobs_ctx_t *ctx);
#endif
static ngx_int_t ngx_http_s3jobs_upstream_header(ngx_http_request_t *r,
    ngx_http_s3jobs_ctx_t *ctx);
static ngx_int_t ngx_http_s3jobs_error_answer(ngx_http_request_t *r,
    ngx_http_s3jobs_ctx_t *ctx);
static const char *ngx_http_s3jobs_not_a_listing(ngx_http_request_t *r);
static ngx_int_t ngx_http_s3jobs_refuse_answer(ngx_http_request_t *r,
    ngx_http_s3jobs_ctx_t *ctx, const char *reason);

static void ngx_http_s3jobs_watch_upstream(ngx_http_request_t *r,
    ngx_http_s3jobs_filter_t *f);
static ngx_int_t ngx_http_s3jobs_input_init(void *data);
static ngx_int_t ngx_http_s3jobs_input(void *data, ssize_t bytes);
static ngx_int_t ngx_http_s3jobs_pipe_input(ngx_event_pipe_t *p,
    ngx_buf_t *buf);
static void ngx_http_s3jobs_upstream_finalized(ngx_http_request_t *r,
    ngx_int_t rc);

static ngx_int_t ngx_http_s3jobs_body_filter(ngx_http_request_t *r,
    ngx_chain_t *in);


static ngx_int_t
ngx_http_s3jobs_header_filter(ngx_http_request_t *r)
{
    ngx_uint_t                   own, unsafe;
    ngx_http_upstream_t         *u;
    ngx_http_s3jobs_ctx_t       *ctx;
    ngx_http_s3jobs_loc_conf_t  *slcf;

    slcf = ngx_http_get_module_loc_conf(r, ngx_http_s3jobs_module);

    if (!slcf->enable && slcf->merge == NULL) {
        return ngx_http_s3jobs_next_header_filter(r);
    }

    u = r->upstream;
    own = r->err_status && !ngx_http_s3jobs_answered(r);
    unsafe = 0;

    ngx_http_s3jobs_count_answers(r, own);

    if (!own) {

        if (u == NULL) {
            return ngx_http_s3jobs_next_header_filter(r);
        }

        if (u->headers_in.status_n == 0) {
            return ngx_http_s3jobs_no_header(r);
        }

        unsafe = ngx_http_s3jobs_unsafe(r);

        if (r->background && r->header_only) {

            /*
             * Nobody listens: a mirror, or a cached answer is refreshed.  An
             * error is not read then, and may be of the gateway's making.
             */

            if (ngx_http_s3jobs_not_a_listing(r)) {
                ngx_http_s3jobs_uncache(r);
            }

            ctx = ngx_http_s3jobs_get_ctx(r);

            if (u->cacheable && u->headers_in.status_n == NGX_HTTP_OK && ctx) {
                ngx_http_s3jobs_first_update(r, ctx);
            }

            return ngx_http_s3jobs_next_header_filter(r);
        }

    } else if (r->err_status < NGX_HTTP_BAD_REQUEST) {
        return ngx_http_s3jobs_next_header_filter(r);
    }

    ctx = ngx_http_s3jobs_create_ctx(r);
    if (ctx == NULL) {
        return NGX_ERROR;
    }

    if (own) {
        ngx_http_s3jobs_own_error(r, ctx, r->err_status);
        return ngx_http_s3jobs_error_header(r, ctx);
    }

    if (unsafe) {
        ngx_http_s3jobs_own_error(r, ctx, NGX_HTTP_INTERNAL_SERVER_ERROR);
        ngx_http_s3jobs_drop_headers(r);
        return ngx_http_s3jobs_error_header(r, ctx);
    }

    return ngx_http_s3jobs_upstream_header(r, ctx);
}


/*
 * After "error_page 502 @fallback" the status is still that of the error,
 * though the answer comes from S3.
 */

static ngx_uint_t
ngx_http_s3jobs_answered(ngx_http_request_t *r)
{
    ngx_http_upstream_t  *u;

    u = r->upstream;

    if (u == NULL || u->headers_in.status_n == 0 || r->filter_finalize) {
        return 0;
    }

#if (NGX_HTTP_CACHE)

    if (r->cached) {
        return 1;
    }

#endif

    return u->cleanup != NULL;
}


/*
 * What begins with no status line is all body to nginx, as of HTTP/0.9, and
 * so the client would get it.
 */

static ngx_int_t
ngx_http_s3jobs_no_header(ngx_http_request_t *r)
{
    ngx_http_s3jobs_ctx_t  *ctx;

    ctx = ngx_http_s3jobs_get_ctx(r);

    if (ctx == NULL || !ctx->ready || r->http_version != NGX_HTTP_VERSION_9) {
        return ngx_http_s3jobs_next_header_filter(r);
    }

    ngx_http_s3jobs_uncache(r);

    if (r->background && r->header_only) {
        return ngx_http_s3jobs_next_header_filter(r);
    }

    ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                  "S3 Control sent no HTTP header");

    r->http_version = ctx->http_version;

    ngx_http_s3jobs_bad_upstream_response(r, ctx);

    return ngx_http_s3jobs_error_header(r, ctx);
}


/*
 * Whether the answer is not to be given to anybody, since it is to a request
 * without our signature, or may be that of another location.  No configuration
 * is known that gets here: these are assertions.
 */

static ngx_uint_t
ngx_http_s3jobs_unsafe(ngx_http_request_t *r)
{
    ngx_http_s3jobs_ctx_t  *ctx;

    ctx = ngx_http_s3jobs_get_ctx(r);

    if (ctx == NULL || (ctx->authorization.len == 0
#if (NGX_HTTP_CACHE)
                        && !r->cached
#endif
                       ))
    {
        ngx_log_error(NGX_LOG_CRIT, r->connection->log, 0,
                      "a request went upstream without its signature");
        goto unsafe;
    }

#if (NGX_HTTP_CACHE)

    if (r->cache && !ngx_http_s3jobs_own_key(r, ctx)) {
        ngx_log_error(NGX_LOG_CRIT, r->connection->log, 0,
                      "the cache key is not \"$s3jobs_cache_key\", as "
                      "\"s3jobs on\" has it in the location itself");
        goto unsafe;
    }

    /* a cut would look like the end: such an answer is not kept */

    if (!r->cached
        && r->upstream->headers_in.content_length_n == -1
        && !r->upstream->headers_in.chunked)
    {
        r->upstream->cacheable = 0;
    }

#endif

    return 0;

unsafe:

    ngx_http_s3jobs_uncache(r);

    return 1;
}


#if (NGX_HTTP_CACHE)

static ngx_uint_t
ngx_http_s3jobs_own_key(ngx_http_request_t *r, ngx_http_s3jobs_ctx_t *ctx)
{
    ngx_str_t  *key;

    key = r->cache->keys.elts;

    return r->cache->keys.nelts == 1
           && key->len == ctx->cache_key.len
           && ngx_memcmp(key->data, ctx->cache_key.data, key->len) == 0;
}

#endif


static ngx_int_t
ngx_http_s3jobs_upstream_header(ngx_http_request_t *r,
    ngx_http_s3jobs_ctx_t *ctx)
{
    ngx_uint_t                 raw;
    const char                *reason;
    ngx_http_s3jobs_filter_t  *f;

    ngx_http_s3jobs_upstream_ids(r, ctx);

    if (r->upstream->headers_in.status_n >= NGX_HTTP_SPECIAL_RESPONSE) {
        return ngx_http_s3jobs_error_answer(r, ctx);
    }

    reason = ngx_http_s3jobs_not_a_listing(r);

    if (reason) {
        return ngx_http_s3jobs_refuse_answer(r, ctx, reason);
    }

    if (ngx_http_s3jobs_clock_offset) {
        ngx_http_s3jobs_check_clock(r);
    }

    raw = ctx->page ? ngx_http_s3jobs_page_raw(ctx->page)
                    : !ngx_http_s3jobs_json(r);

    if (raw && !ctx->page && ngx_http_s3jobs_first_seen(r, ctx)) {

        /* nothing needs to be held back, nor to be in memory */

        return ngx_http_s3jobs_xml_header(r);
    }

    f = ngx_http_s3jobs_start(r, ctx, NGX_HTTP_S3JOBS_FIRST);
    if (f == NULL) {
        return NGX_ERROR;
    }

    f->raw = raw;

    if (ctx->page) {
        ngx_http_s3jobs_page_header(r);
    }

    ngx_http_s3jobs_watch_upstream(r, f);

    return NGX_OK;
}


static ngx_int_t
ngx_http_s3jobs_error_answer(ngx_http_request_t *r, ngx_http_s3jobs_ctx_t *ctx)
{
    ngx_http_s3jobs_filter_t  *f;

    f = ngx_http_s3jobs_start(r, ctx, NGX_HTTP_S3JOBS_ERROR);

    if (f == NULL || ngx_http_s3jobs_error_start(f) != NGX_OK) {
        return NGX_ERROR;
    }

    f->status = ngx_http_s3jobs_error_status(r);

    ngx_http_s3jobs_watch_upstream(r, f);

    /* or the next try would find it in the cache */

    if (ngx_http_s3jobs_tries_left(r, ctx) > 1) {
        r->upstream->cacheable = 0;
    }

    return NGX_OK;
}


/*
 * Only a 200 is one: a 1xx is no answer, though to nginx it may be, and others
 * stand for a part of a document or for none.
 */

static const char *
ngx_http_s3jobs_not_a_listing(ngx_http_request_t *r)
{
    ngx_table_elt_t  *h;

    if (r->upstream->headers_in.status_n != NGX_HTTP_OK) {
        return "its status is not 200";
    }

    h = r->headers_out.content_encoding;

    return (h && h->value.len) ? "it has a Content-Encoding" : NULL;
}


/* nothing of it is needed: nginx closes the connection to S3 */

static ngx_int_t
ngx_http_s3jobs_refuse_answer(ngx_http_request_t *r,
    ngx_http_s3jobs_ctx_t *ctx, const char *reason)
{
    ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                  "S3 Control sent no usable listing: %s, status %ui, "
                  "request id \"%V\"",
                  reason, r->upstream->headers_in.status_n, &ctx->request_id);

    ngx_http_s3jobs_uncache(r);
    ngx_http_s3jobs_bad_upstream_response(r, ctx);

#if (NGX_HTTP_CACHE)

    if (r->cached) {
        return ngx_http_s3jobs_error_header(r, ctx);
    }

#endif

    if (r->upstream->headers_in.status_n < NGX_HTTP_OK) {
        r->keepalive = 0;
    }

    return ctx->error.status;
}


static void
ngx_http_s3jobs_watch_upstream(ngx_http_request_t *r,
    ngx_http_s3jobs_filter_t *f)
{
    ngx_http_upstream_t  *u;

    u = r->upstream;

    f->finalize = u->finalize_request;
    u->finalize_request = ngx_http_s3jobs_upstream_finalized;

    f->input_init = u->input_filter_init;
    u->input_filter_init = ngx_http_s3jobs_input_init;
}


/*
 * The functions with which nginx takes HTTP's framing from a body fail where
 * S3 has sent it wrong, and not for a reason on this machine.
 */

static ngx_int_t
ngx_http_s3jobs_input_init(void *data)
{
    ngx_int_t                  rc;
    ngx_event_pipe_t          *p;
    ngx_http_request_t        *r;
    ngx_http_upstream_t       *u;
    ngx_http_s3jobs_ctx_t     *ctx;
    ngx_http_s3jobs_filter_t  *f;

    r = data;
    u = r->upstream;
    ctx = ngx_http_get_module_ctx(r, ngx_http_s3jobs_module);
    f = ctx->filter;

    rc = f->input_init(data);

    if (rc != NGX_OK) {
        return rc;
    }

    if (u->buffering) {
        p = u->pipe;

        f->pipe_input = p->input_filter;
        p->input_filter = ngx_http_s3jobs_pipe_input;
        p->input_ctx = f;

    } else {
        f->input = u->input_filter;
        u->input_filter = ngx_http_s3jobs_input;
        u->input_filter_ctx = f;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_s3jobs_input(void *data, ssize_t bytes)
{
    ngx_int_t                  rc;
    ngx_http_s3jobs_filter_t  *f;

    f = data;

    rc = f->input(f->request, bytes);

    f->bad_input |= (rc == NGX_ERROR);

    return rc;
}


static ngx_int_t
ngx_http_s3jobs_pipe_input(ngx_event_pipe_t *p, ngx_buf_t *buf)
{
    ngx_int_t                  rc;
    ngx_http_s3jobs_filter_t  *f;

    f = p->input_ctx;

    /* nginx's own finds the request there */

    p->input_ctx = f->request;

    rc = f->pipe_input(p, buf);

    p->input_ctx = f;

    f->bad_input |= (rc == NGX_ERROR);

    return rc;
}


/*
 * Where nginx cannot go on (an invalid chunk, a full disk), it closes the
 * connection of the client without a word to the filters.  If the header is
 * still held, there is an answer instead.
 */

static void
ngx_http_s3jobs_upstream_finalized(ngx_http_request_t *r, ngx_int_t rc)
{
    ngx_http_s3jobs_ctx_t     *ctx;
    ngx_http_s3jobs_filter_t  *f;

    ctx = ngx_http_get_module_ctx(r, ngx_http_s3jobs_module);

    if (ctx == NULL || ctx->filter == NULL || ctx->filter->finalize == NULL) {

        /* another filter has finalized the request, and zeroed our ctx */

        return;
    }

    f = ctx->filter;

    f->finalize(r, rc);

    if (rc != NGX_ERROR || r != r->main || r->header_sent
        || r->connection->error)
    {
        return;
    }

    if (f->state == NGX_HTTP_S3JOBS_FIRST
        || f->state == NGX_HTTP_S3JOBS_LISTING)
    {
        if (f->bad_input) {
            ngx_http_s3jobs_listing_broken(r, f, "it could not be read");
            ngx_http_s3jobs_bad_upstream_response(r, ctx);

        } else {
            ngx_http_s3jobs_not_taken(r, ctx);
        }

    } else if (f->state == NGX_HTTP_S3JOBS_ERROR) {
        (void) ngx_http_s3jobs_s3_error(r, ctx, f->reader, 1);

    } else {
        return;
    }

    r->keepalive = 0;

    (void) ngx_http_s3jobs_send_error(r, ctx);
}


static ngx_int_t
ngx_http_s3jobs_body_filter(ngx_http_request_t *r, ngx_chain_t *in)
{
    ngx_http_s3jobs_ctx_t     *ctx;
    ngx_http_s3jobs_filter_t  *f;

    ctx = ngx_http_get_module_ctx(r, ngx_http_s3jobs_module);

    if (ctx == NULL || ctx->filter == NULL) {

        if (r->background && ngx_http_s3jobs_page_of(r)) {
            ngx_http_s3jobs_drop(in);
            return NGX_OK;
        }

        return ngx_http_s3jobs_next_body_filter(r, in);
    }

    f = ctx->filter;

    if (f->sending) {

        /* another filter ends the answer anew, behind what it has added */

        return ngx_http_s3jobs_next_body_filter(r, in);
    }

    switch (f->state) {

    case NGX_HTTP_S3JOBS_FIRST:
        return ngx_http_s3jobs_first_filter(r, ctx, in);

    case NGX_HTTP_S3JOBS_LISTING:
        return ngx_http_s3jobs_listing_filter(r, ctx, in);

    case NGX_HTTP_S3JOBS_ERROR:
        return ngx_http_s3jobs_error_filter(r, ctx, in);

    case NGX_HTTP_S3JOBS_RAW:
        return ngx_http_s3jobs_page_copy(r, ctx, in);

    case NGX_HTTP_S3JOBS_GATHER:
        ngx_http_s3jobs_drop(in);
        return ngx_http_s3jobs_gather_filter(r, ctx);

    default: /* NGX_HTTP_S3JOBS_REPLACE, NGX_HTTP_S3JOBS_DONE */

        ngx_http_s3jobs_drop(in);

        if (f->state == NGX_HTTP_S3JOBS_REPLACE) {
            return ngx_http_s3jobs_send_document(r, f);
        }

        if (r->header_only) {
            return NGX_OK;
        }

        return ngx_http_s3jobs_next_body_filter(r, NULL);
    }
}


ngx_int_t
ngx_http_s3jobs_filter_init(ngx_conf_t *cf)
{
    if (ngx_http_s3jobs_error_init(cf) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_http_s3jobs_next_header_filter = ngx_http_top_header_filter;
    ngx_http_top_header_filter = ngx_http_s3jobs_header_filter;

    ngx_http_s3jobs_next_body_filter = ngx_http_top_body_filter;
    ngx_http_top_body_filter = ngx_http_s3jobs_body_filter;

    return NGX_OK;
}
