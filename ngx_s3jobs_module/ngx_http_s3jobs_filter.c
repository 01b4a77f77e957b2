
/*
 * Copyright (C) the ngx_s3jobs_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_s3jobs_module.h"
#include "ngx_http_s3jobs_filter.h"


/* what is given to the parser at once, and the pieces of output */
#define NGX_HTTP_S3JOBS_FEED        4096
#define NGX_HTTP_S3JOBS_PIECE       16384
#define NGX_HTTP_S3JOBS_PIECE_MIN   1024


typedef enum {
    /* S3's listing, on its way to JSON */
    NGX_HTTP_S3JOBS_LISTING = 0,
    /* S3's error, which is read to its end */
    NGX_HTTP_S3JOBS_ERROR,
    /* the header went out, the document that goes with it is still here */
    NGX_HTTP_S3JOBS_REPLACE,
    /* all is out; what still comes is dropped */
    NGX_HTTP_S3JOBS_DONE
} ngx_http_s3jobs_state_e;


struct ngx_http_s3jobs_filter_s {
    ngx_http_s3jobs_state_e      state;

    ngx_s3jobs_listing_t        *listing;
    ngx_s3jobs_error_reader_t   *reader;
    ngx_buf_t                   *document;    /* of an error */

    ngx_chain_t                 *in;
    ngx_chain_t                 *free;
    ngx_chain_t                 *busy;
    ngx_chain_t                 *out;         /* full pieces */
    ngx_chain_t                **last_out;
    ngx_buf_t                   *piece;       /* the one being written */
    size_t                       size;        /* in the full ones */
    ngx_s3jobs_out_t             writer;
    ngx_http_request_t          *request;

    unsigned                     streaming:1; /* the header is out */
    unsigned                     broken:1;
    unsigned                     ended:1;
    unsigned                     flush:1;
};


static ngx_int_t ngx_http_s3jobs_header_filter(ngx_http_request_t *r);
static ngx_int_t ngx_http_s3jobs_upstream_header(ngx_http_request_t *r,
    ngx_http_s3jobs_ctx_t *ctx);
static ngx_uint_t ngx_http_s3jobs_unsigned(ngx_http_request_t *r);
static ngx_http_s3jobs_filter_t *ngx_http_s3jobs_start(ngx_http_request_t *r,
    ngx_http_s3jobs_ctx_t *ctx, ngx_http_s3jobs_state_e state);
static void ngx_http_s3jobs_filter_cleanup(void *data);

static ngx_int_t ngx_http_s3jobs_body_filter(ngx_http_request_t *r,
    ngx_chain_t *in);
static ngx_int_t ngx_http_s3jobs_listing_filter(ngx_http_request_t *r,
    ngx_http_s3jobs_ctx_t *ctx, ngx_chain_t *in);
static ngx_int_t ngx_http_s3jobs_convert(ngx_http_request_t *r,
    ngx_http_s3jobs_ctx_t *ctx);
static void ngx_http_s3jobs_broken(ngx_http_request_t *r,
    ngx_http_s3jobs_filter_t *f, const char *reason);
static ngx_int_t ngx_http_s3jobs_listing_header(ngx_http_request_t *r,
    ngx_http_s3jobs_filter_t *f);
static size_t ngx_http_s3jobs_written(ngx_http_s3jobs_filter_t *f);
static ngx_int_t ngx_http_s3jobs_more(ngx_s3jobs_out_t *out);
static ngx_int_t ngx_http_s3jobs_close_piece(ngx_http_s3jobs_filter_t *f);
static ngx_int_t ngx_http_s3jobs_error_filter(ngx_http_request_t *r,
    ngx_http_s3jobs_ctx_t *ctx, ngx_chain_t *in);
static ngx_int_t ngx_http_s3jobs_send_error(ngx_http_request_t *r,
    ngx_http_s3jobs_ctx_t *ctx);
static ngx_int_t ngx_http_s3jobs_error_header(ngx_http_request_t *r,
    ngx_http_s3jobs_ctx_t *ctx);
static ngx_int_t ngx_http_s3jobs_send_document(ngx_http_request_t *r,
    ngx_http_s3jobs_filter_t *f);
static ngx_uint_t ngx_http_s3jobs_upstream_aborted(ngx_http_request_t *r,
    ngx_buf_t *b);
static void ngx_http_s3jobs_uncache(ngx_http_request_t *r);


static ngx_http_output_header_filter_pt  ngx_http_next_header_filter;
static ngx_http_output_body_filter_pt    ngx_http_next_body_filter;


static ngx_int_t
ngx_http_s3jobs_header_filter(ngx_http_request_t *r)
{
    ngx_http_upstream_t         *u;
    ngx_http_s3jobs_ctx_t       *ctx;
    ngx_http_s3jobs_loc_conf_t  *slcf;

    slcf = ngx_http_get_module_loc_conf(r, ngx_http_s3jobs_module);

    if (!slcf->enable) {
        return ngx_http_next_header_filter(r);
    }

    u = r->upstream;

    if (r->err_status < NGX_HTTP_BAD_REQUEST
        && (r->err_status || u == NULL || u->headers_in.status_n == 0))
    {
        return ngx_http_next_header_filter(r);
    }

    ctx = ngx_http_s3jobs_create_ctx(r);
    if (ctx == NULL) {
        return NGX_ERROR;
    }

    if (r->err_status) {
        ngx_http_s3jobs_own_error(r, ctx, r->err_status);
        return ngx_http_s3jobs_error_header(r, ctx);
    }

    return ngx_http_s3jobs_upstream_header(r, ctx);
}


static ngx_int_t
ngx_http_s3jobs_upstream_header(ngx_http_request_t *r,
    ngx_http_s3jobs_ctx_t *ctx)
{
    ngx_uint_t                 status, json;
    ngx_http_upstream_t       *u;
    ngx_http_s3jobs_filter_t  *f;

    u = r->upstream;
    status = u->headers_in.status_n;

    ngx_http_s3jobs_upstream_ids(r, ctx);

#if (NGX_HTTP_CACHE)

    /* a cut would look like the end: such an answer is not kept */

    if (!r->cached
        && u->headers_in.content_length_n == -1
        && !u->headers_in.chunked)
    {
        u->cacheable = 0;
    }

#endif

    if (ngx_http_s3jobs_unsigned(r)) {
        ngx_log_error(NGX_LOG_CRIT, r->connection->log, 0,
                      "a request went upstream without its signature: "
                      "\"s3jobs_params\" is not included in this location, "
                      "or its own \"proxy_set_header\" hides it");

        ngx_http_s3jobs_uncache(r);
        ngx_http_s3jobs_own_error(r, ctx, NGX_HTTP_INTERNAL_SERVER_ERROR);

        return ngx_http_s3jobs_error_header(r, ctx);
    }

    if (r->background && r->header_only) {

        /* nobody is listening: a mirror, or a cached answer is refreshed */

        return ngx_http_next_header_filter(r);
    }

    if (status >= NGX_HTTP_SPECIAL_RESPONSE) {
        f = ngx_http_s3jobs_start(r, ctx, NGX_HTTP_S3JOBS_ERROR);
        return f ? NGX_OK : NGX_ERROR;
    }

    json = ngx_http_s3jobs_json(r);

    if (!json) {
        if (ngx_http_s3jobs_add_vary(r) != NGX_OK) {
            return NGX_ERROR;
        }

        return ngx_http_next_header_filter(r);
    }

    f = ngx_http_s3jobs_start(r, ctx, NGX_HTTP_S3JOBS_LISTING);
    if (f == NULL) {
        return NGX_ERROR;
    }

    if (r->headers_out.content_encoding
        && r->headers_out.content_encoding->value.len)
    {
        ngx_http_s3jobs_broken(r, f, "it has a Content-Encoding");
    }

    return NGX_OK;
}


/*
 * The Authorization variable was never evaluated although S3 was asked: the
 * configuration lacks s3jobs_params.
 */

static ngx_uint_t
ngx_http_s3jobs_unsigned(ngx_http_request_t *r)
{
    ngx_http_s3jobs_ctx_t  *ctx;

#if (NGX_HTTP_CACHE)
    if (r->cached) {
        return 0;
    }
#endif

    ctx = ngx_http_s3jobs_get_ctx(r);

    if (r->background && (ctx == NULL || !ctx->ready)) {
        ctx = ngx_http_get_module_ctx(r->parent, ngx_http_s3jobs_module);
    }

    return ctx == NULL || ctx->authorization.len == 0;
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
    f->writer.more = ngx_http_s3jobs_more;
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

    ctx->filter = f;

    r->filter_need_in_memory = 1;
    r->allow_ranges = 0;

    return f;
}


static void
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
        return ngx_http_next_body_filter(r, in);
    }

    f = ctx->filter;

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

        return r->header_only ? NGX_OK : ngx_http_next_body_filter(r, NULL);
    }
}


static ngx_int_t
ngx_http_s3jobs_listing_filter(ngx_http_request_t *r,
    ngx_http_s3jobs_ctx_t *ctx, ngx_chain_t *in)
{
    ngx_int_t                    rc;
    ngx_chain_t                 *out;
    ngx_http_s3jobs_filter_t    *f;
    ngx_http_s3jobs_loc_conf_t  *slcf;

    f = ctx->filter;
    slcf = ngx_http_get_module_loc_conf(r, ngx_http_s3jobs_module);

    if (in && ngx_chain_add_copy(r->pool, &f->in, in) != NGX_OK) {
        return NGX_ERROR;
    }

    for ( ;; ) {

        if (ngx_http_s3jobs_convert(r, ctx) != NGX_OK) {
            return NGX_ERROR;
        }

        if (f->broken) {

            if (f->streaming) {
                return NGX_ERROR;
            }

            /*
             * Not to be told from inside the event pipe: what is left is
             * swallowed first.
             */

            if (!f->ended) {
                return NGX_OK;
            }

            ngx_http_s3jobs_uncache(r);
            ngx_http_s3jobs_bad_upstream_response(r, ctx);

            return ngx_http_s3jobs_send_error(r, ctx);
        }

        if (!f->streaming) {

            if (!f->ended
                && ngx_http_s3jobs_written(f) < slcf->json_buffer_size)
            {
                return NGX_OK;
            }

            rc = ngx_http_s3jobs_listing_header(r, f);

            if (rc == NGX_ERROR || rc > NGX_OK) {
                return NGX_ERROR;
            }

            f->streaming = 1;

            if (r->header_only) {
                ngx_http_s3jobs_filter_cleanup(f);
                f->state = NGX_HTTP_S3JOBS_DONE;
                return NGX_OK;
            }
        }

        if ((f->ended || f->flush)
            && ngx_http_s3jobs_close_piece(f) != NGX_OK)
        {
            return NGX_ERROR;
        }

        out = f->out;
        f->out = NULL;
        f->last_out = &f->out;
        f->size = 0;

        if (out == NULL && f->busy == NULL) {
            return NGX_OK;
        }

        rc = ngx_http_next_body_filter(r, out);

        ngx_chain_update_chains(r->pool, &f->free, &f->busy, &out,
                               (ngx_buf_tag_t) &ngx_http_s3jobs_module);

        if (rc == NGX_ERROR) {
            return NGX_ERROR;
        }

        if (f->ended) {
            ngx_http_s3jobs_filter_cleanup(f);
            f->state = NGX_HTTP_S3JOBS_DONE;
            return rc;
        }

        if (f->busy) {
            return NGX_AGAIN;
        }

        if (f->in == NULL) {
            return NGX_OK;
        }
    }
}


/* gives the parser what there is, until a piece of output is to be sent */

static ngx_int_t
ngx_http_s3jobs_convert(ngx_http_request_t *r, ngx_http_s3jobs_ctx_t *ctx)
{
    size_t                       n;
    ngx_buf_t                   *b;
    ngx_int_t                    rc;
    ngx_chain_t                 *cl;
    ngx_http_s3jobs_filter_t    *f;
    ngx_http_s3jobs_loc_conf_t  *slcf;

    f = ctx->filter;
    slcf = ngx_http_get_module_loc_conf(r, ngx_http_s3jobs_module);

    rc = NGX_OK;

    while (f->in) {
        cl = f->in;
        b = cl->buf;

        if (f->broken) {
            b->pos = b->last;
        }

        while (b->pos < b->last) {

            if (f->out && (f->streaming || f->size >= slcf->json_buffer_size))
            {
                return NGX_OK;
            }

            n = ngx_min((size_t) (b->last - b->pos), NGX_HTTP_S3JOBS_FEED);

            rc = ngx_s3jobs_listing_feed(f->listing, b->pos, n);

            b->pos += n;

            if (rc != NGX_OK) {
                b->pos = b->last;
            }
        }

        if (rc == NGX_OK && !f->broken && (b->last_buf || b->last_in_chain)) {
            rc = ngx_s3jobs_listing_finish(f->listing);
        }

        ctx->jobs = ngx_s3jobs_listing_jobs(f->listing);
        ctx->listed = 1;

        if (rc == NGX_ERROR) {
            return NGX_ERROR;
        }

        if (rc == NGX_DECLINED && !f->broken) {
            ngx_http_s3jobs_broken(r, f, ngx_s3jobs_listing_error(f->listing));
        }

        if (ngx_http_s3jobs_upstream_aborted(r, b)) {
            ngx_http_s3jobs_broken(r, f, "the connection was cut");
            f->ended = 1;
        }

        if (b->last_buf || b->last_in_chain) {
            f->ended = 1;
        }

        f->flush |= b->flush;

        f->in = cl->next;
        ngx_free_chain(r->pool, cl);
    }

    return NGX_OK;
}


static void
ngx_http_s3jobs_broken(ngx_http_request_t *r, ngx_http_s3jobs_filter_t *f,
    const char *reason)
{
    if (f->broken) {
        return;
    }

    f->broken = 1;

    ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                  "S3 Control sent no usable listing: %s", reason);

#if (NGX_HTTP_CACHE)

    if (!r->cached) {
        r->upstream->cacheable = 0;
    }

#endif

    if (f->streaming) {
        ngx_http_s3jobs_uncache(r);
    }
}


static ngx_int_t
ngx_http_s3jobs_listing_header(ngx_http_request_t *r,
    ngx_http_s3jobs_filter_t *f)
{
    ngx_http_s3jobs_clear_headers(r);

    if (f->ended) {
        r->headers_out.content_length_n = ngx_http_s3jobs_written(f);
    }

    ngx_str_set(&r->headers_out.content_type, "application/json");
    r->headers_out.content_type_len = r->headers_out.content_type.len;

    if (ngx_http_s3jobs_add_vary(r) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_http_next_header_filter(r);
}


/* bytes of JSON that are held */

static size_t
ngx_http_s3jobs_written(ngx_http_s3jobs_filter_t *f)
{
    return f->size + (f->piece ? f->writer.pos - f->piece->pos : 0);
}


/* the writer's next piece of memory */

static ngx_int_t
ngx_http_s3jobs_more(ngx_s3jobs_out_t *out)
{
    size_t                       size;
    ngx_buf_t                   *b;
    ngx_chain_t                 *cl;
    ngx_http_request_t          *r;
    ngx_http_s3jobs_filter_t    *f;
    ngx_http_s3jobs_loc_conf_t  *slcf;

    f = out->data;
    r = f->request;

    if (ngx_http_s3jobs_close_piece(f) != NGX_OK) {
        return NGX_ERROR;
    }

    if (f->free) {
        cl = f->free;
        b = cl->buf;
        f->free = cl->next;
        ngx_free_chain(r->pool, cl);

        b->flush = 0;

    } else {
        slcf = ngx_http_get_module_loc_conf(r, ngx_http_s3jobs_module);

        size = ngx_min(slcf->json_buffer_size, NGX_HTTP_S3JOBS_PIECE);
        size = ngx_max(size, NGX_HTTP_S3JOBS_PIECE_MIN);

        b = ngx_create_temp_buf(r->pool, size);
        if (b == NULL) {
            return NGX_ERROR;
        }

        b->tag = (ngx_buf_tag_t) &ngx_http_s3jobs_module;
        b->recycled = 1;
    }

    f->piece = b;

    out->pos = b->pos;
    out->end = b->end;

    return NGX_OK;
}


/* what was written of the current piece becomes output */

static ngx_int_t
ngx_http_s3jobs_close_piece(ngx_http_s3jobs_filter_t *f)
{
    ngx_buf_t    *b;
    ngx_chain_t  *cl;

    b = f->piece;

    if (b == NULL) {
        return NGX_OK;
    }

    cl = ngx_alloc_chain_link(f->request->pool);
    if (cl == NULL) {
        return NGX_ERROR;
    }

    b->last = f->writer.pos;

    if (f->ended) {
        b->last_buf = (f->request == f->request->main);
        b->last_in_chain = 1;
    }

    b->flush = f->flush;
    f->flush = 0;

    f->size += b->last - b->pos;

    cl->buf = b;
    cl->next = NULL;

    *f->last_out = cl;
    f->last_out = &cl->next;

    f->piece = NULL;
    f->writer.pos = NULL;
    f->writer.end = NULL;

    return NGX_OK;
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

static ngx_int_t
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

    return ngx_http_next_header_filter(r);
}


static ngx_int_t
ngx_http_s3jobs_send_document(ngx_http_request_t *r,
    ngx_http_s3jobs_filter_t *f)
{
    ngx_chain_t  out;

    f->state = NGX_HTTP_S3JOBS_DONE;

    if (r->header_only) {
        return NGX_OK;
    }

    f->document->last_buf = (r == r->main);
    f->document->last_in_chain = 1;

    out.buf = f->document;
    out.next = NULL;

    return ngx_http_next_body_filter(r, &out);
}


/*
 * nginx ends the answer of an upstream that failed with a flush, after it
 * has finalized the upstream.
 */

static ngx_uint_t
ngx_http_s3jobs_upstream_aborted(ngx_http_request_t *r, ngx_buf_t *b)
{
    return b->flush && !b->last_buf && !b->last_in_chain
           && r->upstream->cleanup == NULL;
}


/* a broken document must not be served again */

static void
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

    ngx_http_next_header_filter = ngx_http_top_header_filter;
    ngx_http_top_header_filter = ngx_http_s3jobs_header_filter;

    ngx_http_next_body_filter = ngx_http_top_body_filter;
    ngx_http_top_body_filter = ngx_http_s3jobs_body_filter;

    return NGX_OK;
}
