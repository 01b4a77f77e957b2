
/*
 * Copyright (C) the ngx_s3jobs_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_s3jobs_module.h"
#include "ngx_http_s3jobs_gather.h"
#include "ngx_http_s3jobs_listing.h"


static ngx_int_t ngx_http_s3jobs_gather_last(ngx_http_s3jobs_gather_t *g);
static ngx_int_t ngx_http_s3jobs_gather_error(ngx_http_s3jobs_gather_t *g);
static ngx_int_t ngx_http_s3jobs_gather_incomplete(
    ngx_http_s3jobs_gather_t *g, ngx_s3jobs_out_t *out);
static ngx_int_t ngx_http_s3jobs_gather_member(ngx_http_s3jobs_member_t *m,
    ngx_s3jobs_out_t *out);
static ngx_int_t ngx_http_s3jobs_gather_string(ngx_s3jobs_out_t *out,
    const char *key, ngx_str_t *value);


ngx_int_t
ngx_http_s3jobs_gather_end(ngx_http_s3jobs_gather_t *g)
{
    ngx_int_t                  rc;
    ngx_s3jobs_out_t          *w;
    ngx_http_s3jobs_filter_t  *f;
    ngx_http_s3jobs_member_t  *m;

    if (!g->begun) {
        return ngx_http_s3jobs_gather_error(g);
    }

    if (g->whole) {
        return ngx_http_s3jobs_gather_last(g);
    }

    f = g->ctx->filter;
    m = g->members;
    w = &f->writer;

    if (ngx_http_s3jobs_gather_text(w, "]") != NGX_OK
        || (!g->merge
            && ngx_s3jobs_out_write(w, m->rest.text.data, m->rest.text.len)
               != NGX_OK)
        || ngx_http_s3jobs_gather_incomplete(g, w) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (!g->merge && m->token.text.len
        && ngx_http_s3jobs_gather_string(w, ",\"NextToken\":\"",
                                         &m->token.text)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (ngx_http_s3jobs_gather_text(w, "}") != NGX_OK) {
        return NGX_ERROR;
    }

    f->ended = 1;
    f->more = 0;

    if (ngx_http_s3jobs_listing_piece(f) != NGX_OK) {
        return NGX_ERROR;
    }

    rc = ngx_http_s3jobs_pass(g->request, f);

    g->request->buffered &= ~NGX_HTTP_S3JOBS_BUFFERED;

    f->state = NGX_HTTP_S3JOBS_DONE;

    return (rc == NGX_ERROR) ? NGX_ERROR : NGX_DONE;
}


static ngx_int_t
ngx_http_s3jobs_gather_last(ngx_http_s3jobs_gather_t *g)
{
    ngx_int_t                  rc;
    ngx_buf_t                 *b;
    ngx_chain_t               *cl;
    ngx_http_request_t        *r;
    ngx_http_s3jobs_filter_t  *f;

    r = g->request;
    f = g->ctx->filter;

    b = ngx_calloc_buf(r->pool);
    cl = ngx_alloc_chain_link(r->pool);

    if (b == NULL || cl == NULL) {
        return NGX_ERROR;
    }

    b->last_buf = (r == r->main);
    b->sync = (r != r->main);
    b->last_in_chain = 1;

    cl->buf = b;
    cl->next = NULL;

    f->out = cl;

    rc = ngx_http_s3jobs_pass(r, f);

    r->buffered &= ~NGX_HTTP_S3JOBS_BUFFERED;

    f->state = NGX_HTTP_S3JOBS_DONE;

    return (rc == NGX_ERROR) ? NGX_ERROR : NGX_DONE;
}


/* nothing could be read: one error, that which all share if there is one */

static ngx_int_t
ngx_http_s3jobs_gather_error(ngx_http_s3jobs_gather_t *g)
{
    ngx_int_t                  rc;
    ngx_uint_t                 i;
    ngx_s3jobs_error_t        *e, *other;
    ngx_http_s3jobs_member_t  *m;

    m = g->members;
    e = &g->ctx->error;

    *e = m->error;
    g->ctx->request_id = e->request_id;
    g->ctx->retry_after = m->retry_after;

    for (i = 1; i < g->nmembers; i++) {
        other = &m[i].error;

        if (other->status != e->status || other->code.len != e->code.len
            || ngx_memcmp(other->code.data, e->code.data, e->code.len) != 0)
        {
            ngx_str_set(&e->message, "None of the listings could be read.");
            ngx_str_null(&g->ctx->request_id);

            if (other->status != e->status) {
                e->status = NGX_HTTP_BAD_GATEWAY;
            }

            e->code = *ngx_s3jobs_error_code(e->status);
        }
    }

    for (i = 0; i < g->nmembers; i++) {
        if (m[i].foreign) {
            *e = m[i].error;
        }
    }

    if (e->status != NGX_HTTP_SERVICE_UNAVAILABLE) {
        ngx_str_null(&g->ctx->retry_after);

    } else if (g->ctx->retry_after.len == 0) {
        ngx_str_set(&g->ctx->retry_after, "1");
    }

    g->ctx->listed = 0;
    g->request->buffered &= ~NGX_HTTP_S3JOBS_BUFFERED;

    rc = ngx_http_s3jobs_send_error(g->request, g->ctx);

    return (rc == NGX_ERROR) ? NGX_ERROR : NGX_DONE;
}


static ngx_int_t
ngx_http_s3jobs_gather_incomplete(ngx_http_s3jobs_gather_t *g,
    ngx_s3jobs_out_t *out)
{
    ngx_uint_t                 i, n;
    ngx_http_s3jobs_member_t  *m;

    n = 0;

    for (i = 0; i < g->nmembers; i++) {
        m = &g->members[i];

        if (m->error.status == 0 && (!g->merge || m->token.text.len == 0)) {
            continue;
        }

        if (ngx_http_s3jobs_gather_text(out, n++ ? "," : ",\"Incomplete\":[")
               != NGX_OK
            || ngx_http_s3jobs_gather_member(m, out) != NGX_OK)
        {
            return NGX_ERROR;
        }

        if (m->error.status) {
            g->ctx->error.code = m->error.code;
        }
    }

    return n ? ngx_http_s3jobs_gather_text(out, "]") : NGX_OK;
}


static ngx_int_t
ngx_http_s3jobs_gather_member(ngx_http_s3jobs_member_t *m,
    ngx_s3jobs_out_t *out)
{
    u_char               status[sizeof(",\"status\":") + NGX_INT_T_LEN];
    ngx_int_t            rc;
    ngx_s3jobs_error_t  *e;

    if (m->account.len && m->region.len) {
        rc = ngx_http_s3jobs_gather_string(out, "{\"AccountId\":\"",
                                           &m->account)
             | ngx_http_s3jobs_gather_string(out, ",\"Region\":\"",
                                             &m->region);

    } else {
        rc = ngx_http_s3jobs_gather_string(out, "{\"URI\":\"", &m->uri);
    }

    e = &m->error;

    if (e->status) {
        *ngx_sprintf(status, ",\"status\":%ui", e->status) = '\0';

        rc |= ngx_http_s3jobs_gather_text(out, (char *) status)
              | ngx_http_s3jobs_gather_string(out, ",\"code\":\"", &e->code)
              | ngx_http_s3jobs_gather_string(out, ",\"detail\":\"",
                                              &e->message);
    }

    if (m->gather->merge && m->token.text.len) {
        rc |= ngx_http_s3jobs_gather_string(out, ",\"NextToken\":\"",
                                            &m->token.text);
    }

    rc |= ngx_http_s3jobs_gather_text(out, "}");

    return rc == NGX_OK ? NGX_OK : NGX_ERROR;
}


/* the key is JSON up to the quote */

static ngx_int_t
ngx_http_s3jobs_gather_string(ngx_s3jobs_out_t *out, const char *key,
    ngx_str_t *value)
{
    if (ngx_http_s3jobs_gather_text(out, key) != NGX_OK
        || ngx_s3jobs_json_escape(out, value->data, value->len) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_http_s3jobs_gather_text(out, "\"");
}


ngx_int_t
ngx_http_s3jobs_gather_text(ngx_s3jobs_out_t *out, const char *text)
{
    return ngx_s3jobs_out_write(out, text, ngx_strlen(text));
}
