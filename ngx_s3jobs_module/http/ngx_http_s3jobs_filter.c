
/*
 * Copyright (C) the ngx_s3jobs_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_s3jobs_module.h"
#include "ngx_http_s3jobs_filter.h"


static ngx_int_t ngx_http_s3jobs_header_filter(ngx_http_request_t *r);
static ngx_int_t ngx_http_s3jobs_no_header(ngx_http_request_t *r);
static ngx_uint_t ngx_http_s3jobs_answered(ngx_http_request_t *r);
static ngx_uint_t ngx_http_s3jobs_check_upstream(ngx_http_request_t *r);
static ngx_int_t ngx_http_s3jobs_upstream_header(ngx_http_request_t *r,
    ngx_http_s3jobs_ctx_t *ctx);
static ngx_http_s3jobs_filter_t *ngx_http_s3jobs_start(ngx_http_request_t *r,
    ngx_http_s3jobs_ctx_t *ctx, ngx_http_s3jobs_state_e state);

static void ngx_http_s3jobs_upstream_finalized(ngx_http_request_t *r,
    ngx_int_t rc);

static ngx_int_t ngx_http_s3jobs_body_filter(ngx_http_request_t *r,
    ngx_chain_t *in);
static ngx_int_t ngx_http_s3jobs_error_filter(ngx_http_request_t *r,
    ngx_http_s3jobs_ctx_t *ctx, ngx_chain_t *in);
static ngx_int_t ngx_http_s3jobs_error_header(ngx_http_request_t *r,
    ngx_http_s3jobs_ctx_t *ctx);
static ngx_int_t ngx_http_s3jobs_send_document(ngx_http_request_t *r,
    ngx_http_s3jobs_filter_t *f);


ngx_http_output_header_filter_pt  ngx_http_s3jobs_next_header_filter;
ngx_http_output_body_filter_pt    ngx_http_s3jobs_next_body_filter;


static ngx_int_t
ngx_http_s3jobs_header_filter(ngx_http_request_t *r)
{
    ngx_uint_t                   own, no_signature;
    ngx_http_upstream_t         *u;
    ngx_http_s3jobs_ctx_t       *ctx;
    ngx_http_s3jobs_loc_conf_t  *slcf;

    slcf = ngx_http_get_module_loc_conf(r, ngx_http_s3jobs_module);

    if (!slcf->enable) {
        return ngx_http_s3jobs_next_header_filter(r);
    }

    u = r->upstream;
    own = r->err_status && !ngx_http_s3jobs_answered(r);
    no_signature = 0;

    if (!own) {

        if (u == NULL) {
            return ngx_http_s3jobs_next_header_filter(r);
        }

        if (u->headers_in.status_n == 0) {
            return ngx_http_s3jobs_no_header(r);
        }

        no_signature = ngx_http_s3jobs_check_upstream(r);

        if (r->background && r->header_only) {

            /* nobody listens: a mirror, or a cached answer is refreshed */

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

    if (no_signature) {
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
 * Returns 1 if S3 was asked although $s3jobs_authorization was never
 * evaluated: the configuration lacks s3jobs_params.
 */

static ngx_uint_t
ngx_http_s3jobs_check_upstream(ngx_http_request_t *r)
{
    ngx_http_s3jobs_ctx_t  *ctx;

#if (NGX_HTTP_CACHE)

    if (r->cached) {
        return 0;
    }

    /* a cut would look like the end: such an answer is not kept */

    if (r->upstream->headers_in.content_length_n == -1
        && !r->upstream->headers_in.chunked)
    {
        r->upstream->cacheable = 0;
    }

#endif

    ctx = ngx_http_s3jobs_get_ctx(r);

    if (ctx && ctx->authorization.len) {
        return 0;
    }

    ngx_log_error(NGX_LOG_CRIT, r->connection->log, 0,
                  "a request went upstream without its signature: "
                  "\"s3jobs_params\" is not included in this location, "
                  "or its own \"proxy_set_header\" hides it");

    ngx_http_s3jobs_uncache(r);

    return 1;
}


static ngx_int_t
ngx_http_s3jobs_upstream_header(ngx_http_request_t *r,
    ngx_http_s3jobs_ctx_t *ctx)
{
    ngx_http_s3jobs_filter_t  *f;

    ngx_http_s3jobs_upstream_ids(r, ctx);

    if (r->upstream->headers_in.status_n >= NGX_HTTP_SPECIAL_RESPONSE) {
        f = ngx_http_s3jobs_start(r, ctx, NGX_HTTP_S3JOBS_ERROR);
        return f ? NGX_OK : NGX_ERROR;
    }

    if (!ngx_http_s3jobs_json(r)) {

        if (ngx_http_s3jobs_add_vary(r) != NGX_OK) {
            return NGX_ERROR;
        }

        return ngx_http_s3jobs_next_header_filter(r);
    }

    f = ngx_http_s3jobs_start(r, ctx, NGX_HTTP_S3JOBS_LISTING);
    if (f == NULL) {
        return NGX_ERROR;
    }

    if (r->headers_out.content_encoding
        && r->headers_out.content_encoding->value.len)
    {
        ngx_http_s3jobs_listing_broken(r, f, "it has a Content-Encoding");
    }

    return NGX_OK;
}


static ngx_http_s3jobs_filter_t *
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
    f->last_out = &f->out;
    f->writer.more = ngx_http_s3jobs_listing_more;
    f->writer.data = f;

    cln->handler = ngx_http_s3jobs_filter_cleanup;

    if (state == NGX_HTTP_S3JOBS_LISTING) {
        f->listing = ngx_s3jobs_listing_create(&f->writer);
        if (f->listing == NULL) {
            return NULL;
        }

    } else if (state == NGX_HTTP_S3JOBS_ERROR) {
        f->reader = ngx_s3jobs_error_reader_create();
        if (f->reader == NULL) {
            return NULL;
        }
    }

    if (state != NGX_HTTP_S3JOBS_REPLACE) {
        f->finalize = r->upstream->finalize_request;
        r->upstream->finalize_request = ngx_http_s3jobs_upstream_finalized;
    }

    ctx->filter = f;

    r->filter_need_in_memory = 1;
    r->allow_ranges = 0;

    return f;
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

    if (f->state == NGX_HTTP_S3JOBS_LISTING) {
        ngx_http_s3jobs_listing_broken(r, f, "it could not be read");
        ngx_http_s3jobs_bad_upstream_response(r, ctx);

    } else if (f->state == NGX_HTTP_S3JOBS_ERROR) {
        ngx_http_s3jobs_s3_error(r, ctx, f->reader);

    } else {
        return;
    }

    r->keepalive = 0;

    (void) ngx_http_s3jobs_send_error(r, ctx);
}


void
ngx_http_s3jobs_filter_cleanup(void *data)
{
    ngx_http_s3jobs_filter_t *f = data;

    ngx_s3jobs_listing_destroy(f->listing);
    f->listing = NULL;

    ngx_s3jobs_error_reader_destroy(f->reader);
    f->reader = NULL;
}


static ngx_int_t
ngx_http_s3jobs_body_filter(ngx_http_request_t *r, ngx_chain_t *in)
{
    ngx_chain_t               *cl;
    ngx_http_s3jobs_ctx_t     *ctx;
    ngx_http_s3jobs_filter_t  *f;

    ctx = ngx_http_get_module_ctx(r, ngx_http_s3jobs_module);

    if (ctx == NULL || ctx->filter == NULL) {
        return ngx_http_s3jobs_next_body_filter(r, in);
    }

    f = ctx->filter;

    if (f->sending) {

        /* another filter ends the answer anew, behind what it has added */

        return ngx_http_s3jobs_next_body_filter(r, in);
    }

    switch (f->state) {

    case NGX_HTTP_S3JOBS_LISTING:
        return ngx_http_s3jobs_listing_filter(r, ctx, in);

    case NGX_HTTP_S3JOBS_ERROR:
        return ngx_http_s3jobs_error_filter(r, ctx, in);

    default: /* NGX_HTTP_S3JOBS_REPLACE, NGX_HTTP_S3JOBS_DONE */

        for (cl = in; cl; cl = cl->next) {
            cl->buf->pos = cl->buf->last;
            cl->buf->file_pos = cl->buf->file_last;
        }

        if (f->state == NGX_HTTP_S3JOBS_REPLACE) {
            return ngx_http_s3jobs_send_document(r, f);
        }

        if (r->header_only) {
            return NGX_OK;
        }

        return ngx_http_s3jobs_next_body_filter(r, NULL);
    }
}


static ngx_int_t
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

    ngx_http_s3jobs_s3_error(r, ctx, f->reader);

    return ngx_http_s3jobs_send_error(r, ctx);
}


/* the whole answer, at the end of one that was held back */

ngx_int_t
ngx_http_s3jobs_send_error(ngx_http_request_t *r, ngx_http_s3jobs_ctx_t *ctx)
{
    ngx_int_t  rc;

    rc = ngx_http_s3jobs_error_header(r, ctx);

    if (rc == NGX_ERROR || rc > NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_http_s3jobs_send_document(r, ctx->filter);
}


/* sends the header for ctx->error, and leaves the document to the body */

static ngx_int_t
ngx_http_s3jobs_error_header(ngx_http_request_t *r,
    ngx_http_s3jobs_ctx_t *ctx)
{
    ngx_http_s3jobs_filter_t  *f;

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


static ngx_int_t
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


/* a broken document must not be served again */

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
