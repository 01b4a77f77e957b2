
/*
 * Copyright (C) the ngx_s3jobs_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_s3jobs_writer.h"


#define NGX_S3JOBS_WRITER_REST_MIN  512


static ngx_int_t ngx_s3jobs_writer_more(ngx_s3jobs_out_t *out);
static ngx_inline ngx_int_t ngx_s3jobs_writer_start(ngx_s3jobs_writer_t *w,
    const ngx_str_t *key, size_t len);
static void ngx_s3jobs_writer_bytes(ngx_s3jobs_writer_t *w, const void *p,
    size_t len);
static ngx_inline void ngx_s3jobs_writer_char(ngx_s3jobs_writer_t *w,
    u_char c);
static void ngx_s3jobs_writer_fail(ngx_s3jobs_writer_t *w, const char *error);


void
ngx_s3jobs_writer_init(ngx_s3jobs_writer_t *w, ngx_s3jobs_out_t *out,
    void (*fail)(void *data, const char *error), void *data)
{
    ngx_memzero(w, sizeof(ngx_s3jobs_writer_t));

    w->out = out;
    w->current = out;

    w->rest.more = ngx_s3jobs_writer_more;
    w->rest.data = w;

    w->fail = fail;
    w->data = data;
}


void
ngx_s3jobs_writer_cleanup(ngx_s3jobs_writer_t *w)
{
    free(w->rest_start);
}


static ngx_int_t
ngx_s3jobs_writer_more(ngx_s3jobs_out_t *out)
{
    ngx_s3jobs_writer_t *w = out->data;

    u_char  *p;
    size_t   len, size;

    len = out->end - w->rest_start;
    size = len ? 2 * len : NGX_S3JOBS_WRITER_REST_MIN;

    if (size > NGX_S3JOBS_WRITER_REST_MAX) {
        ngx_s3jobs_writer_fail(w, "too many unknown elements beside Jobs");
        return NGX_ERROR;
    }

    p = realloc(w->rest_start, size);
    if (p == NULL) {
        return NGX_ERROR;
    }

    w->rest_start = p;

    out->pos = p + len;
    out->end = p + size;

    return NGX_OK;
}


void
ngx_s3jobs_writer_begin(ngx_s3jobs_writer_t *w, const ngx_str_t *start)
{
    if (!w->part) {
        ngx_s3jobs_writer_bytes(w, start->data, start->len);
    }
}


void
ngx_s3jobs_writer_job(ngx_s3jobs_writer_t *w)
{
    w->current = w->out;
    w->size = 0;

    if (w->jobs) {
        ngx_s3jobs_writer_char(w, ',');
    }

    ngx_s3jobs_writer_open(w, '{');

    if (w->entry.len) {
        ngx_s3jobs_writer_bytes(w, w->entry.data, w->entry.len);
        w->comma = 1;
    }
}


void
ngx_s3jobs_writer_job_end(ngx_s3jobs_writer_t *w)
{
    w->jobs++;

    ngx_s3jobs_writer_close(w, '}');
}


/* the entries stand before it */

void
ngx_s3jobs_writer_rest(ngx_s3jobs_writer_t *w)
{
    w->current = &w->rest;
    w->size = 0;
    w->comma = 1;
}


void
ngx_s3jobs_writer_json(ngx_s3jobs_writer_t *w, const ngx_str_t *key,
    const u_char *p, size_t len)
{
    if (ngx_s3jobs_writer_start(w, key, len) == NGX_OK && len) {
        ngx_s3jobs_writer_bytes(w, p, len);
    }
}


void
ngx_s3jobs_writer_text(ngx_s3jobs_writer_t *w, const ngx_str_t *key,
    const u_char *p, size_t len)
{
    if (ngx_s3jobs_writer_start(w, key, len) == NGX_OK
        && ngx_s3jobs_json_escape(w->current, p, len) != NGX_OK)
    {
        ngx_s3jobs_writer_fail(w, NULL);
    }
}


void
ngx_s3jobs_writer_key(ngx_s3jobs_writer_t *w, const u_char *name, size_t len)
{
    static const ngx_str_t  quote = ngx_string(",\"");

    ngx_s3jobs_writer_text(w, &quote, name, len);
    ngx_s3jobs_writer_bytes(w, "\":", 2);
}


void
ngx_s3jobs_writer_open(ngx_s3jobs_writer_t *w, u_char c)
{
    w->comma = 0;

    ngx_s3jobs_writer_char(w, c);
}


void
ngx_s3jobs_writer_close(ngx_s3jobs_writer_t *w, u_char c)
{
    w->comma = 1;

    ngx_s3jobs_writer_char(w, c);
}


static ngx_inline ngx_int_t
ngx_s3jobs_writer_start(ngx_s3jobs_writer_t *w, const ngx_str_t *key,
    size_t len)
{
    size_t  skip;

    w->size += len;

    if (w->size > NGX_S3JOBS_WRITER_ENTRY_MAX) {
        ngx_s3jobs_writer_fail(w, "too long an entry");
    }

    if (key) {
        skip = !w->comma;

        w->comma = 1;
        w->size += key->len;

        ngx_s3jobs_writer_bytes(w, key->data + skip, key->len - skip);
    }

    return w->failed ? NGX_ERROR : NGX_OK;
}


static void
ngx_s3jobs_writer_bytes(ngx_s3jobs_writer_t *w, const void *p, size_t len)
{
    ngx_s3jobs_out_t  *out;

    out = w->current;

    if (len <= (size_t) (out->end - out->pos)) {
        out->pos = ngx_cpymem(out->pos, p, len);
        return;
    }

    if (w->failed || ngx_s3jobs_out_write(out, p, len) != NGX_OK) {
        ngx_s3jobs_writer_fail(w, NULL);
    }
}


static ngx_inline void
ngx_s3jobs_writer_char(ngx_s3jobs_writer_t *w, u_char c)
{
    ngx_s3jobs_out_t  *out;

    out = w->current;

    if (out->pos == out->end) {
        ngx_s3jobs_writer_bytes(w, &c, 1);
        return;
    }

    *out->pos++ = c;
}


static void
ngx_s3jobs_writer_fail(ngx_s3jobs_writer_t *w, const char *error)
{
    if (!w->failed) {
        w->failed = 1;
        w->fail(w->data, error);
    }
}


void
ngx_s3jobs_writer_finish(ngx_s3jobs_writer_t *w, const ngx_str_t *end,
    ngx_str_t *token)
{
    static const ngx_str_t  key = ngx_string(",\"NextToken\":\"");

    w->current = w->out;
    w->size = 0;

    w->comma = 1;

    ngx_s3jobs_writer_json(w, NULL, end->data, end->len);
    ngx_s3jobs_writer_json(w, NULL, w->rest_start,
                           w->rest.pos - w->rest_start);

    if (token) {
        ngx_s3jobs_writer_text(w, &key, token->data, token->len);
        ngx_s3jobs_writer_close(w, '"');
    }

    ngx_s3jobs_writer_close(w, '}');
}
