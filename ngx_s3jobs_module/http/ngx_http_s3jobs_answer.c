
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
#include "ngx_http_s3jobs_gather.h"
#include "ngx_http_s3jobs_headers.h"


static void ngx_http_s3jobs_early_handler(ngx_event_t *ev);


ngx_http_output_header_filter_pt  ngx_http_s3jobs_next_header_filter;
ngx_http_output_body_filter_pt    ngx_http_s3jobs_next_body_filter;


ngx_http_s3jobs_filter_t *
ngx_http_s3jobs_start(ngx_http_request_t *r, ngx_http_s3jobs_ctx_t *ctx,
    ngx_http_s3jobs_state_e state)
{
    ngx_pool_cleanup_t        *cln;
    ngx_http_s3jobs_filter_t  *f;

    cln = ngx_pool_cleanup_add(r->pool, sizeof(ngx_http_s3jobs_filter_t));
    if (cln == NULL) {
        return NULL;
    }

    f = cln->data;
    ngx_memzero(f, sizeof(ngx_http_s3jobs_filter_t));

    f->state = state;
    f->request = r;

    cln->handler = ngx_http_s3jobs_filter_cleanup;

    ctx->filter = f;

    r->filter_need_in_memory = 1;
    r->allow_ranges = 0;

    return f;
}


void
ngx_http_s3jobs_filter_cleanup(void *data)
{
    ngx_http_s3jobs_filter_t *f = data;

    ngx_http_s3jobs_count_documents(f);

    ngx_s3jobs_listing_destroy(f->listing);
    f->listing = NULL;

    ngx_s3jobs_error_reader_destroy(f->reader);
    f->reader = NULL;

    if (f->early.posted) {
        ngx_delete_posted_event(&f->early);
    }
}


ngx_int_t
ngx_http_s3jobs_send_error(ngx_http_request_t *r, ngx_http_s3jobs_ctx_t *ctx)
{
    ngx_int_t  rc;

    if (ctx->page) {
        ctx->filter->state = NGX_HTTP_S3JOBS_DONE;
        return ngx_http_s3jobs_page_failed(ctx->page, ctx);
    }

    rc = ngx_http_s3jobs_error_header(r, ctx);

    if (rc == NGX_ERROR || rc > NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_http_s3jobs_send_document(r, ctx->filter);
}


ngx_int_t
ngx_http_s3jobs_error_header(ngx_http_request_t *r,
    ngx_http_s3jobs_ctx_t *ctx)
{
    ngx_http_s3jobs_filter_t  *f;

    if (ctx->page) {
        return ngx_http_s3jobs_page_failed(ctx->page, ctx);
    }

    f = ctx->filter;

    if (f == NULL) {
        f = ngx_http_s3jobs_start(r, ctx, NGX_HTTP_S3JOBS_REPLACE);
        if (f == NULL) {
            return NGX_ERROR;
        }
    }

    f->state = NGX_HTTP_S3JOBS_REPLACE;

    f->document = ngx_http_s3jobs_error_document(r, ctx);
    if (f->document == NULL) {
        return NGX_ERROR;
    }

    return ngx_http_s3jobs_next_header_filter(r);
}


ngx_int_t
ngx_http_s3jobs_send_document(ngx_http_request_t *r,
    ngx_http_s3jobs_filter_t *f)
{
    ngx_int_t    rc;
    ngx_chain_t  out;

    f->state = NGX_HTTP_S3JOBS_DONE;

    if (r->header_only) {
        return NGX_OK;
    }

    f->document->last_buf = (r == r->main);
    f->document->last_in_chain = 1;

    out.buf = f->document;
    out.next = NULL;

    f->sending = 1;

    rc = ngx_http_s3jobs_next_body_filter(r, &out);

    f->sending = 0;

    return rc;
}


ngx_int_t
ngx_http_s3jobs_error_start(ngx_http_s3jobs_filter_t *f)
{
    f->state = NGX_HTTP_S3JOBS_ERROR;
    f->reader = ngx_s3jobs_error_reader_create();

    return f->reader ? NGX_OK : NGX_ERROR;
}


ngx_int_t
ngx_http_s3jobs_error_filter(ngx_http_request_t *r,
    ngx_http_s3jobs_ctx_t *ctx, ngx_chain_t *in)
{
    ngx_buf_t                 *b;
    ngx_uint_t                 ended;
    ngx_chain_t               *cl;
    ngx_http_s3jobs_filter_t  *f;

    f = ctx->filter;
    ended = 0;

    for (cl = in; cl; cl = cl->next) {
        b = cl->buf;

        ngx_s3jobs_error_reader_feed(f->reader, b->pos, b->last - b->pos);
        b->pos = b->last;

        if (b->last_buf || b->last_in_chain
            || ngx_http_s3jobs_upstream_aborted(r, b))
        {
            ended = 1;
        }
    }

    if (!ended) {
        return NGX_OK;
    }

    if (ngx_http_s3jobs_s3_error(r, ctx, f->reader, 0) == NGX_AGAIN) {
        return ngx_http_s3jobs_gather_again(r, ctx);
    }

    if (ctx->error.fault == NGX_S3JOBS_FAULT_GATEWAY) {

        /* it is of our own making, and may be over with the next request */

        ngx_http_s3jobs_uncache(r);
    }

    return ngx_http_s3jobs_send_error(r, ctx);
}


void
ngx_http_s3jobs_drop(ngx_chain_t *in)
{
    for ( /* void */ ; in; in = in->next) {
        in->buf->pos = in->buf->last;
        in->buf->file_pos = in->buf->file_last;
    }
}


void
ngx_http_s3jobs_end_early(ngx_http_request_t *r, ngx_http_s3jobs_ctx_t *ctx)
{
    ngx_event_t  *ev;

    ev = &ctx->filter->early;

    if (ev->posted || r->upstream->cleanup == NULL) {
        return;
    }

    ev->handler = ngx_http_s3jobs_early_handler;
    ev->data = r;
    ev->log = r->connection->log;

    ngx_post_event(ev, &ngx_posted_events);
}


static void
ngx_http_s3jobs_early_handler(ngx_event_t *ev)
{
    ngx_int_t                  rc;
    ngx_connection_t          *c;
    ngx_http_request_t        *r;
    ngx_http_cleanup_pt       *cleanup;
    ngx_http_s3jobs_ctx_t     *ctx;

    r = ev->data;
    c = r->connection;
    ctx = ngx_http_get_module_ctx(r, ngx_http_s3jobs_module);

    if (ctx == NULL || ctx->filter == NULL
        || ctx->filter->state == NGX_HTTP_S3JOBS_DONE
        || r->upstream->cleanup == NULL
        || r->main->blocked)
    {
        return;
    }

    ngx_http_set_log_request(c->log, r);

    ngx_http_s3jobs_uncache(r);
    ngx_http_s3jobs_bad_upstream_response(r, ctx);

    /* as nginx does it where a request turns to another upstream */

    r->main->count++;

    cleanup = r->upstream->cleanup;
    (*cleanup)(r);

    rc = ngx_http_s3jobs_send_error(r, ctx);

    ngx_http_finalize_request(r, rc);
    ngx_http_run_posted_requests(c);
}


void
ngx_http_s3jobs_not_taken(ngx_http_request_t *r, ngx_http_s3jobs_ctx_t *ctx)
{
    ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                  "S3 Control's answer could not be taken, for a reason on "
                  "this machine that is logged before");

    ngx_http_s3jobs_own_error(r, ctx, NGX_HTTP_INTERNAL_SERVER_ERROR);
    ngx_http_s3jobs_drop_headers(r);

    ctx->listed = 0;
}


/*
 * nginx ends the answer of an upstream that failed with a flush, after it
 * has finalized the upstream.
 */

ngx_uint_t
ngx_http_s3jobs_upstream_aborted(ngx_http_request_t *r, ngx_buf_t *b)
{
    return b->flush && !b->last_buf && !b->last_in_chain
           && r->upstream->cleanup == NULL;
}


void
ngx_http_s3jobs_uncache(ngx_http_request_t *r)
{
#if (NGX_HTTP_CACHE)

    ngx_http_cache_t       *c;
    ngx_http_file_cache_t  *cache;

    c = r->cache;

    if (c == NULL) {
        return;
    }

    if (!r->cached) {
        r->upstream->cacheable = 0;

        if (!c->updated) {
            return;
        }

    } else if (c->node) {
        cache = c->file_cache;

        ngx_shmtx_lock(&cache->shpool->mutex);

        cache->sh->size -= c->node->fs_size;
        c->node->fs_size = 0;
        c->node->exists = 0;

        ngx_shmtx_unlock(&cache->shpool->mutex);
    }

    if (ngx_delete_file(c->file.name.data) == NGX_FILE_ERROR
        && ngx_errno != NGX_ENOENT)
    {
        ngx_log_error(NGX_LOG_CRIT, r->connection->log, ngx_errno,
                      ngx_delete_file_n " \"%V\" failed", &c->file.name);
    }

#endif
}
