
/*
 * Copyright (C) the ngx_s3jobs_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_s3jobs_element.h"
#include "ngx_s3jobs_plain.h"


static void ngx_s3jobs_listing_child_document(ngx_s3jobs_listing_t *l,
    const u_char *name, size_t len);
static void ngx_s3jobs_listing_child_root(ngx_s3jobs_listing_t *l,
    const u_char *name, size_t len);
static void ngx_s3jobs_listing_child_jobs(ngx_s3jobs_listing_t *l,
    const u_char *name, size_t len);
static void ngx_s3jobs_listing_end_job(ngx_s3jobs_listing_t *l,
    ngx_s3jobs_element_t *el);
static void ngx_s3jobs_listing_end_token(ngx_s3jobs_listing_t *l,
    ngx_s3jobs_element_t *el);
static void ngx_s3jobs_listing_fail(void *data, const char *error);


static const ngx_s3jobs_sax_handler_t  ngx_s3jobs_listing_handler = {
    ngx_s3jobs_element_start,
    ngx_s3jobs_element_text,
    ngx_s3jobs_element_end,
    NULL,
    NULL,
    NULL
};


static const ngx_s3jobs_sax_handler_t  ngx_s3jobs_listing_plain_handler = {
    ngx_s3jobs_element_start,
    ngx_s3jobs_element_text,
    ngx_s3jobs_element_end,
    ngx_s3jobs_plain_take,
    ngx_s3jobs_plain_border,
    ngx_s3jobs_plain_replay
};


static const ngx_s3jobs_element_kind_t  ngx_s3jobs_listing_document = {
    ngx_s3jobs_listing_child_document, NULL, NULL
};


static const ngx_s3jobs_element_kind_t  ngx_s3jobs_listing_root = {
    ngx_s3jobs_listing_child_root, NULL, NULL
};


const ngx_s3jobs_element_kind_t  ngx_s3jobs_element_jobs = {
    ngx_s3jobs_listing_child_jobs, NULL, NULL
};


const ngx_s3jobs_element_kind_t  ngx_s3jobs_element_job = {
    ngx_s3jobs_element_child, NULL, ngx_s3jobs_listing_end_job
};


const ngx_s3jobs_element_kind_t  ngx_s3jobs_element_token = {
    NULL, ngx_s3jobs_element_keep, ngx_s3jobs_listing_end_token
};


ngx_s3jobs_listing_t *
ngx_s3jobs_listing_create(const ngx_s3jobs_document_t *document,
    ngx_s3jobs_out_t *out)
{
    ngx_s3jobs_listing_t  *l;

    l = malloc(sizeof(ngx_s3jobs_listing_t));
    if (l == NULL) {
        return NULL;
    }

    ngx_memzero(l, offsetof(ngx_s3jobs_listing_t, elements)
                   + sizeof(ngx_s3jobs_element_t));

    l->sax = ngx_s3jobs_sax_create(document->plain
                                   ? &ngx_s3jobs_listing_plain_handler
                                   : &ngx_s3jobs_listing_handler,
                                   l);
    if (l->sax == NULL) {
        free(l);
        return NULL;
    }

    ngx_s3jobs_writer_init(&l->writer, out, ngx_s3jobs_listing_fail, l);

    l->document = document;

    l->element = l->elements;
    l->element->kind = &ngx_s3jobs_listing_document;

    return l;
}


void
ngx_s3jobs_listing_destroy(ngx_s3jobs_listing_t *l)
{
    if (l == NULL) {
        return;
    }

    ngx_s3jobs_sax_destroy(l->sax);
    ngx_s3jobs_writer_cleanup(&l->writer);

    free(l->text);
    free(l->token.data);
    free(l->pair[0].data);
    free(l->pair[1].data);
    free(l);
}


ngx_int_t
ngx_s3jobs_listing_feed(ngx_s3jobs_listing_t *l, const u_char *p, size_t len)
{
    if (ngx_s3jobs_sax_feed(l->sax, p, len) == NGX_OK) {
        return NGX_OK;
    }

    return (l->failed || ngx_s3jobs_sax_failed(l->sax)) ? NGX_ERROR
                                                        : NGX_DECLINED;
}


ngx_int_t
ngx_s3jobs_listing_finish(ngx_s3jobs_listing_t *l)
{
    ngx_int_t  rc;

    rc = ngx_s3jobs_listing_complete(l);

    return (rc == NGX_OK) ? ngx_s3jobs_listing_close(l) : rc;
}


void
ngx_s3jobs_listing_part(ngx_s3jobs_listing_t *l, ngx_str_t *entry)
{
    l->writer.part = 1;
    l->writer.entry = *entry;
}


ngx_int_t
ngx_s3jobs_listing_complete(ngx_s3jobs_listing_t *l)
{
    if (ngx_s3jobs_sax_finish(l->sax) == NGX_OK) {

        if (l->document->none && l->writer.jobs == 0) {
            ngx_s3jobs_sax_refuse(l->sax, l->document->none);
            return NGX_DECLINED;
        }

        return NGX_OK;
    }

    return (l->failed || ngx_s3jobs_sax_failed(l->sax)) ? NGX_ERROR
                                                        : NGX_DECLINED;
}


ngx_int_t
ngx_s3jobs_listing_close(ngx_s3jobs_listing_t *l)
{
    ngx_s3jobs_writer_finish(&l->writer, &l->document->end,
                             l->token.data ? &l->token : NULL);

    if (!l->writer.failed) {
        return NGX_OK;
    }

    return l->failed ? NGX_ERROR : NGX_DECLINED;
}


ngx_str_t
ngx_s3jobs_listing_token(ngx_s3jobs_listing_t *l)
{
    return l->token;
}


ngx_str_t
ngx_s3jobs_listing_rest(ngx_s3jobs_listing_t *l)
{
    ngx_str_t  rest;

    rest.data = l->writer.rest_start;
    rest.len = l->writer.rest.pos - l->writer.rest_start;

    return rest;
}


ngx_uint_t
ngx_s3jobs_listing_jobs(ngx_s3jobs_listing_t *l)
{
    return l->writer.jobs;
}


ngx_uint_t
ngx_s3jobs_listing_plain(ngx_s3jobs_listing_t *l)
{
    return l->plain;
}


const char *
ngx_s3jobs_listing_error(ngx_s3jobs_listing_t *l)
{
    return ngx_s3jobs_sax_error(l->sax);
}


static void
ngx_s3jobs_listing_child_document(ngx_s3jobs_listing_t *l, const u_char *name,
    size_t len)
{
    const ngx_s3jobs_document_t  *document;

    document = l->document;

    if (len != document->root.len
        || ngx_memcmp(name, document->root.data, len) != 0)
    {
        ngx_s3jobs_sax_refuse(l->sax, document->wrong_root);
        return;
    }

    l->root = 1;

    ngx_s3jobs_element_push(l, &ngx_s3jobs_listing_root, document->fields);

    ngx_s3jobs_writer_begin(&l->writer, &document->start);
}


static void
ngx_s3jobs_listing_child_root(ngx_s3jobs_listing_t *l, const u_char *name,
    size_t len)
{
    ngx_s3jobs_element_t      *el;
    const ngx_s3jobs_field_t  *field;

    el = l->element;
    field = ngx_s3jobs_element_find(l, name, len);

    if (field == NULL) {
        ngx_s3jobs_writer_rest(&l->writer);

    } else if (field->type == NGX_S3JOBS_FIELD_JOBS
               || field->type == NGX_S3JOBS_FIELD_JOB)
    {
        if (el->seen & (1u << (field - el->fields))) {
            ngx_s3jobs_sax_refuse(l->sax, l->document->second);
            return;
        }

        if (field->type == NGX_S3JOBS_FIELD_JOB) {
            ngx_s3jobs_writer_job(&l->writer);
        }
    }

    ngx_s3jobs_element_child(l, name, len);
}


static void
ngx_s3jobs_listing_child_jobs(ngx_s3jobs_listing_t *l, const u_char *name,
    size_t len)
{
    ngx_s3jobs_element_push(l, &ngx_s3jobs_element_job, l->element->fields);

    ngx_s3jobs_writer_job(&l->writer);
}


static void
ngx_s3jobs_listing_end_job(ngx_s3jobs_listing_t *l, ngx_s3jobs_element_t *el)
{
    ngx_s3jobs_writer_job_end(&l->writer);
}


static void
ngx_s3jobs_listing_end_token(ngx_s3jobs_listing_t *l,
    ngx_s3jobs_element_t *el)
{
    if (l->len > NGX_S3JOBS_LISTING_TOKEN_MAX) {
        ngx_s3jobs_sax_refuse(l->sax, "too long a NextToken");
        return;
    }

    ngx_s3jobs_element_copy(l, &l->token);
}


static void
ngx_s3jobs_listing_fail(void *data, const char *error)
{
    ngx_s3jobs_listing_t *l = data;

    if (error == NULL) {
        l->failed = 1;
        error = "no memory for the output";
    }

    ngx_s3jobs_sax_refuse(l->sax, error);
}
