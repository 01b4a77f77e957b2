
/*
 * Copyright (C) the ngx_s3jobs_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_s3jobs_fields.h"
#include "ngx_s3jobs_listing.h"
#include "ngx_s3jobs_sax.h"
#include "ngx_s3jobs_writer.h"


typedef struct ngx_s3jobs_listing_element_s  ngx_s3jobs_listing_element_t;


/* what an element is, and so what becomes of what stands in it */

typedef struct {
    void  (*child)(ngx_s3jobs_listing_t *l, const u_char *name, size_t len);
    void  (*text)(ngx_s3jobs_listing_t *l, const u_char *p, size_t len);
    void  (*end)(ngx_s3jobs_listing_t *l, ngx_s3jobs_listing_element_t *el);
} ngx_s3jobs_listing_kind_t;


struct ngx_s3jobs_listing_element_s {
    const ngx_s3jobs_listing_kind_t   *kind;
    const ngx_s3jobs_field_t          *field;      /* if it is known */
    const ngx_s3jobs_field_t          *fields;     /* known in it */
    const ngx_s3jobs_field_t          *next;       /* likely to come */
    ngx_uint_t                         seen;       /* bits, by id */
    ngx_uint_t                         nnames;     /* unknown, before it */
    ngx_str_t                          name;       /* if it is unknown */
};


struct ngx_s3jobs_listing_s {
    ngx_s3jobs_writer_t                writer;
    ngx_s3jobs_sax_t                  *sax;

    u_char                            *text;       /* of a leaf, if kept */
    size_t                             len;        /* of it, kept or not */
    size_t                             size;
    ngx_str_t                          token;      /* data NULL: none */

    ngx_s3jobs_listing_element_t      *element;
    ngx_s3jobs_listing_element_t       elements[NGX_S3JOBS_SAX_DEPTH_MAX + 1];

    /* libxml2's copies of known names, by id */
    const u_char                      *known[NGX_S3JOBS_FIELDS];

    ngx_uint_t                         nnames;
    ngx_str_t                          names[NGX_S3JOBS_LISTING_NAMES_MAX];

    ngx_uint_t                         failed;
};


static void ngx_s3jobs_listing_start(void *data, const u_char *name,
    size_t len);
static void ngx_s3jobs_listing_text(void *data, const u_char *text,
    size_t len);
static void ngx_s3jobs_listing_end(void *data);
static void ngx_s3jobs_listing_child_document(ngx_s3jobs_listing_t *l,
    const u_char *name, size_t len);
static void ngx_s3jobs_listing_child_root(ngx_s3jobs_listing_t *l,
    const u_char *name, size_t len);
static void ngx_s3jobs_listing_child_jobs(ngx_s3jobs_listing_t *l,
    const u_char *name, size_t len);
static void ngx_s3jobs_listing_child_object(ngx_s3jobs_listing_t *l,
    const u_char *name, size_t len);
static void ngx_s3jobs_listing_open_unknown(ngx_s3jobs_listing_t *l,
    const u_char *name, size_t len);
static void ngx_s3jobs_listing_child_array(ngx_s3jobs_listing_t *l,
    const u_char *name, size_t len);
static void ngx_s3jobs_listing_child_unknown(ngx_s3jobs_listing_t *l,
    const u_char *name, size_t len);
static void ngx_s3jobs_listing_child_skip(ngx_s3jobs_listing_t *l,
    const u_char *name, size_t len);
static void ngx_s3jobs_listing_text_string(ngx_s3jobs_listing_t *l,
    const u_char *p, size_t len);
static void ngx_s3jobs_listing_text_keep(ngx_s3jobs_listing_t *l,
    const u_char *p, size_t len);
static void ngx_s3jobs_listing_end_token(ngx_s3jobs_listing_t *l,
    ngx_s3jobs_listing_element_t *el);
static void ngx_s3jobs_listing_end_job(ngx_s3jobs_listing_t *l,
    ngx_s3jobs_listing_element_t *el);
static void ngx_s3jobs_listing_end_object(ngx_s3jobs_listing_t *l,
    ngx_s3jobs_listing_element_t *el);
static void ngx_s3jobs_listing_end_array(ngx_s3jobs_listing_t *l,
    ngx_s3jobs_listing_element_t *el);
static void ngx_s3jobs_listing_end_string(ngx_s3jobs_listing_t *l,
    ngx_s3jobs_listing_element_t *el);
static void ngx_s3jobs_listing_end_number(ngx_s3jobs_listing_t *l,
    ngx_s3jobs_listing_element_t *el);
static void ngx_s3jobs_listing_end_unknown(ngx_s3jobs_listing_t *l,
    ngx_s3jobs_listing_element_t *el);
static void ngx_s3jobs_listing_push(ngx_s3jobs_listing_t *l,
    const ngx_s3jobs_listing_kind_t *kind, const ngx_s3jobs_field_t *fields);
static const ngx_s3jobs_field_t *ngx_s3jobs_listing_find(
    ngx_s3jobs_listing_t *l, ngx_s3jobs_listing_element_t *el,
    const u_char *name, size_t len);
static void ngx_s3jobs_listing_unknown_key(ngx_s3jobs_listing_t *l,
    ngx_s3jobs_listing_element_t *el);
static void ngx_s3jobs_listing_fail(void *data, const char *error);


static const ngx_s3jobs_sax_handler_t  ngx_s3jobs_listing_handler = {
    ngx_s3jobs_listing_start,
    ngx_s3jobs_listing_text,
    ngx_s3jobs_listing_end
};


static const ngx_s3jobs_listing_kind_t  ngx_s3jobs_listing_document = {
    ngx_s3jobs_listing_child_document, NULL, NULL
};


static const ngx_s3jobs_listing_kind_t  ngx_s3jobs_listing_root = {
    ngx_s3jobs_listing_child_root, NULL, NULL
};


static const ngx_s3jobs_listing_kind_t  ngx_s3jobs_listing_array_of_jobs = {
    ngx_s3jobs_listing_child_jobs, NULL, NULL
};


static const ngx_s3jobs_listing_kind_t  ngx_s3jobs_listing_job = {
    ngx_s3jobs_listing_child_object, NULL, ngx_s3jobs_listing_end_job
};


static const ngx_s3jobs_listing_kind_t  ngx_s3jobs_listing_next_token = {
    NULL, ngx_s3jobs_listing_text_keep, ngx_s3jobs_listing_end_token
};


static const ngx_s3jobs_listing_kind_t  ngx_s3jobs_listing_string = {
    NULL, ngx_s3jobs_listing_text_string, ngx_s3jobs_listing_end_string
};


static const ngx_s3jobs_listing_kind_t  ngx_s3jobs_listing_number = {
    NULL, ngx_s3jobs_listing_text_keep, ngx_s3jobs_listing_end_number
};


static const ngx_s3jobs_listing_kind_t  ngx_s3jobs_listing_object = {
    ngx_s3jobs_listing_child_object, NULL, ngx_s3jobs_listing_end_object
};


static const ngx_s3jobs_listing_kind_t  ngx_s3jobs_listing_array = {
    ngx_s3jobs_listing_child_array, NULL, ngx_s3jobs_listing_end_array
};


/* a leaf until a child comes */

static const ngx_s3jobs_listing_kind_t  ngx_s3jobs_listing_unknown = {
    ngx_s3jobs_listing_child_unknown,
    ngx_s3jobs_listing_text_keep, ngx_s3jobs_listing_end_unknown
};


/* a sibling of that name was there */

static const ngx_s3jobs_listing_kind_t  ngx_s3jobs_listing_skip = {
    ngx_s3jobs_listing_child_skip, NULL, NULL
};


/* by type of field */

static const ngx_s3jobs_listing_kind_t  *ngx_s3jobs_listing_kinds[] = {
    &ngx_s3jobs_listing_string,
    &ngx_s3jobs_listing_number,
    &ngx_s3jobs_listing_object,
    &ngx_s3jobs_listing_array_of_jobs,
    &ngx_s3jobs_listing_next_token
};


ngx_s3jobs_listing_t *
ngx_s3jobs_listing_create(ngx_s3jobs_out_t *out)
{
    ngx_s3jobs_listing_t  *l;

    l = calloc(1, sizeof(ngx_s3jobs_listing_t));
    if (l == NULL) {
        return NULL;
    }

    l->sax = ngx_s3jobs_sax_create(&ngx_s3jobs_listing_handler, l);
    if (l->sax == NULL) {
        free(l);
        return NULL;
    }

    ngx_s3jobs_writer_init(&l->writer, out, ngx_s3jobs_listing_fail, l);

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
    free(l);
}


ngx_int_t
ngx_s3jobs_listing_feed(ngx_s3jobs_listing_t *l, const u_char *p, size_t len)
{
    if (ngx_s3jobs_sax_feed(l->sax, p, len) == NGX_OK) {
        return NGX_OK;
    }

    return l->failed ? NGX_ERROR : NGX_DECLINED;
}


ngx_int_t
ngx_s3jobs_listing_finish(ngx_s3jobs_listing_t *l)
{
    if (ngx_s3jobs_sax_finish(l->sax) == NGX_OK) {

        ngx_s3jobs_writer_finish(&l->writer, l->token.data ? &l->token : NULL);

        if (!l->writer.failed) {
            return NGX_OK;
        }
    }

    return l->failed ? NGX_ERROR : NGX_DECLINED;
}


ngx_uint_t
ngx_s3jobs_listing_jobs(ngx_s3jobs_listing_t *l)
{
    return l->writer.jobs;
}


const char *
ngx_s3jobs_listing_error(ngx_s3jobs_listing_t *l)
{
    return ngx_s3jobs_sax_error(l->sax);
}


static void
ngx_s3jobs_listing_start(void *data, const u_char *name, size_t len)
{
    ngx_s3jobs_listing_t *l = data;

    if (l->element->kind->child == NULL) {
        ngx_s3jobs_sax_refuse(l->sax, "element inside of a value");
        return;
    }

    l->element->kind->child(l, name, len);
}


static void
ngx_s3jobs_listing_text(void *data, const u_char *text, size_t len)
{
    ngx_s3jobs_listing_t *l = data;

    if (l->element->kind->text) {
        l->element->kind->text(l, text, len);
    }
}


static void
ngx_s3jobs_listing_end(void *data)
{
    ngx_s3jobs_listing_t *l = data;

    ngx_s3jobs_listing_element_t  *el;

    el = l->element;

    l->nnames = el->nnames;
    l->element = el - 1;

    if (el->kind->end) {
        el->kind->end(l, el);
    }
}


static void
ngx_s3jobs_listing_child_document(ngx_s3jobs_listing_t *l, const u_char *name,
    size_t len)
{
    static const u_char  root[] = "ListJobsResult";

    if (len != sizeof(root) - 1 || ngx_memcmp(name, root, len) != 0) {
        ngx_s3jobs_sax_refuse(l->sax, "not a ListJobsResult");
        return;
    }

    ngx_s3jobs_listing_push(l, &ngx_s3jobs_listing_root,
                            ngx_s3jobs_fields_result);

    ngx_s3jobs_writer_begin(&l->writer);
}


static void
ngx_s3jobs_listing_child_root(ngx_s3jobs_listing_t *l, const u_char *name,
    size_t len)
{
    const ngx_s3jobs_field_t  *field;

    field = ngx_s3jobs_listing_find(l, l->element, name, len);

    if (field == NULL) {
        ngx_s3jobs_writer_rest(&l->writer);

    } else if (field->type == NGX_S3JOBS_FIELD_JOBS
               && (l->element->seen & (1u << field->id)))
    {
        ngx_s3jobs_sax_refuse(l->sax, "second Jobs");
        return;
    }

    ngx_s3jobs_listing_child_object(l, name, len);
}


static void
ngx_s3jobs_listing_child_jobs(ngx_s3jobs_listing_t *l, const u_char *name,
    size_t len)
{
    ngx_s3jobs_listing_push(l, &ngx_s3jobs_listing_job,
                            ngx_s3jobs_fields_job);

    ngx_s3jobs_writer_job(&l->writer);
}


static void
ngx_s3jobs_listing_child_object(ngx_s3jobs_listing_t *l, const u_char *name,
    size_t len)
{
    ngx_s3jobs_listing_element_t  *el;
    const ngx_s3jobs_field_t      *field;

    el = l->element;
    field = el->next;

    if (l->known[field->id] != name) {
        field = ngx_s3jobs_listing_find(l, el, name, len);

        if (field == NULL) {
            ngx_s3jobs_listing_open_unknown(l, name, len);
            return;
        }
    }

    if (el->seen & (1u << field->id)) {
        ngx_s3jobs_listing_push(l, &ngx_s3jobs_listing_skip, NULL);
        return;
    }

    el->seen |= 1u << field->id;
    el->next = field + 1;

    ngx_s3jobs_listing_push(l, ngx_s3jobs_listing_kinds[field->type],
                            field->fields);
    l->element->field = field;

    if (field->fields) {
        ngx_s3jobs_writer_json(&l->writer, &field->key, NULL, 0);
        ngx_s3jobs_writer_open(&l->writer, '{');
    }
}


static void
ngx_s3jobs_listing_open_unknown(ngx_s3jobs_listing_t *l, const u_char *name,
    size_t len)
{
    ngx_str_t  *s, *last;

    last = l->names + l->nnames;

    for (s = l->names + l->element->nnames; s < last; s++) {
        if (s->len == len && ngx_memcmp(s->data, name, len) == 0) {
            ngx_s3jobs_listing_push(l, &ngx_s3jobs_listing_skip, NULL);
            return;
        }
    }

    if (l->nnames == NGX_S3JOBS_LISTING_NAMES_MAX) {
        ngx_s3jobs_sax_refuse(l->sax, "too many unknown elements");
        return;
    }

    s->data = (u_char *) name;
    s->len = len;

    l->nnames++;

    ngx_s3jobs_listing_push(l, &ngx_s3jobs_listing_unknown, NULL);
    l->element->name = *s;
}


static void
ngx_s3jobs_listing_child_array(ngx_s3jobs_listing_t *l, const u_char *name,
    size_t len)
{
    ngx_s3jobs_listing_push(l, &ngx_s3jobs_listing_unknown, NULL);
    l->element->name.len = 0;
}


static void
ngx_s3jobs_listing_child_unknown(ngx_s3jobs_listing_t *l, const u_char *name,
    size_t len)
{
    u_char                         c;
    ngx_s3jobs_listing_element_t  *el;

    el = l->element;

    if (len == 6 && ngx_memcmp(name, "member", 6) == 0) {
        el->kind = &ngx_s3jobs_listing_array;
        c = '[';

    } else {
        el->kind = &ngx_s3jobs_listing_object;
        el->fields = ngx_s3jobs_fields_none;
        el->next = ngx_s3jobs_fields_none;
        el->seen = 0;
        c = '{';
    }

    ngx_s3jobs_listing_unknown_key(l, el);
    ngx_s3jobs_writer_open(&l->writer, c);

    el->kind->child(l, name, len);
}


static void
ngx_s3jobs_listing_child_skip(ngx_s3jobs_listing_t *l, const u_char *name,
    size_t len)
{
    ngx_s3jobs_listing_push(l, &ngx_s3jobs_listing_skip, NULL);
}


static void
ngx_s3jobs_listing_text_string(ngx_s3jobs_listing_t *l, const u_char *p,
    size_t len)
{
    const ngx_str_t  *key;

    key = l->len ? NULL : &l->element->field->key;

    l->len += len;

    if (l->len > NGX_S3JOBS_LISTING_TEXT_MAX) {
        ngx_s3jobs_sax_refuse(l->sax, "too long a text");
        return;
    }

    ngx_s3jobs_writer_text(&l->writer, key, p, len);
}


static void
ngx_s3jobs_listing_text_keep(ngx_s3jobs_listing_t *l, const u_char *p,
    size_t len)
{
    u_char  *text;
    size_t   size;

    size = l->len + len;

    if (size > NGX_S3JOBS_LISTING_TEXT_MAX) {
        ngx_s3jobs_sax_refuse(l->sax, "too long a text");
        return;
    }

    if (size > l->size) {
        size = ngx_align(ngx_max(size, 2 * l->size), 256);

        text = realloc(l->text, size);
        if (text == NULL) {
            ngx_s3jobs_listing_fail(l, NULL);
            return;
        }

        l->text = text;
        l->size = size;
    }

    ngx_memcpy(l->text + l->len, p, len);
    l->len += len;
}


static void
ngx_s3jobs_listing_end_token(ngx_s3jobs_listing_t *l,
    ngx_s3jobs_listing_element_t *el)
{
    if (l->len > NGX_S3JOBS_LISTING_TOKEN_MAX) {
        ngx_s3jobs_sax_refuse(l->sax, "too long a NextToken");
        return;
    }

    l->token.data = malloc(l->len + 1);
    if (l->token.data == NULL) {
        ngx_s3jobs_listing_fail(l, NULL);
        return;
    }

    l->token.len = l->len;

    if (l->len) {
        ngx_memcpy(l->token.data, l->text, l->len);
    }
}


static void
ngx_s3jobs_listing_end_job(ngx_s3jobs_listing_t *l,
    ngx_s3jobs_listing_element_t *el)
{
    ngx_s3jobs_writer_job_end(&l->writer);
}


static void
ngx_s3jobs_listing_end_object(ngx_s3jobs_listing_t *l,
    ngx_s3jobs_listing_element_t *el)
{
    ngx_s3jobs_writer_close(&l->writer, '}');
}


static void
ngx_s3jobs_listing_end_array(ngx_s3jobs_listing_t *l,
    ngx_s3jobs_listing_element_t *el)
{
    ngx_s3jobs_writer_close(&l->writer, ']');
}


static void
ngx_s3jobs_listing_end_string(ngx_s3jobs_listing_t *l,
    ngx_s3jobs_listing_element_t *el)
{
    if (l->len == 0) {
        ngx_s3jobs_writer_text(&l->writer, &el->field->key, NULL, 0);
    }

    ngx_s3jobs_writer_close(&l->writer, '"');
}


static void
ngx_s3jobs_listing_end_number(ngx_s3jobs_listing_t *l,
    ngx_s3jobs_listing_element_t *el)
{
    ngx_str_t  s;

    s.data = l->text;
    s.len = l->len;

    switch (ngx_s3jobs_json_integer(&s)) {

    case NGX_OK:
        ngx_s3jobs_writer_json(&l->writer, &el->field->key, s.data, s.len);
        break;

    case NGX_DECLINED:
        break;

    default:
        ngx_s3jobs_sax_refuse(l->sax, "bad number");
    }
}


static void
ngx_s3jobs_listing_end_unknown(ngx_s3jobs_listing_t *l,
    ngx_s3jobs_listing_element_t *el)
{
    ngx_s3jobs_listing_unknown_key(l, el);

    ngx_s3jobs_writer_open(&l->writer, '"');
    ngx_s3jobs_writer_text(&l->writer, NULL, l->text, l->len);
    ngx_s3jobs_writer_close(&l->writer, '"');
}


static void
ngx_s3jobs_listing_push(ngx_s3jobs_listing_t *l,
    const ngx_s3jobs_listing_kind_t *kind,
    const ngx_s3jobs_field_t *fields)
{
    ngx_s3jobs_listing_element_t  *el;

    el = ++l->element;

    el->kind = kind;
    el->fields = fields;
    el->next = fields;
    el->seen = 0;
    el->nnames = l->nnames;

    l->len = 0;
}


static const ngx_s3jobs_field_t *
ngx_s3jobs_listing_find(ngx_s3jobs_listing_t *l,
    ngx_s3jobs_listing_element_t *el, const u_char *name, size_t len)
{
    const ngx_s3jobs_field_t  *field;

    for (field = el->fields; field->name.len; field++) {
        if (field->name.len == len
            && ngx_memcmp(field->name.data, name, len) == 0)
        {
            l->known[field->id] = name;
            return field;
        }
    }

    return NULL;
}


static void
ngx_s3jobs_listing_unknown_key(ngx_s3jobs_listing_t *l,
    ngx_s3jobs_listing_element_t *el)
{
    static const ngx_str_t  comma = ngx_string(",");

    if (el->name.len) {
        ngx_s3jobs_writer_key(&l->writer, el->name.data, el->name.len);

    } else {
        ngx_s3jobs_writer_json(&l->writer, &comma, NULL, 0);
    }
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
