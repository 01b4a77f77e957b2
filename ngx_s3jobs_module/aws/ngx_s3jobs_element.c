
/*
 * Copyright (C) the ngx_s3jobs_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_s3jobs_element.h"


static ngx_inline void ngx_s3jobs_element_open(ngx_s3jobs_listing_t *l,
    const ngx_s3jobs_field_t *field);
static void ngx_s3jobs_element_child_list(ngx_s3jobs_listing_t *l,
    const u_char *name, size_t len);
static void ngx_s3jobs_element_child_map(ngx_s3jobs_listing_t *l,
    const u_char *name, size_t len);
static void ngx_s3jobs_element_child_entry(ngx_s3jobs_listing_t *l,
    const u_char *name, size_t len);
static void ngx_s3jobs_element_open_unknown(ngx_s3jobs_listing_t *l,
    const u_char *name, size_t len);
static void ngx_s3jobs_element_child_unknown(ngx_s3jobs_listing_t *l,
    const u_char *name, size_t len);
static void ngx_s3jobs_element_child_array(ngx_s3jobs_listing_t *l,
    const u_char *name, size_t len);
static void ngx_s3jobs_element_child_skip(ngx_s3jobs_listing_t *l,
    const u_char *name, size_t len);
static void ngx_s3jobs_element_text_string(ngx_s3jobs_listing_t *l,
    const u_char *p, size_t len);
static void ngx_s3jobs_element_end_string(ngx_s3jobs_listing_t *l,
    ngx_s3jobs_element_t *el);
static void ngx_s3jobs_element_end_number(ngx_s3jobs_listing_t *l,
    ngx_s3jobs_element_t *el);
static void ngx_s3jobs_element_end_boolean(ngx_s3jobs_listing_t *l,
    ngx_s3jobs_element_t *el);
static void ngx_s3jobs_element_end_literal(ngx_s3jobs_listing_t *l,
    ngx_s3jobs_element_t *el, ngx_int_t rc, ngx_str_t *s,
    const char *reason);
static void ngx_s3jobs_element_end_object(ngx_s3jobs_listing_t *l,
    ngx_s3jobs_element_t *el);
static void ngx_s3jobs_element_end_array(ngx_s3jobs_listing_t *l,
    ngx_s3jobs_element_t *el);
static void ngx_s3jobs_element_end_part(ngx_s3jobs_listing_t *l,
    ngx_s3jobs_element_t *el);
static void ngx_s3jobs_element_end_entry(ngx_s3jobs_listing_t *l,
    ngx_s3jobs_element_t *el);
static void ngx_s3jobs_element_end_unknown(ngx_s3jobs_listing_t *l,
    ngx_s3jobs_element_t *el);
static void ngx_s3jobs_element_leaf(ngx_s3jobs_listing_t *l, ngx_str_t *name);
static ngx_int_t ngx_s3jobs_element_new_name(ngx_s3jobs_listing_t *l,
    const u_char *name, size_t len);
static void ngx_s3jobs_element_unknown_key(ngx_s3jobs_listing_t *l,
    ngx_s3jobs_element_t *el);


const ngx_s3jobs_element_kind_t  ngx_s3jobs_element_string = {
    NULL, ngx_s3jobs_element_text_string, ngx_s3jobs_element_end_string
};


const ngx_s3jobs_element_kind_t  ngx_s3jobs_element_number = {
    NULL, ngx_s3jobs_element_keep, ngx_s3jobs_element_end_number
};


const ngx_s3jobs_element_kind_t  ngx_s3jobs_element_boolean = {
    NULL, ngx_s3jobs_element_keep, ngx_s3jobs_element_end_boolean
};


const ngx_s3jobs_element_kind_t  ngx_s3jobs_element_object = {
    ngx_s3jobs_element_child, NULL, ngx_s3jobs_element_end_object
};


const ngx_s3jobs_element_kind_t  ngx_s3jobs_element_list = {
    ngx_s3jobs_element_child_list, NULL, ngx_s3jobs_element_end_array
};


const ngx_s3jobs_element_kind_t  ngx_s3jobs_element_map = {
    ngx_s3jobs_element_child_map, NULL, ngx_s3jobs_element_end_object
};


static const ngx_s3jobs_element_kind_t  ngx_s3jobs_element_entry = {
    ngx_s3jobs_element_child_entry, NULL, ngx_s3jobs_element_end_entry
};


/* a key or a value */

static const ngx_s3jobs_element_kind_t  ngx_s3jobs_element_part = {
    NULL, ngx_s3jobs_element_keep, ngx_s3jobs_element_end_part
};


/* a leaf until a child comes */

static const ngx_s3jobs_element_kind_t  ngx_s3jobs_element_unknown = {
    ngx_s3jobs_element_child_unknown,
    ngx_s3jobs_element_keep, ngx_s3jobs_element_end_unknown
};


static const ngx_s3jobs_element_kind_t  ngx_s3jobs_element_array = {
    ngx_s3jobs_element_child_array, NULL, ngx_s3jobs_element_end_array
};


/* a sibling of that name was there */

static const ngx_s3jobs_element_kind_t  ngx_s3jobs_element_skip = {
    ngx_s3jobs_element_child_skip, NULL, NULL
};


#define ngx_s3jobs_element_of_type(NAME, name)  &ngx_s3jobs_element_##name,

static const ngx_s3jobs_element_kind_t  *ngx_s3jobs_element_kinds[] = {
    NGX_S3JOBS_FIELD_TYPES(ngx_s3jobs_element_of_type)
};


void
ngx_s3jobs_element_start(void *data, const u_char *name, size_t len)
{
    ngx_s3jobs_listing_t *l = data;

    if (l->element->kind->child == NULL) {
        ngx_s3jobs_sax_refuse(l->sax, "element inside of a value");
        return;
    }

    l->element->kind->child(l, name, len);
}


void
ngx_s3jobs_element_text(void *data, const u_char *text, size_t len)
{
    ngx_s3jobs_listing_t *l = data;

    if (l->element->kind->text) {
        l->element->kind->text(l, text, len);
    }
}


void
ngx_s3jobs_element_end(void *data)
{
    ngx_s3jobs_listing_t *l = data;

    ngx_s3jobs_element_t  *el;

    el = l->element;

    l->nnames = el->nnames;
    l->element = el - 1;

    if (el->kind->end) {
        el->kind->end(l, el);
    }
}


void
ngx_s3jobs_element_push(ngx_s3jobs_listing_t *l,
    const ngx_s3jobs_element_kind_t *kind,
    const ngx_s3jobs_field_t *fields)
{
    ngx_s3jobs_element_t  *el;

    el = ++l->element;

    el->kind = kind;
    el->fields = fields;
    el->next = fields;
    el->seen = 0;
    el->nnames = l->nnames;

    l->len = 0;
}


const ngx_s3jobs_field_t *
ngx_s3jobs_element_find(ngx_s3jobs_listing_t *l, const u_char *name,
    size_t len)
{
    const ngx_s3jobs_field_t  *field;

    for (field = l->element->fields;
         field->type != NGX_S3JOBS_FIELD_LAST;
         field++)
    {
        if (field->name.len == len
            && ngx_s3jobs_field_same(field->name.data, name, len))
        {
            return field;
        }
    }

    return NULL;
}


void
ngx_s3jobs_element_child(ngx_s3jobs_listing_t *l, const u_char *name,
    size_t len)
{
    uint32_t                   bit;
    ngx_s3jobs_element_t      *el;
    const ngx_s3jobs_field_t  *field;

    el = l->element;
    field = el->next;

    if (field->name.len != len
        || !ngx_s3jobs_field_same(field->name.data, name, len))
    {
        field = ngx_s3jobs_element_find(l, name, len);

        if (field == NULL) {
            ngx_s3jobs_element_open_unknown(l, name, len);
            return;
        }
    }

    bit = 1u << (field - el->fields);

    if (el->seen & bit) {
        ngx_s3jobs_element_push(l, &ngx_s3jobs_element_skip, NULL);
        return;
    }

    el->seen |= bit;
    el->next = field + 1;

    ngx_s3jobs_element_open(l, field);
}


static ngx_inline void
ngx_s3jobs_element_open(ngx_s3jobs_listing_t *l,
    const ngx_s3jobs_field_t *field)
{
    ngx_s3jobs_element_push(l, ngx_s3jobs_element_kinds[field->type],
                            field->fields);
    l->element->field = field;

    if (field->open) {
        ngx_s3jobs_writer_json(&l->writer, &field->key, NULL, 0);
        ngx_s3jobs_writer_open(&l->writer, field->open);
    }
}


static void
ngx_s3jobs_element_child_list(ngx_s3jobs_listing_t *l, const u_char *name,
    size_t len)
{
    ngx_s3jobs_element_open(l, l->element->fields);
}


static void
ngx_s3jobs_element_child_map(ngx_s3jobs_listing_t *l, const u_char *name,
    size_t len)
{
    ngx_s3jobs_element_push(l, &ngx_s3jobs_element_entry,
                            ngx_s3jobs_fields_entry);
}


static void
ngx_s3jobs_element_child_entry(ngx_s3jobs_listing_t *l, const u_char *name,
    size_t len)
{
    const ngx_s3jobs_field_t  *field;

    field = ngx_s3jobs_element_find(l, name, len);

    if (field == NULL || l->pair[field - l->element->fields].data) {
        ngx_s3jobs_element_push(l, &ngx_s3jobs_element_skip, NULL);
        return;
    }

    ngx_s3jobs_element_push(l, &ngx_s3jobs_element_part, NULL);
    l->element->field = field;
}


static void
ngx_s3jobs_element_open_unknown(ngx_s3jobs_listing_t *l, const u_char *name,
    size_t len)
{
    if (ngx_s3jobs_element_is_key(l->element->fields, name, len)
        || ngx_s3jobs_element_new_name(l, name, len) != NGX_OK)
    {
        ngx_s3jobs_element_push(l, &ngx_s3jobs_element_skip, NULL);
        return;
    }

    ngx_s3jobs_element_push(l, &ngx_s3jobs_element_unknown, NULL);
    l->element->name = l->names[l->nnames - 1];
}


ngx_uint_t
ngx_s3jobs_element_is_key(const ngx_s3jobs_field_t *field, const u_char *name,
    size_t len)
{
    for ( /* void */ ; field->type != NGX_S3JOBS_FIELD_LAST; field++) {
        if (field->key.len - len - 4 <= 1
            && ngx_memcmp(field->key.data + 2, name, len) == 0
            && field->key.data[2 + len] == '"')
        {
            return 1;
        }
    }

    return 0;
}


static void
ngx_s3jobs_element_child_unknown(ngx_s3jobs_listing_t *l, const u_char *name,
    size_t len)
{
    u_char                 c;
    ngx_s3jobs_element_t  *el;

    el = l->element;

    if (len == 6 && ngx_memcmp(name, "member", 6) == 0) {
        el->kind = &ngx_s3jobs_element_array;
        c = '[';

    } else {
        el->kind = &ngx_s3jobs_element_object;
        el->fields = ngx_s3jobs_fields_none;
        el->next = ngx_s3jobs_fields_none;
        el->seen = 0;
        c = '{';
    }

    ngx_s3jobs_element_unknown_key(l, el);
    ngx_s3jobs_writer_open(&l->writer, c);

    el->kind->child(l, name, len);
}


static void
ngx_s3jobs_element_child_array(ngx_s3jobs_listing_t *l, const u_char *name,
    size_t len)
{
    ngx_s3jobs_element_push(l, &ngx_s3jobs_element_unknown, NULL);
    l->element->name.len = 0;
}


static void
ngx_s3jobs_element_child_skip(ngx_s3jobs_listing_t *l, const u_char *name,
    size_t len)
{
    ngx_s3jobs_element_push(l, &ngx_s3jobs_element_skip, NULL);
}


static void
ngx_s3jobs_element_text_string(ngx_s3jobs_listing_t *l, const u_char *p,
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


void
ngx_s3jobs_element_keep(ngx_s3jobs_listing_t *l, const u_char *p, size_t len)
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
            l->writer.fail(l, NULL);
            return;
        }

        l->text = text;
        l->size = size;
    }

    ngx_memcpy(l->text + l->len, p, len);
    l->len += len;
}


void
ngx_s3jobs_element_copy(ngx_s3jobs_listing_t *l, ngx_str_t *s)
{
    s->data = malloc(l->len + 1);
    if (s->data == NULL) {
        l->writer.fail(l, NULL);
        return;
    }

    s->len = l->len;

    if (l->len) {
        ngx_memcpy(s->data, l->text, l->len);
    }
}


static void
ngx_s3jobs_element_end_string(ngx_s3jobs_listing_t *l,
    ngx_s3jobs_element_t *el)
{
    if (l->len == 0) {
        ngx_s3jobs_writer_text(&l->writer, &el->field->key, NULL, 0);
    }

    ngx_s3jobs_writer_close(&l->writer, '"');
}


static void
ngx_s3jobs_element_end_number(ngx_s3jobs_listing_t *l,
    ngx_s3jobs_element_t *el)
{
    ngx_int_t  rc;
    ngx_str_t  s;

    s.data = l->text;
    s.len = l->len;

    rc = ngx_s3jobs_json_integer(&s);

    ngx_s3jobs_element_end_literal(l, el, rc, &s, "bad number");
}


static void
ngx_s3jobs_element_end_boolean(ngx_s3jobs_listing_t *l,
    ngx_s3jobs_element_t *el)
{
    ngx_int_t  rc;
    ngx_str_t  s;

    s.data = l->text;
    s.len = l->len;

    rc = ngx_s3jobs_json_boolean(&s);

    ngx_s3jobs_element_end_literal(l, el, rc, &s, "bad boolean");
}


static void
ngx_s3jobs_element_end_literal(ngx_s3jobs_listing_t *l,
    ngx_s3jobs_element_t *el, ngx_int_t rc, ngx_str_t *s, const char *reason)
{
    switch (rc) {

    case NGX_OK:
        ngx_s3jobs_writer_json(&l->writer, &el->field->key, s->data, s->len);
        break;

    case NGX_DECLINED:
        break;

    default:
        ngx_s3jobs_sax_refuse(l->sax, reason);
    }
}


static void
ngx_s3jobs_element_end_object(ngx_s3jobs_listing_t *l,
    ngx_s3jobs_element_t *el)
{
    ngx_s3jobs_writer_close(&l->writer, '}');
}


static void
ngx_s3jobs_element_end_array(ngx_s3jobs_listing_t *l,
    ngx_s3jobs_element_t *el)
{
    ngx_s3jobs_writer_close(&l->writer, ']');
}


static void
ngx_s3jobs_element_end_part(ngx_s3jobs_listing_t *l, ngx_s3jobs_element_t *el)
{
    ngx_s3jobs_element_copy(l, &l->pair[el->field - ngx_s3jobs_fields_entry]);
}


/* the first of two entries that have the same key is taken */

static void
ngx_s3jobs_element_end_entry(ngx_s3jobs_listing_t *l,
    ngx_s3jobs_element_t *el)
{
    ngx_str_t     *key, *value;
    const u_char  *name;

    key = &l->pair[0];
    value = &l->pair[1];

    if (key->data && value->data) {

        name = ngx_s3jobs_sax_keep(l->sax, key->data, key->len);

        if (name == NULL) {
            l->writer.fail(l, NULL);

        } else if (ngx_s3jobs_element_new_name(l, name, key->len) == NGX_OK) {
            ngx_s3jobs_writer_key(&l->writer, name, key->len);
            ngx_s3jobs_writer_open(&l->writer, '"');
            ngx_s3jobs_writer_text(&l->writer, NULL, value->data, value->len);
            ngx_s3jobs_writer_close(&l->writer, '"');
        }
    }

    free(key->data);
    free(value->data);

    key->data = NULL;
    value->data = NULL;
}


static void
ngx_s3jobs_element_end_unknown(ngx_s3jobs_listing_t *l,
    ngx_s3jobs_element_t *el)
{
    ngx_s3jobs_element_leaf(l, &el->name);
    ngx_s3jobs_element_unknown_key(l, el);

    ngx_s3jobs_writer_open(&l->writer, '"');
    ngx_s3jobs_writer_text(&l->writer, NULL, l->text, l->len);
    ngx_s3jobs_writer_close(&l->writer, '"');
}


/*
 * libxml2 knows the name, so that others need not look whether it is one; of
 * a:1 it is only part.
 */

static void
ngx_s3jobs_element_leaf(ngx_s3jobs_listing_t *l, ngx_str_t *name)
{
    u_char      c, *p;
    ngx_str_t  *s, *last;

    c = name->len ? ngx_tolower(name->data[0]) : '\0';

    if (c < 'a' || c > 'z' || name->len > NGX_S3JOBS_LISTING_LEAF_LEN) {
        return;
    }

    last = l->leaves + l->nleaves;

    for (s = l->leaves; s < last; s++) {
        if (s->len == name->len
            && ngx_memcmp(s->data, name->data, s->len) == 0)
        {
            return;
        }
    }

    if (l->nleaves == NGX_S3JOBS_LISTING_LEAVES) {
        return;
    }

    p = l->tags[l->nleaves++];

    s->data = ngx_cpymem(p, "</", 2);
    s->len = name->len;

    p = ngx_cpymem(s->data, name->data, name->len);
    *p = '>';
}


/* NGX_DECLINED if the current element has had it */

static ngx_int_t
ngx_s3jobs_element_new_name(ngx_s3jobs_listing_t *l, const u_char *name,
    size_t len)
{
    ngx_str_t  *s, *last;

    last = l->names + l->nnames;

    for (s = l->names + l->element->nnames; s < last; s++) {
        if (s->len == len && ngx_memcmp(s->data, name, len) == 0) {
            return NGX_DECLINED;
        }
    }

    if (l->nnames == NGX_S3JOBS_LISTING_NAMES_MAX) {
        ngx_s3jobs_sax_refuse(l->sax, "too many unknown elements");
        return NGX_ERROR;
    }

    s->data = (u_char *) name;
    s->len = len;

    l->nnames++;

    return NGX_OK;
}


static void
ngx_s3jobs_element_unknown_key(ngx_s3jobs_listing_t *l,
    ngx_s3jobs_element_t *el)
{
    static const ngx_str_t  comma = ngx_string(",");

    if (el->name.len) {
        ngx_s3jobs_writer_key(&l->writer, el->name.data, el->name.len);

    } else {
        ngx_s3jobs_writer_json(&l->writer, &comma, NULL, 0);
    }
}
