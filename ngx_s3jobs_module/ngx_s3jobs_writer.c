
/*
 * Copyright (C) the ngx_s3jobs_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_s3jobs_writer.h"


#define NGX_S3JOBS_WRITER_REST_MIN  512


static ngx_int_t ngx_s3jobs_writer_more(ngx_s3jobs_out_t *out);
static ngx_int_t ngx_s3jobs_writer_grow(ngx_s3jobs_writer_t *w, size_t len);


void
ngx_s3jobs_writer_init(ngx_s3jobs_writer_t *w, ngx_s3jobs_out_t *out)
{
    ngx_memzero(w, sizeof(ngx_s3jobs_writer_t));

    w->out = out;
    w->current = out;

    w->rest.more = ngx_s3jobs_writer_more;
    w->rest.data = w;
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
        w->error = "too many unknown elements beside Jobs";
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


ngx_int_t
ngx_s3jobs_writer_begin(ngx_s3jobs_writer_t *w)
{
    return ngx_s3jobs_out_write(w->out, "{\"Jobs\":[",
                                sizeof("{\"Jobs\":[") - 1);
}


ngx_int_t
ngx_s3jobs_writer_job(ngx_s3jobs_writer_t *w)
{
    w->current = w->out;
    w->size = 0;

    return w->jobs ? ngx_s3jobs_out_write(w->out, ",{", 2)
                   : ngx_s3jobs_out_write(w->out, "{", 1);
}


ngx_int_t
ngx_s3jobs_writer_job_end(ngx_s3jobs_writer_t *w)
{
    w->jobs++;

    return ngx_s3jobs_out_write(w->out, "}", 1);
}


void
ngx_s3jobs_writer_rest(ngx_s3jobs_writer_t *w)
{
    w->current = &w->rest;
    w->size = 0;
}


ngx_int_t
ngx_s3jobs_writer_put(ngx_s3jobs_writer_t *w, const void *p, size_t len)
{
    if (ngx_s3jobs_writer_grow(w, len) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_s3jobs_out_write(w->current, p, len);
}


ngx_int_t
ngx_s3jobs_writer_text(ngx_s3jobs_writer_t *w, const u_char *p, size_t len)
{
    if (ngx_s3jobs_writer_grow(w, len) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_s3jobs_json_escape(w->current, p, len);
}


static ngx_int_t
ngx_s3jobs_writer_grow(ngx_s3jobs_writer_t *w, size_t len)
{
    w->size += len;

    if (w->size > NGX_S3JOBS_WRITER_ENTRY_MAX) {
        w->error = "too long an entry";
        return NGX_ERROR;
    }

    return NGX_OK;
}


ngx_int_t
ngx_s3jobs_writer_finish(ngx_s3jobs_writer_t *w, ngx_str_t *token)
{
    static const u_char  key[] = ",\"NextToken\":\"";

    if (ngx_s3jobs_out_write(w->out, "]", 1) != NGX_OK) {
        return NGX_ERROR;
    }

    if (ngx_s3jobs_out_write(w->out, w->rest_start,
                             w->rest.pos - w->rest_start)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (token) {
        if (ngx_s3jobs_out_write(w->out, key, sizeof(key) - 1) != NGX_OK
            || ngx_s3jobs_json_escape(w->out, token->data, token->len)
               != NGX_OK
            || ngx_s3jobs_out_write(w->out, "\"", 1) != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return ngx_s3jobs_out_write(w->out, "}", 1);
}
