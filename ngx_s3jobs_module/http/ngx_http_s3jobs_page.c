
/*
 * Copyright (C) the ngx_s3jobs_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_s3jobs_module.h"
#include "ngx_http_s3jobs_error.h"
#include "ngx_http_s3jobs_gather.h"
#include "ngx_http_s3jobs_listing.h"
#include "ngx_http_s3jobs_refresh.h"
#include "ngx_http_s3jobs_retry.h"


#define NGX_HTTP_S3JOBS_PAGE_POOL  4096
#define NGX_HTTP_S3JOBS_PAGE_POLL  50


static ngx_int_t ngx_http_s3jobs_page_request(ngx_http_s3jobs_page_t *page);
static ngx_http_variable_value_t *ngx_http_s3jobs_page_variables(
    ngx_http_s3jobs_page_t *page);
static void ngx_http_s3jobs_page_begin(ngx_http_request_t *r);
static ngx_uint_t ngx_http_s3jobs_page_wait(ngx_http_s3jobs_page_t *page);
static void ngx_http_s3jobs_page_event(ngx_event_t *ev);
static void ngx_http_s3jobs_page_cleanup(void *data);
static ngx_int_t ngx_http_s3jobs_page_new(ngx_http_request_t *r,
    ngx_http_s3jobs_member_t *m);
static ngx_int_t ngx_http_s3jobs_page_not_kept(ngx_http_request_t *r,
    ngx_http_s3jobs_ctx_t *ctx);
static ngx_int_t ngx_http_s3jobs_page_ended(ngx_http_request_t *r,
    ngx_http_s3jobs_page_t *page);
static ngx_int_t ngx_http_s3jobs_page_spool(ngx_http_request_t *r,
    ngx_http_s3jobs_page_t *page);
static ngx_int_t ngx_http_s3jobs_page_whole(ngx_http_request_t *r,
    ngx_http_s3jobs_page_t *page);
static ngx_int_t ngx_http_s3jobs_page_whose(ngx_http_s3jobs_member_t *m,
    ngx_http_s3jobs_ctx_t *ctx);
static ngx_int_t ngx_http_s3jobs_page_done(ngx_http_request_t *r, void *data,
    ngx_int_t rc);


ngx_int_t
ngx_http_s3jobs_page_fetch(ngx_http_s3jobs_member_t *m)
{
    ngx_int_t                rc;
    ngx_pool_t              *pool, *saved;
    ngx_time_t              *tp;
    ngx_http_request_t      *r;
    ngx_http_s3jobs_page_t  *page;

    r = m->first ? m->first : m->gather->request;

    pool = ngx_create_pool(NGX_HTTP_S3JOBS_PAGE_POOL, r->connection->log);
    if (pool == NULL) {
        return NGX_ERROR;
    }

    page = ngx_pcalloc(pool, sizeof(ngx_http_s3jobs_page_t));
    if (page == NULL) {
        ngx_destroy_pool(pool);
        return NGX_ERROR;
    }

    page->pool = pool;
    page->member = m;

    tp = ngx_timeofday();
    page->start = (ngx_msec_t) (tp->sec * 1000 + tp->msec);

    /* of the request's pool a page would take its buffers until the end */

    saved = r->pool;
    r->pool = pool;

    rc = ngx_http_s3jobs_page_request(page);

    r->pool = saved;

    if (rc != NGX_OK) {
        ngx_destroy_pool(pool);
        return NGX_ERROR;
    }

    m->page = page;

    return NGX_OK;
}


static ngx_int_t
ngx_http_s3jobs_page_request(ngx_http_s3jobs_page_t *page)
{
    ngx_int_t                    rc;
    ngx_uint_t                   in_memory;
    ngx_pool_cleanup_t          *cln;
    ngx_http_request_t          *sr, *parent;
    ngx_http_s3jobs_ctx_t       *ctx;
    ngx_http_s3jobs_member_t    *m;
    ngx_http_variable_value_t   *variables;
    ngx_http_post_subrequest_t  *ps;

    m = page->member;

    ctx = ngx_pcalloc(page->pool, sizeof(ngx_http_s3jobs_ctx_t));
    if (ctx == NULL) {
        return NGX_ERROR;
    }

    ctx->page = page;

    cln = ngx_pool_cleanup_add(page->pool, 0);
    if (cln == NULL) {
        return NGX_ERROR;
    }

    cln->handler = ngx_http_s3jobs_page_cleanup;
    cln->data = page;

    page->event.handler = ngx_http_s3jobs_page_event;
    page->event.data = page;
    page->event.log = m->gather->request->connection->log;

    ps = ngx_palloc(page->pool, sizeof(ngx_http_post_subrequest_t));
    if (ps == NULL) {
        return NGX_ERROR;
    }

    ps->handler = ngx_http_s3jobs_page_done;
    ps->data = page;

    /* nothing may fail once nginx is to run the subrequest */

    variables = ngx_http_s3jobs_page_variables(page);
    if (variables == NULL) {
        return NGX_ERROR;
    }

    parent = m->first ? m->first : m->gather->request;

    /* nginx nests none in memory, but of a page nothing is written there */

    in_memory = parent->subrequest_in_memory;
    parent->subrequest_in_memory = 0;

    if (m->first) {
        rc = ngx_http_subrequest(parent, &parent->uri, NULL, &sr, ps,
                                 NGX_HTTP_SUBREQUEST_CLONE
                                 |NGX_HTTP_SUBREQUEST_BACKGROUND);

    } else {
        rc = ngx_http_subrequest(parent, &m->uri, &m->gather->args, &sr, ps,
                                 NGX_HTTP_SUBREQUEST_BACKGROUND);
    }

    parent->subrequest_in_memory = in_memory;

    if (rc != NGX_OK) {
        return NGX_ERROR;
    }

    sr->discard_body = 0;
    sr->variables = variables;

    ngx_http_set_ctx(sr, ctx, ngx_http_s3jobs_module);

    page->request = sr;

    if (m->first) {
        sr->write_event_handler = ngx_http_s3jobs_page_begin;

    } else {
        m->first = sr;
        m->pool = page->pool;
        m->gather->ctx->requests++;
    }

    return NGX_OK;
}


/*
 * Subrequests share variables, but what these point to ends with the page;
 * and what one listing has evaluated must not be found by another.
 */

static ngx_http_variable_value_t *
ngx_http_s3jobs_page_variables(ngx_http_s3jobs_page_t *page)
{
    size_t                      size;
    ngx_http_request_t         *first;
    ngx_http_variable_value_t  *variables;
    ngx_http_core_main_conf_t  *cmcf;

    first = page->member->first;

    cmcf = ngx_http_get_module_main_conf(page->member->gather->request,
                                         ngx_http_core_module);

    size = cmcf->variables.nelts * sizeof(ngx_http_variable_value_t);

    variables = ngx_pcalloc(page->pool, size);

    if (variables && first) {
        ngx_memcpy(variables, first->variables, size);
    }

    return variables;
}


/* a clone begins behind the phase in which a request is prepared */

static void
ngx_http_s3jobs_page_begin(ngx_http_request_t *r)
{
    ngx_int_t                rc;
    ngx_http_s3jobs_page_t  *page;

    page = ngx_http_s3jobs_page_of(r);

    if (ngx_http_s3jobs_page_wait(page)) {
        return;
    }

    if (page->ended) {
        ngx_http_finalize_request(r, NGX_OK);
        return;
    }

    rc = ngx_http_s3jobs_prepare_page(r, page->member->first,
                                      &page->member->token.text);

    if (rc == NGX_AGAIN) {
        return;
    }

    if (rc == NGX_DECLINED) {
        rc = ngx_http_s3jobs_page_new(r, page->member);
    }

    if (rc == NGX_OK) {
        page->member->gather->ctx->requests++;

        r->write_event_handler = ngx_http_core_run_phases;
        ngx_http_core_run_phases(r);
        return;
    }

    ngx_http_finalize_request(r, rc);
}


/*
 * Until the time has come to ask again, or there are other credentials.  If
 * there are none, the error that was the reason stays.
 */

static ngx_uint_t
ngx_http_s3jobs_page_wait(ngx_http_s3jobs_page_t *page)
{
    ngx_int_t                 rc;
    ngx_http_s3jobs_tries_t  *t;

    t = &page->member->tries;

    if (t->delay) {
        ngx_add_timer(&page->event, t->delay);
        t->delay = 0;
        return 1;
    }

    if (!t->refused) {
        return 0;
    }

    rc = ngx_http_s3jobs_retry_credentials(t);

    if (rc == NGX_AGAIN) {
        ngx_add_timer(&page->event, NGX_HTTP_S3JOBS_PAGE_POLL);
        return 1;
    }

    t->refused = 0;

    if (rc == NGX_DECLINED) {
        ngx_log_error(NGX_LOG_ERR, page->request->connection->log, 0,
                      "no new credentials in time from source \"%V\", of "
                      "which S3 Control says \"%V\"",
                      &t->source->name, &page->member->error.code);

        page->ended = 1;
        page->failed = 1;
    }

    return 0;
}


static void
ngx_http_s3jobs_page_event(ngx_event_t *ev)
{
    ngx_connection_t        *c;
    ngx_http_request_t      *r;
    ngx_http_s3jobs_page_t  *page;

    page = ev->data;
    r = page->request;
    c = r->connection;

    ngx_http_set_log_request(c->log, r);

    ngx_http_s3jobs_page_begin(r);

    ngx_http_run_posted_requests(c);
}


static void
ngx_http_s3jobs_page_cleanup(void *data)
{
    ngx_http_s3jobs_page_t *page = data;

    if (page->event.timer_set) {
        ngx_del_timer(&page->event);
    }
}


/* S3 that sends us in a circle is not followed */

static ngx_int_t
ngx_http_s3jobs_page_new(ngx_http_request_t *r, ngx_http_s3jobs_member_t *m)
{
    ngx_int_t               rc;
    ngx_http_s3jobs_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_s3jobs_module);

    if (m->tries.n) {
        return NGX_OK;
    }

    rc = ngx_http_s3jobs_gather_seen(m, &ctx->query);

    if (rc != NGX_DECLINED) {
        return rc;
    }

    ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                  "S3 Control sent a NextToken for the second time");

    m->token.text.len = 0;

    ngx_http_s3jobs_bad_upstream_response(r, ctx);
    ngx_str_set(&ctx->error.message,
                "S3 Control sent a NextToken for the second time.");

    return NGX_HTTP_BAD_GATEWAY;
}


void
ngx_http_s3jobs_page_free(ngx_http_s3jobs_page_t *page)
{
    ngx_chain_t               *cl;
    ngx_http_s3jobs_member_t  *m;

    m = page->member;

    m->page = NULL;

    if (page->pool != m->pool) {
        ngx_destroy_pool(page->pool);
        return;
    }

    /* others are clones of it, what is large is not needed any more */

    for (cl = page->out; cl; cl = cl->next) {
        (void) ngx_pfree(page->pool, cl->buf->start);
    }

    if (page->file) {
        ngx_pool_run_cleanup_file(page->pool, page->file->file.fd);
    }
}


/* by what an internal redirect leaves alone */

ngx_http_s3jobs_page_t *
ngx_http_s3jobs_page_of(ngx_http_request_t *r)
{
    if (r->post_subrequest
        && r->post_subrequest->handler == ngx_http_s3jobs_page_done)
    {
        return r->post_subrequest->data;
    }

    return NULL;
}


void
ngx_http_s3jobs_page_header(ngx_http_request_t *r)
{
    if (!r->upstream->cacheable) {

        /* or nginx would keep the whole of S3's document first */

        r->upstream->buffering = 0;
    }
}


ngx_int_t
ngx_http_s3jobs_page_listing(ngx_http_request_t *r,
    ngx_http_s3jobs_page_t *page, ngx_http_s3jobs_filter_t *f)
{
    ngx_str_t               entry;
    ngx_http_s3jobs_ctx_t  *ctx;

    ngx_str_null(&entry);

    if (page->member->gather->merge) {
        ctx = ngx_http_get_module_ctx(r, ngx_http_s3jobs_module);

        entry.data = ngx_pnalloc(r->pool, ctx->account.len + ctx->region.len
                                 + sizeof("\"AccountId\":\"\","
                                          "\"Region\":\"\""));
        if (entry.data == NULL) {
            return NGX_ERROR;
        }

        entry.len = ngx_sprintf(entry.data,
                                "\"AccountId\":\"%V\",\"Region\":\"%V\"",
                                &ctx->account, &ctx->region)
                    - entry.data;
    }

    if (!page->member->gather->whole) {
        ngx_s3jobs_listing_part(f->listing, &entry);
    }

    f->more = 1;

    return NGX_OK;
}


ngx_http_s3jobs_tries_t *
ngx_http_s3jobs_page_tries(ngx_http_s3jobs_page_t *page)
{
    return &page->member->tries;
}


ngx_uint_t
ngx_http_s3jobs_page_raw(ngx_http_s3jobs_page_t *page)
{
    return page->member->gather->raw;
}


ngx_int_t
ngx_http_s3jobs_page_copy(ngx_http_request_t *r, ngx_http_s3jobs_ctx_t *ctx,
    ngx_chain_t *in)
{
    ngx_buf_t                   *b;
    ngx_http_s3jobs_filter_t    *f;
    ngx_http_s3jobs_loc_conf_t  *slcf;

    f = ctx->filter;
    slcf = ngx_http_get_module_loc_conf(r, ngx_http_s3jobs_module);

    if (f->writer.more == NULL) {
        ngx_http_s3jobs_listing_output(f);
        f->more = 1;
    }

    for ( /* void */ ; in; in = in->next) {
        b = in->buf;

        if (b->last > b->pos
            && ngx_s3jobs_out_write(&f->writer, b->pos, b->last - b->pos)
               != NGX_OK)
        {
            return NGX_ERROR;
        }

        b->pos = b->last;

        if (f->size >= slcf->json_buffer_size
            && ngx_http_s3jobs_page_spool(r, ctx->page) != NGX_OK)
        {
            ngx_http_s3jobs_drop(in);
            return ngx_http_s3jobs_page_not_kept(r, ctx);
        }

        if (ngx_http_s3jobs_upstream_aborted(r, b)) {
            f->broken = 1;
            f->ended = 1;
        }

        f->ended |= b->last_buf || b->last_in_chain;
    }

    return f->ended ? ngx_http_s3jobs_page_ended(r, ctx->page) : NGX_OK;
}


ngx_int_t
ngx_http_s3jobs_page_filter(ngx_http_request_t *r, ngx_http_s3jobs_ctx_t *ctx,
    ngx_chain_t *in)
{
    ngx_http_s3jobs_filter_t  *f;

    f = ctx->filter;

    if (in && ngx_chain_add_copy(r->pool, &f->in, in) != NGX_OK) {
        return NGX_ERROR;
    }

    for ( ;; ) {

        if (ngx_http_s3jobs_listing_convert(r, ctx) != NGX_OK) {
            return NGX_ERROR;
        }

        if (f->in == NULL) {
            break;
        }

        if (ngx_http_s3jobs_page_spool(r, ctx->page) != NGX_OK) {
            ngx_http_s3jobs_drop(f->in);
            return ngx_http_s3jobs_page_not_kept(r, ctx);
        }
    }

    if (f->ended) {
        return ngx_http_s3jobs_page_ended(r, ctx->page);
    }

    if (f->broken) {
        ngx_http_s3jobs_end_early(r, ctx);
    }

    return NGX_OK;
}


/* NGX_ERROR of a body filter would close the connection of the client */

static ngx_int_t
ngx_http_s3jobs_page_not_kept(ngx_http_request_t *r,
    ngx_http_s3jobs_ctx_t *ctx)
{
    ngx_http_s3jobs_not_taken(r, ctx);

    return ngx_http_s3jobs_send_error(r, ctx);
}


static ngx_int_t
ngx_http_s3jobs_page_ended(ngx_http_request_t *r,
    ngx_http_s3jobs_page_t *page)
{
    ngx_int_t               rc;
    ngx_http_s3jobs_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_s3jobs_module);

    if (ctx->filter->broken) {
        ngx_http_s3jobs_uncache(r);
        ngx_http_s3jobs_bad_upstream_response(r, ctx);

        rc = ngx_http_s3jobs_page_failed(page, ctx);

    } else {
        rc = ngx_http_s3jobs_page_whole(r, page);
    }

    ngx_http_s3jobs_filter_cleanup(ctx->filter);
    ctx->filter->state = NGX_HTTP_S3JOBS_DONE;

    return rc;
}


static ngx_int_t
ngx_http_s3jobs_page_spool(ngx_http_request_t *r,
    ngx_http_s3jobs_page_t *page)
{
    ssize_t                    n;
    ngx_chain_t               *cl;
    ngx_temp_file_t           *tf;
    ngx_http_s3jobs_ctx_t     *ctx;
    ngx_http_s3jobs_filter_t  *f;

    ctx = ngx_http_get_module_ctx(r, ngx_http_s3jobs_module);

    f = ctx->filter;
    tf = page->file;

    if (tf == NULL) {
        tf = ngx_pcalloc(page->pool, sizeof(ngx_temp_file_t));
        if (tf == NULL) {
            return NGX_ERROR;
        }

        tf->file.fd = NGX_INVALID_FILE;
        tf->file.log = r->connection->log;
        tf->path = r->upstream->conf->temp_path;
        tf->pool = page->pool;

        page->file = tf;
    }

    n = ngx_write_chain_to_temp_file(tf, f->out);
    if (n == NGX_ERROR) {
        return NGX_ERROR;
    }

    tf->offset += n;

    for (cl = f->out; cl; cl = cl->next) {
        cl->buf->last = cl->buf->pos;
    }

    *f->last_out = f->free;
    f->free = f->out;
    f->out = NULL;
    f->last_out = &f->out;
    f->size = 0;

    return NGX_OK;
}


static ngx_int_t
ngx_http_s3jobs_page_whole(ngx_http_request_t *r,
    ngx_http_s3jobs_page_t *page)
{
    ngx_str_t                    text;
    ngx_pool_t                  *pool;
    ngx_http_s3jobs_ctx_t       *ctx;
    ngx_http_s3jobs_filter_t    *f;
    ngx_http_s3jobs_member_t    *m;
    ngx_http_s3jobs_loc_conf_t  *slcf;

    ctx = ngx_http_get_module_ctx(r, ngx_http_s3jobs_module);

    f = ctx->filter;
    m = page->member;
    pool = m->gather->request->pool;

    if (ngx_http_s3jobs_page_whose(m, ctx) != NGX_OK) {
        return NGX_ERROR;
    }

    if (!m->gather->whole) {
        text = ngx_s3jobs_listing_token(f->listing);

        if (ngx_http_s3jobs_keep(pool, &m->token, &text) != NGX_OK) {
            return NGX_ERROR;
        }

        text = ngx_s3jobs_listing_rest(f->listing);

        if (ngx_http_s3jobs_keep(pool, &m->rest, &text) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    ngx_memzero(&m->tries, sizeof(ngx_http_s3jobs_tries_t));

    m->error.status = 0;

    if (ngx_http_s3jobs_listing_piece(f) != NGX_OK) {
        return NGX_ERROR;
    }

    page->jobs = ctx->jobs;
    page->size = f->size + (page->file ? page->file->offset : 0);
    page->out = f->out;
    page->next = f->out;
    page->ended = 1;

    if (ctx->paged) {
        slcf = ngx_http_get_module_loc_conf(r, ngx_http_s3jobs_module);
        m->max_pages = slcf->max_pages;
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_s3jobs_page_read(ngx_http_s3jobs_page_t *page, ngx_s3jobs_out_t *out)
{
    off_t       rest;
    size_t      size;
    ssize_t     n;
    ngx_buf_t  *b;

    if (page->file && page->offset < page->file->offset) {

        if (out->pos == out->end && out->more(out) != NGX_OK) {
            return NGX_ERROR;
        }

        rest = page->file->offset - page->offset;
        size = ngx_min((off_t) (out->end - out->pos), rest);

        n = ngx_read_file(&page->file->file, out->pos, size, page->offset);

        if (n <= 0) {
            return NGX_ERROR;
        }

        out->pos += n;
        page->offset += n;

        return NGX_OK;
    }

    if (page->next == NULL) {
        return NGX_DONE;
    }

    b = page->next->buf;
    page->next = page->next->next;

    return ngx_s3jobs_out_write(out, b->pos, b->last - b->pos);
}


/* of account and region, which the end of the answer may name */

static ngx_int_t
ngx_http_s3jobs_page_whose(ngx_http_s3jobs_member_t *m,
    ngx_http_s3jobs_ctx_t *ctx)
{
    u_char      *p;
    ngx_pool_t  *pool;

    if (m->account.len || ctx->account.len == 0) {
        return NGX_OK;
    }

    pool = m->gather->request->pool;

    p = ngx_pnalloc(pool, ctx->account.len + ctx->region.len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    m->account.len = ctx->account.len;
    m->account.data = p;
    p = ngx_cpymem(p, ctx->account.data, ctx->account.len);

    m->region.len = ctx->region.len;
    m->region.data = p;
    ngx_memcpy(p, ctx->region.data, ctx->region.len);

    return ngx_http_s3jobs_gather_seen(m, &ctx->query) == NGX_ERROR
           ? NGX_ERROR : NGX_OK;
}


ngx_int_t
ngx_http_s3jobs_page_failed(ngx_http_s3jobs_page_t *page,
    ngx_http_s3jobs_ctx_t *ctx)
{
    if (ngx_http_s3jobs_page_whose(page->member, ctx) != NGX_OK) {
        return NGX_ERROR;
    }

    page->ended = 1;
    page->failed = 1;

    return ngx_http_s3jobs_gather_failed(page->member, ctx);
}


/*
 * Called before nginx would answer an error, and more than once.  What it
 * returns is an end to nginx.
 */

static ngx_int_t
ngx_http_s3jobs_page_done(ngx_http_request_t *r, void *data, ngx_int_t rc)
{
    ngx_http_s3jobs_page_t *page = data;

    ngx_http_s3jobs_ctx_t       *ctx;
    ngx_http_s3jobs_loc_conf_t  *slcf;

    if (rc == NGX_HTTP_CLIENT_CLOSED_REQUEST || rc == NGX_HTTP_CLOSE
        || rc == NGX_HTTP_REQUEST_TIME_OUT || r->connection->error)
    {
        return rc;
    }

    if ((rc == NGX_OK || rc == NGX_AGAIN) && r->buffered) {
        return rc;
    }

    if (!page->ended) {
        ctx = ngx_http_s3jobs_create_ctx(r);
        if (ctx == NULL) {
            return NGX_ERROR;
        }

        slcf = ngx_http_get_module_loc_conf(r, ngx_http_s3jobs_module);

        if (!slcf->enable) {
            ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                          "URI \"%V\" of \"s3jobs_merge\" is not that of a "
                          "location with \"s3jobs on\"",
                          &page->member->uri);

            page->member->foreign = 1;
            ngx_http_s3jobs_own_error(r, ctx, NGX_HTTP_INTERNAL_SERVER_ERROR);

        } else if (rc >= NGX_HTTP_SPECIAL_RESPONSE) {
            ngx_http_s3jobs_own_error(r, ctx, rc);

        } else if (rc == NGX_ERROR && ctx->filter && !ctx->filter->bad_input) {
            ngx_http_s3jobs_not_taken(r, ctx);

        } else {
            ngx_http_s3jobs_bad_upstream_response(r, ctx);
        }

        if (ngx_http_s3jobs_page_failed(page, ctx) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return ngx_http_s3jobs_gather_ended(page);
}
