
/*
 * Copyright (C) the ngx_s3jobs_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_s3jobs_listing.h"
#include "ngx_s3jobs_sax.h"
#include "ngx_s3jobs_writer.h"


#define ngx_s3jobs_listing_is_space(c)                                       \
    ((c) == ' ' || (c) == '\t' || (c) == '\r' || (c) == '\n')

#define ngx_s3jobs_listing_is(field, s)                                      \
    ((field)->name.len == (s)->len                                           \
     && ngx_memcmp((field)->name.data, (s)->data, (s)->len) == 0)


typedef struct ngx_s3jobs_listing_kind_s  ngx_s3jobs_listing_kind_t;
typedef struct ngx_s3jobs_listing_field_s  ngx_s3jobs_listing_field_t;


/* what an element is, and so what becomes of what stands in it */

struct ngx_s3jobs_listing_kind_s {
    ngx_int_t  (*child)(ngx_s3jobs_listing_t *l, ngx_str_t *name);
    ngx_int_t  (*text)(ngx_s3jobs_listing_t *l, const u_char *p, size_t len);
    ngx_int_t  (*end)(ngx_s3jobs_listing_t *l);
    ngx_str_t    close;      /* written at the end */
    ngx_uint_t   early;      /* the key is written at the start */
};


struct ngx_s3jobs_listing_field_s {
    ngx_str_t                          name;
    ngx_str_t                          key;
    const ngx_s3jobs_listing_kind_t   *kind;
    const ngx_s3jobs_listing_field_t  *fields;
};


typedef struct {
    const ngx_s3jobs_listing_kind_t   *kind;
    const ngx_s3jobs_listing_field_t  *field;      /* NULL: unknown */
    const ngx_s3jobs_listing_field_t  *fields;
    const ngx_s3jobs_listing_field_t  *next;       /* is likely to come */
    ngx_uint_t                         seen;       /* bit n: fields[n] */
    ngx_uint_t                         nnames;     /* unknown names before */
    ngx_str_t                          name;
    ngx_uint_t                         comma;
} ngx_s3jobs_listing_element_t;


typedef struct {
    u_char                            *data;
    size_t                             len;
    size_t                             size;
} ngx_s3jobs_listing_text_t;


struct ngx_s3jobs_listing_s {
    ngx_s3jobs_writer_t                writer;
    ngx_s3jobs_sax_t                  *sax;

    size_t                             leaf;       /* bytes of its text */
    ngx_s3jobs_listing_text_t          text;
    ngx_str_t                          token;      /* data NULL: none */

    ngx_s3jobs_listing_element_t      *element;
    ngx_s3jobs_listing_element_t       elements[NGX_S3JOBS_SAX_DEPTH_MAX + 1];

    ngx_uint_t                         nnames;
    ngx_str_t                          names[NGX_S3JOBS_LISTING_NAMES_MAX];

    ngx_uint_t                         failed;
};


static ngx_int_t ngx_s3jobs_listing_rc(ngx_s3jobs_listing_t *l, ngx_int_t rc);

static ngx_int_t ngx_s3jobs_listing_start(void *data, const u_char *name,
    size_t len);
static ngx_int_t ngx_s3jobs_listing_text(void *data, const u_char *text,
    size_t len);
static ngx_int_t ngx_s3jobs_listing_end(void *data);


static ngx_int_t ngx_s3jobs_listing_child_document(ngx_s3jobs_listing_t *l,
    ngx_str_t *name);
static ngx_int_t ngx_s3jobs_listing_child_root(ngx_s3jobs_listing_t *l,
    ngx_str_t *name);
static ngx_int_t ngx_s3jobs_listing_child_jobs(ngx_s3jobs_listing_t *l,
    ngx_str_t *name);
static ngx_int_t ngx_s3jobs_listing_child_object(ngx_s3jobs_listing_t *l,
    ngx_str_t *name);
static ngx_int_t ngx_s3jobs_listing_child_array(ngx_s3jobs_listing_t *l,
    ngx_str_t *name);
static ngx_int_t ngx_s3jobs_listing_child_unknown(ngx_s3jobs_listing_t *l,
    ngx_str_t *name);
static ngx_int_t ngx_s3jobs_listing_child_skip(ngx_s3jobs_listing_t *l,
    ngx_str_t *name);

static ngx_int_t ngx_s3jobs_listing_text_write(ngx_s3jobs_listing_t *l,
    const u_char *p, size_t len);
static ngx_int_t ngx_s3jobs_listing_text_keep(ngx_s3jobs_listing_t *l,
    const u_char *p, size_t len);

static ngx_int_t ngx_s3jobs_listing_end_token(ngx_s3jobs_listing_t *l);
static ngx_int_t ngx_s3jobs_listing_end_job(ngx_s3jobs_listing_t *l);
static ngx_int_t ngx_s3jobs_listing_end_number(ngx_s3jobs_listing_t *l);
static ngx_int_t ngx_s3jobs_listing_end_unknown(ngx_s3jobs_listing_t *l);

static ngx_s3jobs_listing_element_t *ngx_s3jobs_listing_push(
    ngx_s3jobs_listing_t *l, const ngx_s3jobs_listing_kind_t *kind);
static const ngx_s3jobs_listing_field_t *ngx_s3jobs_listing_find(
    ngx_s3jobs_listing_element_t *el, ngx_str_t *name);
static ngx_uint_t ngx_s3jobs_listing_is_number(ngx_str_t *s);
static ngx_int_t ngx_s3jobs_listing_key(ngx_s3jobs_listing_t *l);
static ngx_int_t ngx_s3jobs_listing_unknown_key(ngx_s3jobs_listing_t *l);
static ngx_int_t ngx_s3jobs_listing_put(ngx_s3jobs_listing_t *l,
    const void *p, size_t len);
static ngx_int_t ngx_s3jobs_listing_put_text(ngx_s3jobs_listing_t *l,
    const u_char *p, size_t len);
static ngx_int_t ngx_s3jobs_listing_wrote(ngx_s3jobs_listing_t *l,
    ngx_int_t rc);


static const ngx_s3jobs_sax_handler_t  ngx_s3jobs_listing_handler = {
    ngx_s3jobs_listing_start,
    ngx_s3jobs_listing_text,
    ngx_s3jobs_listing_end
};


static const ngx_s3jobs_listing_kind_t  ngx_s3jobs_listing_document = {
    ngx_s3jobs_listing_child_document, NULL, NULL,
    ngx_null_string, 0
};


static const ngx_s3jobs_listing_kind_t  ngx_s3jobs_listing_root = {
    ngx_s3jobs_listing_child_root, NULL, NULL,
    ngx_null_string, 0
};


static const ngx_s3jobs_listing_kind_t  ngx_s3jobs_listing_array_of_jobs = {
    ngx_s3jobs_listing_child_jobs, NULL, NULL,
    ngx_null_string, 0
};


static const ngx_s3jobs_listing_kind_t  ngx_s3jobs_listing_job = {
    ngx_s3jobs_listing_child_object, NULL, ngx_s3jobs_listing_end_job,
    ngx_null_string, 0
};


static const ngx_s3jobs_listing_kind_t  ngx_s3jobs_listing_token = {
    NULL, ngx_s3jobs_listing_text_keep, ngx_s3jobs_listing_end_token,
    ngx_null_string, 0
};


static const ngx_s3jobs_listing_kind_t  ngx_s3jobs_listing_object = {
    ngx_s3jobs_listing_child_object, NULL, NULL,
    ngx_string("}"), 1
};


static const ngx_s3jobs_listing_kind_t  ngx_s3jobs_listing_array = {
    ngx_s3jobs_listing_child_array, NULL, NULL,
    ngx_string("]"), 0
};


static const ngx_s3jobs_listing_kind_t  ngx_s3jobs_listing_string = {
    NULL, ngx_s3jobs_listing_text_write, NULL,
    ngx_string("\""), 1
};


static const ngx_s3jobs_listing_kind_t  ngx_s3jobs_listing_number = {
    NULL, ngx_s3jobs_listing_text_keep, ngx_s3jobs_listing_end_number,
    ngx_null_string, 0
};


/* a leaf until a child comes */

static const ngx_s3jobs_listing_kind_t  ngx_s3jobs_listing_unknown = {
    ngx_s3jobs_listing_child_unknown,
    ngx_s3jobs_listing_text_keep, ngx_s3jobs_listing_end_unknown,
    ngx_null_string, 0
};


/* a sibling had the name */

static const ngx_s3jobs_listing_kind_t  ngx_s3jobs_listing_skip = {
    ngx_s3jobs_listing_child_skip, NULL, NULL,
    ngx_null_string, 0
};


/* https://docs.aws.amazon.com/AmazonS3/latest/API/API_control_ListJobs.html */

#define ngx_s3jobs_string(name)                                              \
    { ngx_string(name), ngx_string(",\"" name "\":\""),                      \
      &ngx_s3jobs_listing_string, NULL }

#define ngx_s3jobs_number(name)                                              \
    { ngx_string(name), ngx_string(",\"" name "\":"),                        \
      &ngx_s3jobs_listing_number, NULL }

#define ngx_s3jobs_object(name, fields)                                      \
    { ngx_string(name), ngx_string(",\"" name "\":{"),                       \
      &ngx_s3jobs_listing_object, fields }

#define ngx_s3jobs_last                                                      \
    { ngx_null_string, ngx_null_string, NULL, NULL }


static const ngx_s3jobs_listing_field_t  ngx_s3jobs_listing_none[] = {
    ngx_s3jobs_last
};


static const ngx_s3jobs_listing_field_t  ngx_s3jobs_listing_timers[] = {
    ngx_s3jobs_number("ElapsedTimeInActiveSeconds"),
    ngx_s3jobs_last
};


static const ngx_s3jobs_listing_field_t  ngx_s3jobs_listing_progress[] = {
    ngx_s3jobs_number("TotalNumberOfTasks"),
    ngx_s3jobs_number("NumberOfTasksSucceeded"),
    ngx_s3jobs_number("NumberOfTasksFailed"),
    ngx_s3jobs_object("Timers", ngx_s3jobs_listing_timers),
    ngx_s3jobs_last
};


static const ngx_s3jobs_listing_field_t  ngx_s3jobs_listing_fields[] = {
    ngx_s3jobs_string("JobId"),
    ngx_s3jobs_string("Description"),
    ngx_s3jobs_string("Operation"),
    ngx_s3jobs_number("Priority"),
    ngx_s3jobs_string("Status"),
    ngx_s3jobs_string("CreationTime"),
    ngx_s3jobs_string("TerminationDate"),
    ngx_s3jobs_object("ProgressSummary", ngx_s3jobs_listing_progress),
    ngx_s3jobs_last
};


static const ngx_s3jobs_listing_field_t  ngx_s3jobs_listing_result[] = {

    { ngx_string("Jobs"),
      ngx_null_string,
      &ngx_s3jobs_listing_array_of_jobs,
      NULL },

    { ngx_string("NextToken"),
      ngx_null_string,
      &ngx_s3jobs_listing_token,
      NULL },

    ngx_s3jobs_last
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

    ngx_s3jobs_writer_init(&l->writer, out);

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

    free(l->text.data);
    free(l->token.data);
    free(l);
}


ngx_int_t
ngx_s3jobs_listing_feed(ngx_s3jobs_listing_t *l, const u_char *p, size_t len)
{
    return ngx_s3jobs_listing_rc(l, ngx_s3jobs_sax_feed(l->sax, p, len));
}


ngx_int_t
ngx_s3jobs_listing_finish(ngx_s3jobs_listing_t *l)
{
    ngx_int_t  rc;

    rc = ngx_s3jobs_sax_finish(l->sax);

    if (rc == NGX_OK) {
        rc = ngx_s3jobs_listing_wrote(l,
                 ngx_s3jobs_writer_finish(&l->writer,
                                          l->token.data ? &l->token : NULL));
    }

    return ngx_s3jobs_listing_rc(l, rc);
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


static ngx_int_t
ngx_s3jobs_listing_rc(ngx_s3jobs_listing_t *l, ngx_int_t rc)
{
    if (rc == NGX_OK) {
        return NGX_OK;
    }

    return l->failed ? NGX_ERROR : NGX_DECLINED;
}


static ngx_int_t
ngx_s3jobs_listing_start(void *data, const u_char *name, size_t len)
{
    ngx_s3jobs_listing_t *l = data;

    ngx_str_t  s;

    s.data = (u_char *) name;
    s.len = len;

    if (l->element->kind->child == NULL) {
        return ngx_s3jobs_sax_refuse(l->sax, "element inside of a value");
    }

    return l->element->kind->child(l, &s);
}


static ngx_int_t
ngx_s3jobs_listing_text(void *data, const u_char *text, size_t len)
{
    ngx_s3jobs_listing_t *l = data;

    if (l->element->kind->text == NULL) {
        return NGX_OK;
    }

    return l->element->kind->text(l, text, len);
}


static ngx_int_t
ngx_s3jobs_listing_end(void *data)
{
    ngx_s3jobs_listing_t *l = data;

    const ngx_s3jobs_listing_kind_t  *kind;

    kind = l->element->kind;

    if (kind->end && kind->end(l) != NGX_OK) {
        return NGX_ERROR;
    }

    l->nnames = l->element->nnames;
    l->element--;

    return ngx_s3jobs_listing_put(l, kind->close.data, kind->close.len);
}


static ngx_int_t
ngx_s3jobs_listing_child_document(ngx_s3jobs_listing_t *l, ngx_str_t *name)
{
    ngx_s3jobs_listing_element_t  *el;

    static const u_char  root[] = "ListJobsResult";

    if (name->len != sizeof(root) - 1
        || ngx_memcmp(name->data, root, sizeof(root) - 1) != 0)
    {
        return ngx_s3jobs_sax_refuse(l->sax, "not a ListJobsResult");
    }

    el = ngx_s3jobs_listing_push(l, &ngx_s3jobs_listing_root);

    el->fields = ngx_s3jobs_listing_result;
    el->next = el->fields;

    /* Jobs stands before all else */
    el->comma = 1;

    return ngx_s3jobs_listing_wrote(l, ngx_s3jobs_writer_begin(&l->writer));
}


static ngx_int_t
ngx_s3jobs_listing_child_root(ngx_s3jobs_listing_t *l, ngx_str_t *name)
{
    ngx_uint_t                         n;
    const ngx_s3jobs_listing_field_t  *field;

    field = ngx_s3jobs_listing_find(l->element, name);

    if (field == NULL) {
        ngx_s3jobs_writer_rest(&l->writer);

    } else if (field->kind == &ngx_s3jobs_listing_array_of_jobs) {
        n = field - l->element->fields;

        if (l->element->seen & ((ngx_uint_t) 1 << n)) {
            return ngx_s3jobs_sax_refuse(l->sax, "second Jobs");
        }
    }

    return ngx_s3jobs_listing_child_object(l, name);
}


static ngx_int_t
ngx_s3jobs_listing_child_jobs(ngx_s3jobs_listing_t *l, ngx_str_t *name)
{
    ngx_s3jobs_listing_element_t  *el;

    el = ngx_s3jobs_listing_push(l, &ngx_s3jobs_listing_job);

    el->fields = ngx_s3jobs_listing_fields;
    el->next = el->fields;

    return ngx_s3jobs_listing_wrote(l, ngx_s3jobs_writer_job(&l->writer));
}


static ngx_int_t
ngx_s3jobs_listing_child_object(ngx_s3jobs_listing_t *l, ngx_str_t *name)
{
    ngx_str_t                         *s;
    ngx_uint_t                         i, bit;
    ngx_s3jobs_listing_element_t      *el;
    const ngx_s3jobs_listing_field_t  *field;

    el = l->element;
    field = ngx_s3jobs_listing_find(el, name);

    if (field) {
        bit = (ngx_uint_t) 1 << (field - el->fields);

        if (el->seen & bit) {
            (void) ngx_s3jobs_listing_push(l, &ngx_s3jobs_listing_skip);
            return NGX_OK;
        }

        el->seen |= bit;

        el = ngx_s3jobs_listing_push(l, field->kind);

        el->field = field;

        if (field->fields) {
            el->fields = field->fields;
            el->next = field->fields;
        }

        return field->kind->early ? ngx_s3jobs_listing_key(l) : NGX_OK;
    }

    for (i = el->nnames; i < l->nnames; i++) {
        s = &l->names[i];

        if (s->len == name->len
            && ngx_memcmp(s->data, name->data, s->len) == 0)
        {
            (void) ngx_s3jobs_listing_push(l, &ngx_s3jobs_listing_skip);
            return NGX_OK;
        }
    }

    if (l->nnames == NGX_S3JOBS_LISTING_NAMES_MAX) {
        return ngx_s3jobs_sax_refuse(l->sax, "too many unknown elements");
    }

    l->names[l->nnames++] = *name;

    el = ngx_s3jobs_listing_push(l, &ngx_s3jobs_listing_unknown);
    el->name = *name;

    return NGX_OK;
}


static ngx_int_t
ngx_s3jobs_listing_child_array(ngx_s3jobs_listing_t *l, ngx_str_t *name)
{
    (void) ngx_s3jobs_listing_push(l, &ngx_s3jobs_listing_unknown);

    return NGX_OK;
}


static ngx_int_t
ngx_s3jobs_listing_child_unknown(ngx_s3jobs_listing_t *l, ngx_str_t *name)
{
    ngx_int_t                         rc;
    const ngx_s3jobs_listing_kind_t  *kind;

    if (ngx_s3jobs_listing_unknown_key(l) != NGX_OK) {
        return NGX_ERROR;
    }

    if (name->len == 6 && ngx_memcmp(name->data, "member", 6) == 0) {
        kind = &ngx_s3jobs_listing_array;
        rc = ngx_s3jobs_listing_put(l, "[", 1);

    } else {
        kind = &ngx_s3jobs_listing_object;
        rc = ngx_s3jobs_listing_put(l, "{", 1);
    }

    if (rc != NGX_OK) {
        return NGX_ERROR;
    }

    l->element->kind = kind;

    return kind->child(l, name);
}


static ngx_int_t
ngx_s3jobs_listing_child_skip(ngx_s3jobs_listing_t *l, ngx_str_t *name)
{
    (void) ngx_s3jobs_listing_push(l, &ngx_s3jobs_listing_skip);

    return NGX_OK;
}


static ngx_int_t
ngx_s3jobs_listing_text_write(ngx_s3jobs_listing_t *l, const u_char *p,
    size_t len)
{
    l->leaf += len;

    if (l->leaf > NGX_S3JOBS_LISTING_TEXT_MAX) {
        return ngx_s3jobs_sax_refuse(l->sax, "too long a text");
    }

    return ngx_s3jobs_listing_put_text(l, p, len);
}


static ngx_int_t
ngx_s3jobs_listing_text_keep(ngx_s3jobs_listing_t *l, const u_char *p,
    size_t len)
{
    u_char                     *data;
    size_t                      size;
    ngx_s3jobs_listing_text_t  *text;

    text = &l->text;
    size = text->len + len;

    if (size > NGX_S3JOBS_LISTING_TEXT_MAX) {
        return ngx_s3jobs_sax_refuse(l->sax, "too long a text");
    }

    if (size > text->size) {
        size = ngx_max(size, 2 * text->size);
        size = ngx_align(size, 256);

        data = realloc(text->data, size);
        if (data == NULL) {
            return ngx_s3jobs_listing_wrote(l, NGX_ERROR);
        }

        text->data = data;
        text->size = size;
    }

    ngx_memcpy(text->data + text->len, p, len);
    text->len += len;

    return NGX_OK;
}


static ngx_int_t
ngx_s3jobs_listing_end_token(ngx_s3jobs_listing_t *l)
{
    u_char  *data;

    if (l->text.len > NGX_S3JOBS_LISTING_TOKEN_MAX) {
        return ngx_s3jobs_sax_refuse(l->sax, "too long a NextToken");
    }

    data = malloc(l->text.len + 1);
    if (data == NULL) {
        return ngx_s3jobs_listing_wrote(l, NGX_ERROR);
    }

    ngx_memcpy(data, l->text.data, l->text.len);

    l->token.data = data;
    l->token.len = l->text.len;

    return NGX_OK;
}


static ngx_int_t
ngx_s3jobs_listing_end_job(ngx_s3jobs_listing_t *l)
{
    return ngx_s3jobs_listing_wrote(l, ngx_s3jobs_writer_job_end(&l->writer));
}


static ngx_int_t
ngx_s3jobs_listing_end_number(ngx_s3jobs_listing_t *l)
{
    ngx_str_t  s;

    s.data = l->text.data;
    s.len = l->text.len;

    while (s.len && ngx_s3jobs_listing_is_space(s.data[0])) {
        s.data++;
        s.len--;
    }

    while (s.len && ngx_s3jobs_listing_is_space(s.data[s.len - 1])) {
        s.len--;
    }

    if (s.len == 0) {
        return NGX_OK;
    }

    if (!ngx_s3jobs_listing_is_number(&s)) {
        return ngx_s3jobs_sax_refuse(l->sax, "bad number");
    }

    if (ngx_s3jobs_listing_key(l) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_s3jobs_listing_put(l, s.data, s.len);
}


static ngx_int_t
ngx_s3jobs_listing_end_unknown(ngx_s3jobs_listing_t *l)
{
    if (ngx_s3jobs_listing_unknown_key(l) != NGX_OK
        || ngx_s3jobs_listing_put(l, "\"", 1) != NGX_OK
        || ngx_s3jobs_listing_put_text(l, l->text.data, l->text.len)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_s3jobs_listing_put(l, "\"", 1);
}


static ngx_s3jobs_listing_element_t *
ngx_s3jobs_listing_push(ngx_s3jobs_listing_t *l,
    const ngx_s3jobs_listing_kind_t *kind)
{
    ngx_s3jobs_listing_element_t  *el;

    el = ++l->element;

    el->kind = kind;
    el->field = NULL;
    el->fields = ngx_s3jobs_listing_none;
    el->next = ngx_s3jobs_listing_none;
    el->seen = 0;
    el->nnames = l->nnames;
    el->name.len = 0;
    el->comma = 0;

    l->leaf = 0;
    l->text.len = 0;

    return el;
}


static const ngx_s3jobs_listing_field_t *
ngx_s3jobs_listing_find(ngx_s3jobs_listing_element_t *el, ngx_str_t *name)
{
    const ngx_s3jobs_listing_field_t  *field;

    for (field = el->next; field->name.len; field++) {
        if (ngx_s3jobs_listing_is(field, name)) {
            goto found;
        }
    }

    for (field = el->fields; field < el->next; field++) {
        if (ngx_s3jobs_listing_is(field, name)) {
            goto found;
        }
    }

    return NULL;

found:

    el->next = field + 1;

    return field;
}


/* what JSON calls an integer (RFC 8259, section 6) */

static ngx_uint_t
ngx_s3jobs_listing_is_number(ngx_str_t *s)
{
    size_t  i, first;

    first = (s->data[0] == '-');

    if (s->len == first || (s->data[first] == '0' && s->len > first + 1)) {
        return 0;
    }

    for (i = first; i < s->len; i++) {
        if (s->data[i] < '0' || s->data[i] > '9') {
            return 0;
        }
    }

    return 1;
}


static ngx_int_t
ngx_s3jobs_listing_key(ngx_s3jobs_listing_t *l)
{
    size_t                         skip;
    const ngx_str_t               *key;
    ngx_s3jobs_listing_element_t  *parent;

    parent = l->element - 1;
    key = &l->element->field->key;

    skip = !parent->comma;
    parent->comma = 1;

    return ngx_s3jobs_listing_put(l, key->data + skip, key->len - skip);
}


static ngx_int_t
ngx_s3jobs_listing_unknown_key(ngx_s3jobs_listing_t *l)
{
    ngx_str_t                     *name;
    ngx_s3jobs_listing_element_t  *parent;

    parent = l->element - 1;

    if (parent->comma && ngx_s3jobs_listing_put(l, ",", 1) != NGX_OK) {
        return NGX_ERROR;
    }

    parent->comma = 1;

    if (parent->kind == &ngx_s3jobs_listing_array) {
        return NGX_OK;
    }

    name = &l->element->name;

    if (ngx_s3jobs_listing_put(l, "\"", 1) != NGX_OK
        || ngx_s3jobs_listing_put_text(l, name->data, name->len) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_s3jobs_listing_put(l, "\":", 2);
}


static ngx_int_t
ngx_s3jobs_listing_put(ngx_s3jobs_listing_t *l, const void *p, size_t len)
{
    return ngx_s3jobs_listing_wrote(l,
                                   ngx_s3jobs_writer_put(&l->writer, p, len));
}


static ngx_int_t
ngx_s3jobs_listing_put_text(ngx_s3jobs_listing_t *l, const u_char *p,
    size_t len)
{
    return ngx_s3jobs_listing_wrote(l,
                                   ngx_s3jobs_writer_text(&l->writer, p, len));
}


/* unless the document is to blame, memory has run out, or the output */

static ngx_int_t
ngx_s3jobs_listing_wrote(ngx_s3jobs_listing_t *l, ngx_int_t rc)
{
    if (rc == NGX_OK) {
        return NGX_OK;
    }

    if (l->writer.error) {
        return ngx_s3jobs_sax_refuse(l->sax, l->writer.error);
    }

    l->failed = 1;

    return ngx_s3jobs_sax_refuse(l->sax, "no memory for the output");
}
