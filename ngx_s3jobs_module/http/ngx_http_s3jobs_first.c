
/*
 * Copyright (C) the ngx_s3jobs_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_s3jobs_module.h"
#include "ngx_http_s3jobs_first.h"
#include "ngx_http_s3jobs_headers.h"
#include "ngx_http_s3jobs_listing.h"
#include "ngx_http_s3jobs_page.h"
#include "ngx_s3jobs_text.h"


/* of an answer that only the cache gets */

typedef struct {
    u_char                           data[NGX_HTTP_S3JOBS_FIRST_MAX];
    size_t                           len;

    ngx_int_t                      (*init)(void *data);
    ngx_event_pipe_input_filter_pt   input;

    ngx_http_request_t              *request;
    ngx_http_s3jobs_ctx_t           *ctx;

    unsigned                         known:1;
} ngx_http_s3jobs_first_t;


static ngx_int_t ngx_http_s3jobs_first_look(ngx_http_request_t *r,
    ngx_http_s3jobs_ctx_t *ctx, ngx_chain_t *in);
static ngx_int_t ngx_http_s3jobs_first_root(ngx_http_s3jobs_ctx_t *ctx,
    u_char *p, size_t len);
static ngx_chain_t *ngx_http_s3jobs_first_held(ngx_http_request_t *r,
    ngx_http_s3jobs_filter_t *f, ngx_chain_t *in);
static ngx_int_t ngx_http_s3jobs_first_other(ngx_http_request_t *r,
    ngx_http_s3jobs_ctx_t *ctx, ngx_chain_t *in);
static ngx_int_t ngx_http_s3jobs_first_listing(ngx_http_request_t *r,
    ngx_http_s3jobs_ctx_t *ctx, ngx_chain_t *in);
static ngx_int_t ngx_http_s3jobs_first_pass(ngx_http_request_t *r,
    ngx_http_s3jobs_ctx_t *ctx, ngx_chain_t *in);
static ngx_int_t ngx_http_s3jobs_first_update_init(void *data);
static ngx_int_t ngx_http_s3jobs_first_update_input(ngx_event_pipe_t *p,
    ngx_buf_t *buf);


ngx_int_t
ngx_http_s3jobs_first_filter(ngx_http_request_t *r,
    ngx_http_s3jobs_ctx_t *ctx, ngx_chain_t *in)
{
    ngx_int_t                  rc;
    ngx_http_s3jobs_filter_t  *f;

    f = ctx->filter;

    rc = ngx_http_s3jobs_first_look(r, ctx, in);

    if (rc == NGX_AGAIN) {

        /* all of it is held, and nginx needs its buffers */

        ngx_http_s3jobs_drop(in);
        return NGX_OK;
    }

    if (rc == NGX_ERROR) {
        return NGX_ERROR;
    }

    if (f->first_len) {
        in = ngx_http_s3jobs_first_held(r, f, in);
        if (in == NULL) {
            return NGX_ERROR;
        }
    }

    if (rc == NGX_DONE) {
        ngx_http_s3jobs_uncache(r);

        if (ngx_http_s3jobs_error_start(f) != NGX_OK) {
            return NGX_ERROR;
        }

        return ngx_http_s3jobs_error_filter(r, ctx, in);
    }

    if (rc == NGX_DECLINED) {
        return ngx_http_s3jobs_first_other(r, ctx, in);
    }

    return ngx_http_s3jobs_first_listing(r, ctx, in);
}


/*
 * NGX_OK: it is a listing; NGX_DONE: an error; NGX_DECLINED: neither;
 * NGX_AGAIN: there is to be more of it
 */

static ngx_int_t
ngx_http_s3jobs_first_look(ngx_http_request_t *r, ngx_http_s3jobs_ctx_t *ctx,
    ngx_chain_t *in)
{
    u_char                     first[NGX_HTTP_S3JOBS_FIRST_MAX], *p;
    size_t                     n;
    ngx_buf_t                 *b;
    ngx_int_t                  rc;
    ngx_uint_t                 last;
    ngx_http_s3jobs_filter_t  *f;

    f = ctx->filter;
    last = 0;
    p = first;

    if (f->first_len) {
        p = ngx_cpymem(p, f->first, f->first_len);
    }

    for ( /* void */ ; in; in = in->next) {
        b = in->buf;

        n = ngx_min(b->last - b->pos, first + sizeof(first) - p);

        if (n) {
            p = ngx_cpymem(p, b->pos, n);
        }

        last |= b->last_buf || b->last_in_chain
                || ngx_http_s3jobs_upstream_aborted(r, b);
    }

    n = p - first;

    rc = ngx_http_s3jobs_first_root(ctx, first, n);

    if (rc != NGX_AGAIN) {
        return rc;
    }

    if (last || n == sizeof(first)) {

        /* what becomes JSON is for the parser to judge */

        return f->raw ? NGX_DECLINED : NGX_OK;
    }

    if (n == 0) {
        return NGX_AGAIN;
    }

    if (f->first == NULL) {
        f->first = ngx_pnalloc(r->pool, sizeof(first));
        if (f->first == NULL) {
            return NGX_ERROR;
        }
    }

    ngx_memcpy(f->first, first, n);
    f->first_len = n;

    return NGX_AGAIN;
}


static ngx_int_t
ngx_http_s3jobs_first_root(ngx_http_s3jobs_ctx_t *ctx, u_char *p, size_t len)
{
    ngx_int_t         rc;
    ngx_str_t         name;
    const ngx_str_t  *root;

    rc = ngx_s3jobs_text_root(p, len, &name);

    if (rc != NGX_OK) {
        return rc;
    }

    root = ctx->job.len ? &ngx_s3jobs_describe_job.root
                        : &ngx_s3jobs_list_jobs.root;

    if (name.len == root->len
        && ngx_memcmp(name.data, root->data, name.len) == 0)
    {
        return NGX_OK;
    }

    /* S3's errors come in two shapes */

    if ((name.len == 5 && ngx_memcmp(name.data, "Error", 5) == 0)
        || (name.len == 13 && ngx_memcmp(name.data, "ErrorResponse", 13) == 0))
    {
        return NGX_DONE;
    }

    return NGX_DECLINED;
}


static ngx_chain_t *
ngx_http_s3jobs_first_held(ngx_http_request_t *r, ngx_http_s3jobs_filter_t *f,
    ngx_chain_t *in)
{
    ngx_buf_t    *b;
    ngx_chain_t  *cl;

    b = ngx_calloc_buf(r->pool);
    cl = ngx_alloc_chain_link(r->pool);

    if (b == NULL || cl == NULL) {
        return NULL;
    }

    b->memory = 1;
    b->pos = f->first;
    b->last = f->first + f->first_len;

    cl->buf = b;
    cl->next = in;

    return cl;
}


static ngx_int_t
ngx_http_s3jobs_first_other(ngx_http_request_t *r, ngx_http_s3jobs_ctx_t *ctx,
    ngx_chain_t *in)
{
    ngx_int_t                  rc;
    ngx_http_s3jobs_filter_t  *f;

    f = ctx->filter;

    if (!f->raw) {

        /* the parser knows best what is wrong, but may wait for more */

        rc = ngx_http_s3jobs_first_listing(r, ctx, in);

        if (rc != NGX_OK || f->broken || f->state != NGX_HTTP_S3JOBS_LISTING) {
            return rc;
        }

        in = NULL;
    }

    f->state = NGX_HTTP_S3JOBS_LISTING;

    ngx_http_s3jobs_listing_broken(r, f,
                                   "its root element is not that of one");

    return ngx_http_s3jobs_listing_filter(r, ctx, in);
}


static ngx_int_t
ngx_http_s3jobs_first_listing(ngx_http_request_t *r,
    ngx_http_s3jobs_ctx_t *ctx, ngx_chain_t *in)
{
    ngx_http_s3jobs_filter_t  *f;

    f = ctx->filter;

    if (!f->raw) {

        if (ngx_http_s3jobs_listing_start(r, ctx) != NGX_OK) {
            return NGX_ERROR;
        }

        return ngx_http_s3jobs_listing_filter(r, ctx, in);
    }

    if (ctx->page) {
        f->state = NGX_HTTP_S3JOBS_RAW;
        return ngx_http_s3jobs_page_copy(r, ctx, in);
    }

    return ngx_http_s3jobs_first_pass(r, ctx, in);
}


static ngx_int_t
ngx_http_s3jobs_first_pass(ngx_http_request_t *r, ngx_http_s3jobs_ctx_t *ctx,
    ngx_chain_t *in)
{
    ngx_int_t                  rc;
    ngx_http_s3jobs_filter_t  *f;

    f = ctx->filter;
    f->state = NGX_HTTP_S3JOBS_DONE;

    rc = ngx_http_s3jobs_xml_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK) {
        return NGX_ERROR;
    }

    if (r->header_only) {
        ngx_http_s3jobs_drop(in);
        return NGX_OK;
    }

    /* from here on it is nginx's own answer */

    r->upstream->finalize_request = f->finalize;
    ctx->filter = NULL;

    return ngx_http_s3jobs_next_body_filter(r, in);
}


ngx_int_t
ngx_http_s3jobs_xml_header(ngx_http_request_t *r)
{
    if (ngx_http_s3jobs_add_vary(r) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_http_s3jobs_next_header_filter(r);
}


ngx_uint_t
ngx_http_s3jobs_first_seen(ngx_http_request_t *r, ngx_http_s3jobs_ctx_t *ctx)
{
    u_char               *p;
    ssize_t               n;
    ngx_int_t             size;
    ngx_http_upstream_t  *u;
#if (NGX_HTTP_CACHE)
    u_char                first[NGX_HTTP_S3JOBS_FIRST_MAX];
#endif

    u = r->upstream;
    p = u->buffer.pos;
    n = u->buffer.last - p;

#if (NGX_HTTP_CACHE)

    if (r->cached) {
        p = first;
        n = ngx_read_file(&r->cache->file, p, sizeof(first),
                          r->cache->body_start);

        return n > 0 && ngx_http_s3jobs_first_root(ctx, p, n) == NGX_OK;
    }

#endif

    if (u->cacheable) {

        /* the disk may be full, of which there is to be an answer */

        return 0;
    }

    if (u->headers_in.chunked) {
        p = ngx_strlchr(p, p + n, CR);
        if (p == NULL) {
            return 0;
        }

        size = ngx_hextoi(u->buffer.pos, p - u->buffer.pos);

        p += 2;
        n = ngx_min(size, u->buffer.last - p);
    }

    n = ngx_min(n, NGX_HTTP_S3JOBS_FIRST_MAX);

    return n > 0 && ngx_http_s3jobs_first_root(ctx, p, n) == NGX_OK;
}


/* no filter sees the body of what is only for the cache */

void
ngx_http_s3jobs_first_update(ngx_http_request_t *r, ngx_http_s3jobs_ctx_t *ctx)
{
    ngx_http_upstream_t      *u;
    ngx_http_s3jobs_first_t  *first;

    u = r->upstream;

    first = ngx_pcalloc(r->pool, sizeof(ngx_http_s3jobs_first_t));
    if (first == NULL) {
        ngx_http_s3jobs_uncache(r);
        return;
    }

    first->request = r;
    first->ctx = ctx;
    first->init = u->input_filter_init;

    u->input_filter_init = ngx_http_s3jobs_first_update_init;
    u->pipe->input_ctx = first;
}


static ngx_int_t
ngx_http_s3jobs_first_update_init(void *data)
{
    ngx_http_s3jobs_first_t *first = data;

    ngx_int_t          rc;
    ngx_event_pipe_t  *p;

    p = first->request->upstream->pipe;

    p->input_ctx = first->request;

    rc = first->init(first->request);

    first->input = p->input_filter;

    p->input_filter = ngx_http_s3jobs_first_update_input;
    p->input_ctx = first;

    return rc;
}


static ngx_int_t
ngx_http_s3jobs_first_update_input(ngx_event_pipe_t *p, ngx_buf_t *buf)
{
    size_t                    n;
    ngx_int_t                 rc;
    ngx_chain_t              *cl, **last;
    ngx_http_request_t       *r;
    ngx_http_s3jobs_first_t  *first;

    first = p->input_ctx;
    r = first->request;
    last = p->in ? p->last_in : &p->in;

    p->input_ctx = r;

    rc = first->input(p, buf);

    p->input_ctx = first;

    if (rc != NGX_OK || first->known) {
        return rc;
    }

    for (cl = *last; cl; cl = cl->next) {
        n = ngx_min((size_t) (cl->buf->last - cl->buf->pos),
                    sizeof(first->data) - first->len);

        ngx_memcpy(first->data + first->len, cl->buf->pos, n);
        first->len += n;
    }

    rc = ngx_http_s3jobs_first_root(first->ctx, first->data, first->len);

    first->known = (rc != NGX_AGAIN || first->len == sizeof(first->data));

    if (rc == NGX_DONE || rc == NGX_DECLINED) {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "S3 Control sent no listing to update the cache with");

        ngx_http_s3jobs_uncache(r);
    }

    return NGX_OK;
}
