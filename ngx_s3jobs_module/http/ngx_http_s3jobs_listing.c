
/*
 * Copyright (C) the ngx_s3jobs_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_s3jobs_module.h"
#include "ngx_http_s3jobs_error.h"
#include "ngx_http_s3jobs_gather.h"
#include "ngx_http_s3jobs_headers.h"
#include "ngx_http_s3jobs_listing.h"


/* what is given to the parser at once, and the pieces of output */
#define NGX_HTTP_S3JOBS_FEED        4096
#define NGX_HTTP_S3JOBS_PIECE       16384
#define NGX_HTTP_S3JOBS_PIECE_MIN   1024


static ngx_int_t ngx_http_s3jobs_listing_cut(ngx_http_request_t *r,
    ngx_http_s3jobs_filter_t *f);
static ngx_int_t ngx_http_s3jobs_listing_end(ngx_http_s3jobs_ctx_t *ctx);
static ngx_int_t ngx_http_s3jobs_listing_header(ngx_http_request_t *r,
    ngx_http_s3jobs_filter_t *f);
static size_t ngx_http_s3jobs_written(ngx_http_s3jobs_filter_t *f);
static ngx_int_t ngx_http_s3jobs_more(ngx_s3jobs_out_t *out);


ngx_int_t
ngx_http_s3jobs_listing_start(ngx_http_request_t *r,
    ngx_http_s3jobs_ctx_t *ctx)
{
    ngx_http_s3jobs_filter_t  *f;

    f = ctx->filter;
    f->state = NGX_HTTP_S3JOBS_LISTING;

    ngx_http_s3jobs_listing_output(f);

    f->listing = ngx_s3jobs_listing_create(ctx->job.len
                                           ? &ngx_s3jobs_describe_job
                                           : &ngx_s3jobs_list_jobs,
                                           &f->writer);
    if (f->listing == NULL) {
        return NGX_ERROR;
    }

    return ctx->page ? ngx_http_s3jobs_page_listing(r, ctx->page, f) : NGX_OK;
}


void
ngx_http_s3jobs_listing_output(ngx_http_s3jobs_filter_t *f)
{
    f->last_out = &f->out;
    f->writer.more = ngx_http_s3jobs_more;
    f->writer.data = f;
}


ngx_int_t
ngx_http_s3jobs_listing_filter(ngx_http_request_t *r,
    ngx_http_s3jobs_ctx_t *ctx, ngx_chain_t *in)
{
    ngx_int_t                    rc;
    ngx_chain_t                 *cl;
    ngx_http_s3jobs_filter_t    *f;
    ngx_http_s3jobs_loc_conf_t  *slcf;

    if (ctx->page) {
        return ngx_http_s3jobs_page_filter(r, ctx, in);
    }

    f = ctx->filter;
    slcf = ngx_http_get_module_loc_conf(r, ngx_http_s3jobs_module);

    if (in && ngx_chain_add_copy(r->pool, &f->in, in) != NGX_OK) {
        return NGX_ERROR;
    }

    for ( ;; ) {

        if (f->busy) {

            /* what the client does not take, S3 is to keep */

            rc = ngx_http_s3jobs_pass(r, f);

            if (rc != NGX_OK) {
                return rc;
            }
        }

        if (ngx_http_s3jobs_listing_convert(r, ctx) != NGX_OK) {
            return NGX_ERROR;
        }

        if (f->broken) {

            if (f->streaming) {
                return ngx_http_s3jobs_listing_cut(r, f);
            }

            if (!f->ended) {
                ngx_http_s3jobs_end_early(r, ctx);
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

                for (cl = f->in; cl; cl = cl->next) {
                    cl->buf->pos = cl->buf->last;
                }

                ngx_http_s3jobs_filter_cleanup(f);
                f->state = NGX_HTTP_S3JOBS_DONE;
                return NGX_OK;
            }
        }

        if ((f->ended || f->flush)
            && ngx_http_s3jobs_listing_piece(f) != NGX_OK)
        {
            return NGX_ERROR;
        }

        rc = ngx_http_s3jobs_pass(r, f);

        if (rc == NGX_ERROR) {
            return NGX_ERROR;
        }

        if (f->more) {
            return ngx_http_s3jobs_gather_pages(r, ctx);
        }

        if (f->ended) {
            ngx_http_s3jobs_filter_cleanup(f);
            f->state = NGX_HTTP_S3JOBS_DONE;
            return rc;
        }

        if (rc == NGX_AGAIN || f->in == NULL) {
            return rc;
        }
    }
}


/* the page around a subrequest goes on, as when nginx's own proxy fails */

static ngx_int_t
ngx_http_s3jobs_listing_cut(ngx_http_request_t *r, ngx_http_s3jobs_filter_t *f)
{
    if (r == r->main) {
        return NGX_ERROR;
    }

    if (f->ended) {
        ngx_http_s3jobs_filter_cleanup(f);
        f->state = NGX_HTTP_S3JOBS_DONE;

        r->buffered &= ~NGX_HTTP_S3JOBS_BUFFERED;
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_s3jobs_pass(ngx_http_request_t *r, ngx_http_s3jobs_filter_t *f)
{
    ngx_int_t     rc;
    ngx_chain_t  *out, *cl;

    out = f->out;
    f->out = NULL;
    f->last_out = &f->out;
    f->size = 0;

    if (out == NULL && f->busy == NULL
        && f->state != NGX_HTTP_S3JOBS_GATHER)
    {
        return NGX_OK;
    }

    for (cl = out; cl; cl = cl->next) {
        f->json += cl->buf->last - cl->buf->pos;
    }

    f->sending = 1;

    rc = ngx_http_s3jobs_next_body_filter(r, out);

    f->sending = 0;

    ngx_chain_update_chains(r->pool, &f->free, &f->busy, &out,
                            (ngx_buf_tag_t) &ngx_http_s3jobs_module);

    if (rc == NGX_ERROR) {
        return NGX_ERROR;
    }

    if (f->state == NGX_HTTP_S3JOBS_GATHER || (f->busy && f->in)) {
        r->buffered |= NGX_HTTP_S3JOBS_BUFFERED;

    } else {
        r->buffered &= ~NGX_HTTP_S3JOBS_BUFFERED;
    }

    return f->busy ? NGX_AGAIN : NGX_OK;
}


ngx_int_t
ngx_http_s3jobs_listing_convert(ngx_http_request_t *r,
    ngx_http_s3jobs_ctx_t *ctx)
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
            f->xml += n;

            if (rc != NGX_OK) {
                b->pos = b->last;
            }
        }

        if (rc == NGX_OK && !f->broken && (b->last_buf || b->last_in_chain)) {
            rc = ngx_http_s3jobs_listing_end(ctx);
        }

        if (f->listing) {
            ctx->jobs = ngx_s3jobs_listing_jobs(f->listing);
            ctx->pages = 1;
            ctx->listed = 1;
        }

        if (rc == NGX_ERROR) {
            return NGX_ERROR;
        }

        if (rc == NGX_DECLINED && !f->broken) {
            ngx_http_s3jobs_listing_broken(r, f,
                                       ngx_s3jobs_listing_error(f->listing));
        }

        if (ngx_http_s3jobs_upstream_aborted(r, b)) {
            ngx_http_s3jobs_listing_broken(r, f, "the connection was cut");
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


/* where another page follows, the array stays open */

static ngx_int_t
ngx_http_s3jobs_listing_end(ngx_http_s3jobs_ctx_t *ctx)
{
    ngx_int_t                  rc;
    ngx_http_s3jobs_filter_t  *f;

    f = ctx->filter;

    if (ctx->page && !ctx->page->member->gather->whole) {
        return ngx_s3jobs_listing_complete(f->listing);
    }

    if (!ctx->paged) {
        return ngx_s3jobs_listing_finish(f->listing);
    }

    rc = ngx_s3jobs_listing_complete(f->listing);

    if (rc != NGX_OK) {
        return rc;
    }

    if (ngx_s3jobs_listing_token(f->listing).len == 0) {
        return ngx_s3jobs_listing_close(f->listing);
    }

    f->more = 1;

    return NGX_OK;
}


void
ngx_http_s3jobs_listing_broken(ngx_http_request_t *r,
    ngx_http_s3jobs_filter_t *f, const char *reason)
{
    ngx_http_s3jobs_ctx_t  *ctx;

    if (f->broken) {
        return;
    }

    f->broken = 1;

    ctx = ngx_http_get_module_ctx(r, ngx_http_s3jobs_module);

    ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                  "S3 Control sent no usable listing: %s, request id \"%V\"",
                  reason, &ctx->request_id);

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

    if (r->headers_out.status == NGX_HTTP_NOT_MODIFIED) {

        /* nginx compared S3's validators, which JSON does not have */

        r->headers_out.status = r->upstream->headers_in.status_n;
    }

    if (f->ended && !f->more) {
        r->headers_out.content_length_n = ngx_http_s3jobs_written(f);
    }

    ngx_str_set(&r->headers_out.content_type, "application/json");
    r->headers_out.content_type_len = r->headers_out.content_type.len;

    if (ngx_http_s3jobs_add_vary(r) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_http_s3jobs_next_header_filter(r);
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

    if (ngx_http_s3jobs_listing_piece(f) != NGX_OK) {
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


ngx_int_t
ngx_http_s3jobs_listing_piece(ngx_http_s3jobs_filter_t *f)
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

    if (f->ended && !f->more) {
        b->last_buf = (f->request == f->request->main);
        b->last_in_chain = 1;
    }

    b->flush = f->flush || (f->ended && f->more);
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
