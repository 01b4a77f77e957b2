
/*
 * Copyright (C) the ngx_s3jobs_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_s3jobs_module.h"
#include "ngx_http_s3jobs_gather.h"
#include "ngx_http_s3jobs_headers.h"
#include "ngx_http_s3jobs_listing.h"


static void ngx_http_s3jobs_gather_cleanup(void *data);
static void ngx_http_s3jobs_gather_done(ngx_http_s3jobs_member_t *m);
static void ngx_http_s3jobs_gather_handler(ngx_http_request_t *r);
static void ngx_http_s3jobs_gather_undelay(ngx_http_s3jobs_gather_t *g);
static ngx_int_t ngx_http_s3jobs_gather_run(ngx_http_s3jobs_gather_t *g);
static ngx_int_t ngx_http_s3jobs_gather_next(ngx_http_s3jobs_gather_t *g);
static void ngx_http_s3jobs_gather_timer(ngx_http_s3jobs_gather_t *g);
static ngx_int_t ngx_http_s3jobs_gather_fetch(ngx_http_s3jobs_gather_t *g);
static ngx_int_t ngx_http_s3jobs_gather_page(ngx_http_s3jobs_gather_t *g,
    ngx_http_s3jobs_page_t *page);
static ngx_int_t ngx_http_s3jobs_gather_begin(ngx_http_s3jobs_gather_t *g,
    ngx_http_s3jobs_page_t *page);
static ngx_int_t ngx_http_s3jobs_gather_headers(ngx_http_request_t *r,
    ngx_http_request_t *sr);


ngx_int_t
ngx_http_s3jobs_gather_pages(ngx_http_request_t *r,
    ngx_http_s3jobs_ctx_t *ctx)
{
    ngx_str_t                    text;
    ngx_http_s3jobs_gather_t    *g;
    ngx_http_s3jobs_member_t    *m;
    ngx_http_s3jobs_filter_t    *f;
    ngx_http_s3jobs_loc_conf_t  *slcf;

    g = ngx_http_s3jobs_gather_create(r, ctx, 1);
    if (g == NULL) {
        return NGX_ERROR;
    }

    f = ctx->filter;
    m = g->members;

    slcf = ngx_http_get_module_loc_conf(r, ngx_http_s3jobs_module);

    g->begun = 1;

    m->first = r;
    m->max_pages = slcf->max_pages;
    m->account = ctx->account;
    m->region = ctx->region;
    m->pages = 1;

    text = ngx_s3jobs_listing_token(f->listing);

    if (ngx_http_s3jobs_keep(r->pool, &m->token, &text) != NGX_OK
        || ngx_http_s3jobs_gather_seen(m, &ctx->query) != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_http_s3jobs_filter_cleanup(f);

    return ngx_http_s3jobs_gather_wake(r);
}


ngx_int_t
ngx_http_s3jobs_gather_again(ngx_http_request_t *r,
    ngx_http_s3jobs_ctx_t *ctx)
{
    ngx_http_s3jobs_filter_t    *f;
    ngx_http_s3jobs_gather_t    *g;
    ngx_http_s3jobs_member_t    *m;
    ngx_http_s3jobs_loc_conf_t  *slcf;

    f = ctx->filter;

    if (ctx->page) {
        f->state = NGX_HTTP_S3JOBS_DONE;
        ctx->page->again = 1;
        return ngx_http_s3jobs_page_failed(ctx->page, ctx);
    }

    slcf = ngx_http_get_module_loc_conf(r, ngx_http_s3jobs_module);

    g = ngx_http_s3jobs_gather_create(r, ctx, 1);
    if (g == NULL) {
        return NGX_ERROR;
    }

    g->whole = !ctx->paged;
    g->raw = !ngx_http_s3jobs_json(r);

    m = g->members;

    m->first = r;
    m->account = ctx->account;
    m->region = ctx->region;
    m->max_pages = slcf->max_pages;
    m->tries = ctx->tries;

    if (ngx_http_s3jobs_gather_failed(m, ctx) != NGX_OK
        || ngx_http_s3jobs_gather_seen(m, &ctx->query) != NGX_OK)
    {
        return NGX_ERROR;
    }

    /* a client that leaves is logged with texts that the reader had */

    ctx->error = m->error;
    ctx->request_id = m->error.request_id;
    ctx->retry_after = m->retry_after;

    ngx_http_s3jobs_filter_cleanup(f);
    ngx_http_s3jobs_listing_output(f);

    return ngx_http_s3jobs_gather_wake(r);
}


ngx_http_s3jobs_gather_t *
ngx_http_s3jobs_gather_create(ngx_http_request_t *r,
    ngx_http_s3jobs_ctx_t *ctx, ngx_uint_t n)
{
    ngx_uint_t                 i;
    ngx_pool_cleanup_t        *cln;
    ngx_http_s3jobs_gather_t  *g;
    ngx_http_s3jobs_member_t  *m;

    g = ngx_pcalloc(r->pool, sizeof(ngx_http_s3jobs_gather_t));
    m = ngx_pcalloc(r->pool, n * sizeof(ngx_http_s3jobs_member_t));
    cln = ngx_pool_cleanup_add(r->pool, 0);

    if (g == NULL || m == NULL || cln == NULL) {
        return NULL;
    }

    cln->handler = ngx_http_s3jobs_gather_cleanup;
    cln->data = g;

    g->request = r;
    g->ctx = ctx;
    g->members = m;
    g->nmembers = n;

    ngx_queue_init(&g->ended);

    for (i = 0; i < n; i++) {
        m[i].gather = g;
        m[i].max_pages = 1;

        if (ngx_array_init(&m[i].seen, r->pool, 8, sizeof(uint64_t))
            != NGX_OK)
        {
            return NULL;
        }
    }

    ctx->gather = g;
    ctx->filter->state = NGX_HTTP_S3JOBS_GATHER;

    r->buffered |= NGX_HTTP_S3JOBS_BUFFERED;

    return g;
}


static void
ngx_http_s3jobs_gather_cleanup(void *data)
{
    ngx_http_s3jobs_gather_t *g = data;

    ngx_uint_t  i;

    for (i = 0; i < g->nmembers; i++) {
        ngx_http_s3jobs_gather_done(&g->members[i]);
    }
}


static void
ngx_http_s3jobs_gather_done(ngx_http_s3jobs_member_t *m)
{
    m->done = 1;

    if (m->page) {
        ngx_http_s3jobs_page_free(m->page);
    }

    if (m->pool) {
        ngx_destroy_pool(m->pool);
        m->pool = NULL;
    }
}


/* nginx sets a handler of its own when the first upstream ends */

ngx_int_t
ngx_http_s3jobs_gather_filter(ngx_http_request_t *r,
    ngx_http_s3jobs_ctx_t *ctx)
{
    if (r->write_event_handler != ngx_http_s3jobs_gather_handler) {
        return ngx_http_s3jobs_gather_wake(r);
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_s3jobs_gather_wake(ngx_http_request_t *r)
{
    r->write_event_handler = ngx_http_s3jobs_gather_handler;

    return ngx_http_post_request(r, NULL);
}


ngx_int_t
ngx_http_s3jobs_gather_ended(ngx_http_s3jobs_page_t *page)
{
    ngx_http_s3jobs_gather_t  *g;

    g = page->member->gather;

    if (page->queue.next == NULL) {
        ngx_queue_insert_tail(&g->ended, &page->queue);
    }

    if (g->request->write_event_handler != ngx_http_s3jobs_gather_handler) {

        /* it has not come to it yet, or it is over */

        return NGX_OK;
    }

    return ngx_http_post_request(g->request, NULL);
}


/* as ngx_http_writer(), but only a client that is slow is timed out */

static void
ngx_http_s3jobs_gather_handler(ngx_http_request_t *r)
{
    ngx_int_t                  rc;
    ngx_event_t               *wev;
    ngx_connection_t          *c;
    ngx_http_s3jobs_ctx_t     *ctx;
    ngx_http_s3jobs_gather_t  *g;

    c = r->connection;
    wev = c->write;

    ctx = ngx_http_get_module_ctx(r, ngx_http_s3jobs_module);

    if (ctx == NULL || ctx->gather == NULL) {
        return;
    }

    g = ctx->gather;

    if (wev->timedout) {
        ngx_log_error(NGX_LOG_INFO, c->log, NGX_ETIMEDOUT,
                      "client timed out");
        c->timedout = 1;

        ngx_http_finalize_request(r, NGX_HTTP_REQUEST_TIME_OUT);
        return;
    }

    rc = NGX_AGAIN;

    if (!wev->delayed) {
        ngx_http_s3jobs_gather_undelay(g);

        rc = ngx_http_s3jobs_gather_run(g);
    }

    if (rc != NGX_AGAIN) {

        /* what is posted already may come here again */

        r->write_event_handler = ngx_http_request_empty_handler;

        ngx_http_finalize_request(r, rc == NGX_DONE ? NGX_OK : rc);
        return;
    }

    ngx_http_s3jobs_gather_timer(g);
}


/*
 * The timer of the connection, by which limit_req delays a page's request and
 * limit_rate the answer, wakes the request that writes to the client.  A page
 * that waits for that timer is one whose request has not been prepared yet, or
 * that is read from the cache.
 */

static void
ngx_http_s3jobs_gather_undelay(ngx_http_s3jobs_gather_t *g)
{
    ngx_uint_t               i;
    ngx_http_request_t      *r;
    ngx_http_s3jobs_ctx_t   *ctx;
    ngx_http_s3jobs_page_t  *page;

    for (i = 0; i < g->nmembers; i++) {
        page = g->members[i].page;

        if (page == NULL || page->ended) {
            continue;
        }

        r = page->request;
        ctx = ngx_http_get_module_ctx(r, ngx_http_s3jobs_module);

        if ((r == g->members[i].first
             && ctx && !ctx->ready && ctx->wait == NULL)
            || (r->http_state == NGX_HTTP_WRITING_REQUEST_STATE && !r->aio))
        {
            (void) ngx_http_post_request(r, NULL);
        }
    }
}


/* NGX_AGAIN: the client or S3 is to do something; NGX_DONE: all is sent */

static ngx_int_t
ngx_http_s3jobs_gather_run(ngx_http_s3jobs_gather_t *g)
{
    ngx_int_t  rc;

    /* before the header there is nothing to pass on, not even to flush */

    rc = g->begun ? ngx_http_s3jobs_pass(g->request, g->ctx->filter) : NGX_OK;

    while (rc == NGX_OK) {

        if (g->page) {
            rc = ngx_http_s3jobs_gather_page(g, g->page);
            continue;
        }

        rc = ngx_http_s3jobs_gather_fetch(g);

        if (rc == NGX_OK) {
            rc = ngx_http_s3jobs_gather_next(g);
        }
    }

    return rc;
}


/* the page whose turn it is, NGX_AGAIN if there is none */

static ngx_int_t
ngx_http_s3jobs_gather_next(ngx_http_s3jobs_gather_t *g)
{
    ngx_int_t                rc;
    ngx_queue_t             *q;
    ngx_http_s3jobs_page_t  *page;

    if (ngx_queue_empty(&g->ended)) {
        return NGX_AGAIN;
    }

    q = ngx_queue_head(&g->ended);
    ngx_queue_remove(q);

    page = ngx_queue_data(q, ngx_http_s3jobs_page_t, queue);

    if (page->again) {
        ngx_http_s3jobs_page_free(page);
        return NGX_OK;
    }

    if (page->failed) {
        ngx_http_s3jobs_gather_done(page->member);
        return NGX_OK;
    }

    if (!g->begun) {
        rc = ngx_http_s3jobs_gather_begin(g, page);

        if (rc != NGX_OK) {
            return rc;
        }
    }

    g->page = page;

    if (page->jobs && g->ctx->jobs
        && ngx_http_s3jobs_gather_text(&g->ctx->filter->writer, ",")
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    g->ctx->jobs += page->jobs;

    return NGX_OK;
}


static void
ngx_http_s3jobs_gather_timer(ngx_http_s3jobs_gather_t *g)
{
    ngx_event_t               *wev;
    ngx_connection_t          *c;
    ngx_http_request_t        *r;
    ngx_http_core_loc_conf_t  *clcf;

    r = g->request;
    c = r->connection;
    wev = c->write;

    if (r != c->data) {
        return;
    }

    clcf = ngx_http_get_module_loc_conf(r->main, ngx_http_core_module);

    if (wev->delayed) {

        /* the timer may have been taken by an unbuffered page */

        if (!wev->timer_set) {
            ngx_add_timer(wev, 1);
        }

    } else if (c->buffered || r->buffered != NGX_HTTP_S3JOBS_BUFFERED) {
        ngx_add_timer(wev, clcf->send_timeout);

    } else if (wev->timer_set) {
        ngx_del_timer(wev);
    }

    if (ngx_handle_write_event(wev, clcf->send_lowat) != NGX_OK) {
        ngx_http_finalize_request(r, NGX_ERROR);
    }
}


/* NGX_DONE: there was nothing more to fetch, and the answer has its end */

static ngx_int_t
ngx_http_s3jobs_gather_fetch(ngx_http_s3jobs_gather_t *g)
{
    ngx_uint_t                 i, done;
    ngx_http_s3jobs_member_t  *m;

    done = 0;

    for (i = 0; i < g->nmembers; i++) {
        m = &g->members[i];

        if (!m->done && m->page == NULL) {

            if (m->pages
                && (m->token.text.len == 0 || m->pages >= m->max_pages))
            {
                ngx_http_s3jobs_gather_done(m);

            } else if (ngx_http_s3jobs_page_fetch(m) != NGX_OK) {
                return NGX_ERROR;
            }
        }

        done += m->done;
    }

    return (done == g->nmembers) ? ngx_http_s3jobs_gather_end(g) : NGX_OK;
}


/* as much of the page as is to be sent at once */

static ngx_int_t
ngx_http_s3jobs_gather_page(ngx_http_s3jobs_gather_t *g,
    ngx_http_s3jobs_page_t *page)
{
    ngx_int_t                    rc;
    ngx_http_s3jobs_filter_t    *f;
    ngx_http_s3jobs_loc_conf_t  *slcf;

    f = g->ctx->filter;
    slcf = ngx_http_get_module_loc_conf(g->request, ngx_http_s3jobs_module);

    do {
        rc = ngx_http_s3jobs_page_read(page, &f->writer);

        if (rc == NGX_ERROR) {
            return NGX_ERROR;
        }

    } while (rc == NGX_OK && f->size < slcf->json_buffer_size);

    if (rc == NGX_DONE) {
        g->page = NULL;

        page->member->pages++;
        g->ctx->pages++;

        ngx_http_s3jobs_page_free(page);

        /* or postpone_output and gzip would keep the last bytes */

        f->flush = 1;
    }

    if (ngx_http_s3jobs_listing_piece(f) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_http_s3jobs_pass(g->request, f);
}


/* NGX_DONE: the header was all */

static ngx_int_t
ngx_http_s3jobs_gather_begin(ngx_http_s3jobs_gather_t *g,
    ngx_http_s3jobs_page_t *page)
{
    ngx_int_t               rc;
    ngx_http_request_t     *r;
    ngx_http_s3jobs_ctx_t  *ctx;

    r = g->request;
    ctx = g->ctx;

    g->begun = 1;

    /* of an answer that was not the last word */

    ngx_memzero(&ctx->error, sizeof(ngx_s3jobs_error_t));
    ngx_str_null(&ctx->retry_after);
    ngx_str_null(&ctx->request_id);

    ngx_http_s3jobs_clear_headers(r);

    r->headers_out.status = NGX_HTTP_OK;
    r->headers_out.status_line.len = 0;

    ngx_str_set(&r->headers_out.content_type, "application/json");
    r->headers_out.content_type_len = r->headers_out.content_type.len;

    if (!g->merge) {

        if (ngx_http_s3jobs_gather_headers(r, page->request) != NGX_OK) {
            return NGX_ERROR;
        }

        if (!g->raw) {
            ngx_http_s3jobs_clear_headers(r);
        }
    }

    if (g->whole) {
        r->headers_out.content_length_n = page->size;
    }

    if (ngx_http_s3jobs_add_vary(r) != NGX_OK) {
        return NGX_ERROR;
    }

    ctx->listed = !g->raw;

    rc = ngx_http_s3jobs_next_header_filter(r);

    if (rc == NGX_ERROR || rc > NGX_OK) {
        return NGX_ERROR;
    }

    if (r->header_only) {
        r->buffered &= ~NGX_HTTP_S3JOBS_BUFFERED;
        g->ctx->filter->state = NGX_HTTP_S3JOBS_DONE;
        return NGX_DONE;
    }

    if (g->whole) {
        return NGX_OK;
    }

    return ngx_http_s3jobs_gather_text(&g->ctx->filter->writer,
                                       "{\"Jobs\":[");
}


/* what S3 sent with the answer that is good: memory of a page */

static ngx_int_t
ngx_http_s3jobs_gather_headers(ngx_http_request_t *r, ngx_http_request_t *sr)
{
    u_char                 *p;
    ngx_uint_t              i;
    ngx_list_part_t        *part;
    ngx_table_elt_t        *h, *from;
    ngx_http_s3jobs_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_s3jobs_module);

    ngx_http_s3jobs_drop_all_headers(r);

    for (part = &sr->headers_out.headers.part; part; part = part->next) {
        from = part->elts;

        for (i = 0; i < part->nelts; i++) {

            if (from[i].hash == 0) {
                continue;
            }

            h = ngx_list_push(&r->headers_out.headers);
            p = ngx_pnalloc(r->pool, from[i].key.len + from[i].value.len
                                     + 2);

            if (h == NULL || p == NULL) {
                return NGX_ERROR;
            }

            ngx_memzero(h, sizeof(ngx_table_elt_t));

            h->hash = 1;

            h->key.len = from[i].key.len;
            h->key.data = p;
            p = ngx_cpymem(p, from[i].key.data, from[i].key.len);
            *p++ = '\0';

            h->value.len = from[i].value.len;
            h->value.data = p;
            p = ngx_cpymem(p, from[i].value.data, from[i].value.len);
            *p = '\0';

            if (ngx_http_s3jobs_header_is(h, "x-amz-request-id")) {
                ctx->request_id = h->value;
            }
        }
    }

    if (ngx_http_s3jobs_json(r) || sr->headers_out.content_type.len == 0) {
        return NGX_OK;
    }

    r->headers_out.content_type_len = sr->headers_out.content_type_len;
    r->headers_out.content_type.len = sr->headers_out.content_type.len;
    r->headers_out.content_type.data =
        ngx_pstrdup(r->pool, &sr->headers_out.content_type);

    return r->headers_out.content_type.data ? NGX_OK : NGX_ERROR;
}


ngx_int_t
ngx_http_s3jobs_gather_failed(ngx_http_s3jobs_member_t *m,
    ngx_http_s3jobs_ctx_t *ctx)
{
    u_char              *p;
    ngx_s3jobs_error_t  *e;

    e = &m->error;

    *e = ctx->error;
    e->request_id = ctx->request_id;
    m->retry_after = ctx->retry_after;

    p = ngx_pnalloc(m->gather->request->pool,
                    e->code.len + e->message.len + e->request_id.len
                    + m->retry_after.len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    e->code.data = p;
    p = ngx_cpymem(p, ctx->error.code.data, e->code.len);

    e->message.data = p;
    p = ngx_cpymem(p, ctx->error.message.data, e->message.len);

    e->request_id.data = p;
    p = ngx_cpymem(p, ctx->request_id.data, e->request_id.len);

    m->retry_after.data = p;
    ngx_memcpy(p, ctx->retry_after.data, m->retry_after.len);

    return NGX_OK;
}


ngx_int_t
ngx_http_s3jobs_gather_seen(ngx_http_s3jobs_member_t *m, ngx_str_t *query)
{
    uint64_t    hash, *seen;
    ngx_uint_t  i;

    hash = (uint64_t) ngx_murmur_hash2(query->data, query->len) << 32
           | ngx_crc32_long(query->data, query->len);

    seen = m->seen.elts;

    for (i = 0; i < m->seen.nelts; i++) {
        if (seen[i] == hash) {
            return NGX_DECLINED;
        }
    }

    seen = ngx_array_push(&m->seen);
    if (seen == NULL) {
        return NGX_ERROR;
    }

    *seen = hash;

    return NGX_OK;
}


ngx_int_t
ngx_http_s3jobs_keep(ngx_pool_t *pool, ngx_http_s3jobs_kept_t *kept,
    ngx_str_t *text)
{
    kept->text.len = text->len;

    if (text->len == 0) {
        return NGX_OK;
    }

    if (text->len > kept->size) {
        kept->size = 2 * text->len;
        kept->text.data = ngx_pnalloc(pool, kept->size);

        if (kept->text.data == NULL) {
            return NGX_ERROR;
        }
    }

    ngx_memcpy(kept->text.data, text->data, text->len);

    return NGX_OK;
}
