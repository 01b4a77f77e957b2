
/*
 * Copyright (C) the ngx_s3jobs_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_s3jobs_module.h"
#include "ngx_http_s3jobs_refresh.h"


#define NGX_HTTP_S3JOBS_WAIT_POLL  50


struct ngx_http_s3jobs_wait_s {
    ngx_event_t                event;
    ngx_msec_t                 end;
    ngx_http_request_t        *request;
    ngx_http_s3jobs_source_t  *source;
    ngx_http_event_handler_pt  resume;    /* the phases, or a page's begin */
    ngx_uint_t                 waited;
};


static ngx_http_s3jobs_wait_t *ngx_http_s3jobs_create_wait(
    ngx_http_request_t *r, ngx_http_s3jobs_source_t *source);
static ngx_uint_t ngx_http_s3jobs_wait_on(ngx_http_s3jobs_wait_t *w);
static void ngx_http_s3jobs_wait_handler(ngx_event_t *ev);
static void ngx_http_s3jobs_wait_cleanup(void *data);


ngx_int_t
ngx_http_s3jobs_wait(ngx_http_request_t *r, ngx_http_s3jobs_ctx_t *ctx)
{
    ngx_event_t             *rev;
    ngx_http_s3jobs_wait_t  *w;

    w = ctx->wait;

    if (w == NULL) {
        w = ngx_http_s3jobs_create_wait(r, ctx->source);
        if (w == NULL) {
            return NGX_ERROR;
        }

        ctx->wait = w;
    }

    if (!ngx_http_s3jobs_wait_on(w)) {

        if (w->waited) {
            ngx_http_s3jobs_count(&w->source->record->usage.timeouts, 1);
        }

        return NGX_DECLINED;
    }

    w->waited = 1;

    rev = r->connection->read;

    if (rev->ready) {

        /* the client may have left already, of which no event would tell */

        ngx_post_event(rev, &ngx_posted_events);

    } else if (ngx_handle_read_event(rev, 0) != NGX_OK) {
        return NGX_ERROR;
    }

    r->read_event_handler = ngx_http_test_reading;
    r->write_event_handler = ngx_http_request_empty_handler;

    ngx_add_timer(&w->event, NGX_HTTP_S3JOBS_WAIT_POLL);

    return NGX_AGAIN;
}


/* subrequests share the connection, so each request has its own timer */

static ngx_http_s3jobs_wait_t *
ngx_http_s3jobs_create_wait(ngx_http_request_t *r,
    ngx_http_s3jobs_source_t *source)
{
    ngx_pool_cleanup_t          *cln;
    ngx_http_s3jobs_wait_t      *w;
    ngx_http_s3jobs_loc_conf_t  *slcf;

    slcf = ngx_http_get_module_loc_conf(r, ngx_http_s3jobs_module);

    w = ngx_pcalloc(r->pool, sizeof(ngx_http_s3jobs_wait_t));
    if (w == NULL) {
        return NULL;
    }

    cln = ngx_pool_cleanup_add(r->pool, 0);
    if (cln == NULL) {
        return NULL;
    }

    cln->handler = ngx_http_s3jobs_wait_cleanup;
    cln->data = w;

    w->event.handler = ngx_http_s3jobs_wait_handler;
    w->event.data = w;
    w->event.log = r->connection->log;
    w->end = ngx_current_msec + slcf->credentials_timeout;
    w->resume = r->write_event_handler;
    w->request = r;
    w->source = source;

    return w;
}


/* nobody waits for a service that will not be asked in time */

static ngx_uint_t
ngx_http_s3jobs_wait_on(ngx_http_s3jobs_wait_t *w)
{
    return (ngx_msec_int_t) (w->end - ngx_current_msec) > 0
           && ngx_http_s3jobs_refresh_expected(w->source, w->end);
}


static void
ngx_http_s3jobs_wait_handler(ngx_event_t *ev)
{
    ngx_connection_t        *c;
    ngx_http_request_t      *r;
    ngx_http_s3jobs_wait_t  *w;

    w = ev->data;
    r = w->request;
    c = r->connection;

    if (!ngx_http_s3jobs_has_credentials(w->source)
        && ngx_http_s3jobs_wait_on(w))
    {
        ngx_add_timer(ev, NGX_HTTP_S3JOBS_WAIT_POLL);
        return;
    }

    ngx_http_set_log_request(c->log, r);

    ngx_log_debug1(NGX_LOG_DEBUG_HTTP, c->log, 0,
                   "s3jobs end of wait for credentials: \"%V\"", &r->uri);

    if (ngx_handle_read_event(c->read, 0) != NGX_OK) {
        ngx_http_finalize_request(r, NGX_HTTP_INTERNAL_SERVER_ERROR);
        ngx_http_run_posted_requests(c);
        return;
    }

    r->read_event_handler = ngx_http_block_reading;
    r->write_event_handler = w->resume;

    w->resume(r);

    ngx_http_run_posted_requests(c);
}


static void
ngx_http_s3jobs_wait_cleanup(void *data)
{
    ngx_http_s3jobs_wait_t *w = data;

    if (w->event.timer_set) {
        ngx_del_timer(&w->event);
    }
}
