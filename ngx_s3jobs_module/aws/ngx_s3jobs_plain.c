
/*
 * Copyright (C) the ngx_s3jobs_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_s3jobs_element.h"
#include "ngx_s3jobs_plain.h"


/*
 * Nearly every byte of a listing stands in entries of one plain shape.  An
 * entry is a transaction: its JSON is made in a buffer on the stack; if the
 * entry is whole and plain it is written and libxml2 never sees it, else
 * nothing has happened.  libxml2 judges all that is unusual and every error,
 * and so is the oracle that t/unit/test_plain.c compares this with.
 *
 * Left to libxml2 are, in an entry: attributes, character references, CDATA
 * sections, comments, processing instructions; elements that are unknown and
 * have children, or that it has not seen in this document; a second element
 * of one name; text beside elements; white space inside of tags and around
 * numbers; numbers that are none; DEL, controls, U+2028, U+2029, U+FFFE,
 * U+FFFF; what does not fit a block of the parser.  Outside of the entries:
 * all but the XML declaration for UTF-8, the root, with the namespace that
 * S3 gives it or none, Jobs, a NextToken that needs no escape, and white
 * space.  What follows such an entry may be plain again, but nothing behind a
 * CDATA section, comment or processing instruction is.
 */


#define NGX_S3JOBS_PLAIN_NAMESPACE                                           \
    " xmlns=\"http://awss3control.amazonaws.com/doc/2018-08-20/\""


/*
 * JSON is at most twice as long: "\n" of a line feed, ,"a":"" of <a/>; and
 * whatever is copied, words are.
 */
#define NGX_S3JOBS_PLAIN_JSON_MAX  (2 * NGX_S3JOBS_SAX_TEXT_MAX + 64)


/*
 * Bytes of a word that need a closer look have their highest bit set, and
 * perhaps others behind the first of them: by the first line DEL and what is
 * not ASCII, by the second controls and " $ % & ', by the third < and >.  A
 * space is none, since 0x06 swaps it with &.
 */

#define ngx_s3jobs_plain_bytes(c)  (0x0101010101010101ULL * (c))

#define ngx_s3jobs_plain_special(v)                                          \
    ((((v) + ngx_s3jobs_plain_bytes(1))                                      \
      | (((v) ^ ngx_s3jobs_plain_bytes(0x06)) - ngx_s3jobs_plain_bytes(0x25))\
      | ((((v) | ngx_s3jobs_plain_bytes(2)) ^ ngx_s3jobs_plain_bytes('>'))   \
         - ngx_s3jobs_plain_bytes(1))                                        \
      | (((v) ^ ngx_s3jobs_plain_bytes('\\')) - ngx_s3jobs_plain_bytes(1)))  \
     & ngx_s3jobs_plain_bytes(0x80))


typedef struct {
    u_char                *p;        /* in the text; zeros end it */
    u_char                *d;        /* where JSON goes */
    ngx_s3jobs_listing_t  *l;
} ngx_s3jobs_plain_t;


typedef struct {
    ngx_str_t              xml;
    u_char                 c;
} ngx_s3jobs_plain_entity_t;


static ngx_int_t ngx_s3jobs_plain_head(ngx_s3jobs_listing_t *l,
    ngx_s3jobs_sax_text_t *t);
static ngx_int_t ngx_s3jobs_plain_root(ngx_s3jobs_listing_t *l,
    ngx_s3jobs_sax_text_t *t);
static ngx_int_t ngx_s3jobs_plain_token(ngx_s3jobs_listing_t *l,
    ngx_s3jobs_sax_text_t *t, u_char *p, const ngx_str_t *name);
static ngx_int_t ngx_s3jobs_plain_entries(ngx_s3jobs_listing_t *l,
    ngx_s3jobs_sax_text_t *t);
static void ngx_s3jobs_plain_write(ngx_s3jobs_listing_t *l, u_char *p,
    u_char *last);
static ngx_int_t ngx_s3jobs_plain_object(ngx_s3jobs_plain_t *s,
    const ngx_s3jobs_field_t *fields, const ngx_str_t *name);
static ngx_int_t ngx_s3jobs_plain_value(ngx_s3jobs_plain_t *s,
    const ngx_s3jobs_field_t *field);
static ngx_int_t ngx_s3jobs_plain_nested(ngx_s3jobs_plain_t *s,
    const ngx_s3jobs_field_t *field);
static ngx_int_t ngx_s3jobs_plain_unknown(ngx_s3jobs_plain_t *s,
    const ngx_s3jobs_field_t *fields, uint32_t *seen);
static ngx_int_t ngx_s3jobs_plain_number(ngx_s3jobs_plain_t *s,
    const ngx_s3jobs_field_t *field);
static ngx_int_t ngx_s3jobs_plain_string(ngx_s3jobs_plain_t *s,
    const ngx_str_t *name);
static ngx_int_t ngx_s3jobs_plain_escape(ngx_s3jobs_plain_t *s);
static ngx_int_t ngx_s3jobs_plain_entity(ngx_s3jobs_plain_t *s);
static ngx_inline ngx_uint_t ngx_s3jobs_plain_is(u_char *p,
    const ngx_str_t *s);
static ngx_inline ngx_uint_t ngx_s3jobs_plain_opens(u_char *p,
    const ngx_str_t *name);
static ngx_inline ngx_uint_t ngx_s3jobs_plain_closes(u_char *p,
    const ngx_str_t *name);
static ngx_inline u_char *ngx_s3jobs_plain_key(u_char *d,
    const ngx_s3jobs_field_t *field);
static ngx_inline u_char *ngx_s3jobs_plain_blanks(u_char *p);
static ngx_int_t ngx_s3jobs_plain_failed(u_char *p, u_char *last);


/* what an entry may be called */

static const ngx_str_t  ngx_s3jobs_plain_names[] = {
    ngx_s3jobs_name("member"),
    ngx_s3jobs_name("JobListDescriptor")
};


static const ngx_s3jobs_plain_entity_t  ngx_s3jobs_plain_entities[] = {
    { ngx_string("&amp;"), '&' },
    { ngx_string("&lt;"), '<' },
    { ngx_string("&gt;"), '>' },
    { ngx_string("&quot;"), '"' },
    { ngx_string("&apos;"), '\'' },
    { ngx_null_string, '\0' }
};


ngx_int_t
ngx_s3jobs_plain_take(void *data, ngx_s3jobs_sax_text_t *t)
{
    ngx_s3jobs_listing_t *l = data;

    ngx_int_t              rc;
    ngx_s3jobs_element_t  *el;

    do {
        el = l->element;

        if (el->kind == &ngx_s3jobs_element_jobs) {
            rc = ngx_s3jobs_plain_entries(l, t);

        } else if (!t->whole) {
            rc = NGX_DECLINED;

        } else if (el != l->elements) {
            rc = ngx_s3jobs_plain_root(l, t);

        } else {
            rc = ngx_s3jobs_plain_head(l, t);
        }

    } while (rc == NGX_OK
             && t->pos < t->last
             && ngx_s3jobs_sax_error(l->sax) == NULL);

    t->done = (l->root && l->element == l->elements);

    return rc;
}


/* what stands before the root's children, and behind the root */

static ngx_int_t
ngx_s3jobs_plain_head(ngx_s3jobs_listing_t *l, ngx_s3jobs_sax_text_t *t)
{
    u_char           *p;
    const ngx_str_t  *root;

    /* in lower case, as the parser has left it */

    static const ngx_str_t  declarations[] = {
        ngx_string("<?xml version=\"1.0\" encoding=\"utf-8\"?>"),
        ngx_string("<?xml version=\"1.0\"?>")
    };
    static const ngx_str_t  xmlns = ngx_string(NGX_S3JOBS_PLAIN_NAMESPACE);

    p = t->pos;
    root = &l->document->root;

    if (l->root) {
        p = ngx_s3jobs_plain_blanks(p);

        if (p < t->last) {
            return NGX_DECLINED;
        }

        t->pos = p;
        return NGX_OK;
    }

    if (ngx_s3jobs_plain_is(p, &declarations[0])) {
        p += declarations[0].len;

    } else if (ngx_s3jobs_plain_is(p, &declarations[1])) {
        p += declarations[1].len;
    }

    p = ngx_s3jobs_plain_blanks(p);

    if (*p++ != '<' || !ngx_s3jobs_plain_is(p, root)) {
        return NGX_DECLINED;
    }

    p += root->len;

    if (ngx_s3jobs_plain_is(p, &xmlns)) {
        p += xmlns.len;
    }

    if (*p != '>') {
        return NGX_DECLINED;
    }

    t->pos = p + 1;

    ngx_s3jobs_element_start(l, root->data, root->len);

    return NGX_OK;
}


/* one child of the root, or its end */

static ngx_int_t
ngx_s3jobs_plain_root(ngx_s3jobs_listing_t *l, ngx_s3jobs_sax_text_t *t)
{
    u_char                    *p;
    const ngx_s3jobs_field_t  *field;

    p = ngx_s3jobs_plain_blanks(t->pos);

    if (p == t->last) {
        t->pos = p;
        return NGX_OK;
    }

    if (ngx_s3jobs_plain_closes(p, &l->document->root)) {
        t->pos = p + l->document->root.len + 3;
        ngx_s3jobs_element_end(l);

        return NGX_OK;
    }

    if (*p != '<') {
        return NGX_DECLINED;
    }

    for (field = l->document->fields;
         field->type != NGX_S3JOBS_FIELD_LAST
         && !ngx_s3jobs_plain_opens(p + 1, &field->name);
         field++)
    {
        /* void */
    }

    if (field->type == NGX_S3JOBS_FIELD_LAST) {
        return ngx_s3jobs_plain_failed(p, t->last);
    }

    p += 1 + field->name.len;

    if (*p == '/') {
        t->pos = p + 2;
        ngx_s3jobs_element_start(l, field->name.data, field->name.len);

        if (ngx_s3jobs_sax_error(l->sax) == NULL) {
            ngx_s3jobs_element_end(l);
        }

        return NGX_OK;
    }

    if (field->type == NGX_S3JOBS_FIELD_TOKEN) {
        return ngx_s3jobs_plain_token(l, t, p + 1, &field->name);
    }

    t->pos = p + 1;
    ngx_s3jobs_element_start(l, field->name.data, field->name.len);

    return NGX_OK;
}


static ngx_int_t
ngx_s3jobs_plain_token(ngx_s3jobs_listing_t *l, ngx_s3jobs_sax_text_t *t,
    u_char *p, const ngx_str_t *name)
{
    u_char  *end;

    for (end = p; *end > ' ' && *end < 0x7f; end++) {
        if (*end == '<' || *end == '>' || *end == '&') {
            break;
        }
    }

    if (!ngx_s3jobs_plain_closes(end, name)) {
        return ngx_s3jobs_plain_failed(end, t->last);
    }

    ngx_s3jobs_element_start(l, name->data, name->len);

    if (p < end) {
        ngx_s3jobs_element_text(l, p, end - p);
    }

    if (ngx_s3jobs_sax_error(l->sax) == NULL) {
        ngx_s3jobs_element_end(l);
    }

    t->pos = end + name->len + 3;

    return NGX_OK;
}


static ngx_int_t
ngx_s3jobs_plain_entries(ngx_s3jobs_listing_t *l, ngx_s3jobs_sax_text_t *t)
{
    u_char              *p, buf[NGX_S3JOBS_PLAIN_JSON_MAX];
    const ngx_str_t     *name;
    ngx_s3jobs_plain_t   s;

    s.l = l;

    do {
        p = ngx_s3jobs_plain_blanks(t->pos);

        if (p == t->last) {
            t->pos = p;
            return NGX_OK;
        }

        name = &ngx_s3jobs_plain_names[l->entry];

        if (*p != '<' || !ngx_s3jobs_plain_opens(p + 1, name)) {

            if (t->whole
                && ngx_s3jobs_plain_closes(p, &l->element->field->name))
            {
                t->pos = p + l->element->field->name.len + 3;
                ngx_s3jobs_element_end(l);

                return NGX_OK;
            }

            l->entry = !l->entry;
            name = &ngx_s3jobs_plain_names[l->entry];

            if (*p != '<' || !ngx_s3jobs_plain_opens(p + 1, name)) {
                l->entry = !l->entry;
                return ngx_s3jobs_plain_failed(p, t->last);
            }
        }

        s.p = p + 1 + name->len;
        s.d = buf;

        if (*s.p == '/') {
            s.p += 2;

        } else {
            s.p++;

            if (ngx_s3jobs_plain_object(&s, l->element->fields, name)
                != NGX_OK)
            {
                return ngx_s3jobs_plain_failed(s.p, t->last);
            }
        }

        t->pos = s.p;
        ngx_s3jobs_plain_write(l, buf, s.d);

    } while (!l->writer.failed);

    return NGX_ERROR;
}


static void
ngx_s3jobs_plain_write(ngx_s3jobs_listing_t *l, u_char *p, u_char *last)
{
    ngx_str_t  json;

    json.data = p;
    json.len = last - p;

    ngx_s3jobs_writer_job(&l->writer);

    if (json.len) {
        ngx_s3jobs_writer_json(&l->writer, &json, NULL, 0);
    }

    ngx_s3jobs_writer_job_end(&l->writer);

    l->plain++;
}


/*
 * What follows takes s->p behind an element and s->d behind its JSON; where
 * it does not return NGX_OK, s->p is the place that is not plain.
 */

static ngx_int_t
ngx_s3jobs_plain_object(ngx_s3jobs_plain_t *s,
    const ngx_s3jobs_field_t *fields, const ngx_str_t *name)
{
    u_char                    *p;
    uint32_t                   seen, unknown;
    ngx_int_t                  rc;
    ngx_uint_t                 i;
    const ngx_s3jobs_field_t  *field;

    i = 0;
    seen = 0;
    unknown = 0;

    for ( ;; ) {
        p = ngx_s3jobs_plain_blanks(s->p);
        s->p = p;

        if (*p++ != '<') {
            return NGX_DECLINED;
        }

        if (*p == '/') {
            if (!ngx_s3jobs_plain_closes(p - 1, name)) {
                return NGX_DECLINED;
            }

            s->p += name->len + 3;
            return NGX_OK;
        }

        /* fields come in the order of the table, most of the time */

        field = &fields[i];

        if (field->type == NGX_S3JOBS_FIELD_LAST
            || !ngx_s3jobs_plain_opens(p, &field->name))
        {
            for (i = 0; fields[i].type != NGX_S3JOBS_FIELD_LAST; i++) {
                if (ngx_s3jobs_plain_opens(p, &fields[i].name)) {
                    break;
                }
            }

            field = &fields[i];
        }

        if (field->type == NGX_S3JOBS_FIELD_LAST) {
            rc = ngx_s3jobs_plain_unknown(s, fields, &unknown);

        } else {
            if (seen & (1u << i)) {
                return NGX_DECLINED;
            }

            seen |= 1u << i++;

            s->p = p + field->name.len;
            rc = ngx_s3jobs_plain_value(s, field);
        }

        if (rc != NGX_OK) {
            return rc;
        }
    }
}


static ngx_int_t
ngx_s3jobs_plain_value(ngx_s3jobs_plain_t *s, const ngx_s3jobs_field_t *field)
{
    switch (field->type) {

    case NGX_S3JOBS_FIELD_STRING:
        s->d = ngx_s3jobs_plain_key(s->d, field);
        return ngx_s3jobs_plain_string(s, &field->name);

    case NGX_S3JOBS_FIELD_NUMBER:
        return ngx_s3jobs_plain_number(s, field);

    case NGX_S3JOBS_FIELD_OBJECT:
        return ngx_s3jobs_plain_nested(s, field);

    default:
        return NGX_DECLINED;
    }
}


/* the bracket stands where the comma before the first key is not wanted */

static ngx_int_t
ngx_s3jobs_plain_nested(ngx_s3jobs_plain_t *s,
    const ngx_s3jobs_field_t *field)
{
    u_char  *start;

    s->d = ngx_s3jobs_plain_key(s->d, field);
    start = s->d;

    if (*s->p == '/') {
        s->p += 2;

    } else {
        s->p++;

        if (ngx_s3jobs_plain_object(s, field->fields, &field->name)
            != NGX_OK)
        {
            return NGX_DECLINED;
        }
    }

    if (s->d == start) {
        s->d++;
    }

    *start = '{';
    *s->d++ = '}';

    return NGX_OK;
}


static ngx_int_t
ngx_s3jobs_plain_unknown(ngx_s3jobs_plain_t *s,
    const ngx_s3jobs_field_t *fields, uint32_t *seen)
{
    ngx_str_t   *name;
    ngx_uint_t   i;

    for (i = 0; i < s->l->nleaves; i++) {
        name = &s->l->leaves[i];

        if (!ngx_s3jobs_plain_opens(s->p + 1, name)) {
            continue;
        }

        if ((*seen & (1u << i))
            || ngx_s3jobs_element_is_key(fields, name->data, name->len))
        {
            return NGX_DECLINED;
        }

        *seen |= 1u << i;

        s->d = ngx_cpymem(s->d, ",\"", 2);
        s->d = ngx_cpymem(s->d, name->data, name->len);
        s->d = ngx_cpymem(s->d, "\":\"", 3);

        s->p += 1 + name->len;

        return ngx_s3jobs_plain_string(s, name);
    }

    return NGX_DECLINED;
}


/* JSON's numbers; an empty one is left out */

static ngx_int_t
ngx_s3jobs_plain_number(ngx_s3jobs_plain_t *s,
    const ngx_s3jobs_field_t *field)
{
    u_char  *p, *start;

    if (*s->p == '/') {
        s->p += 2;
        return NGX_OK;
    }

    start = s->p + 1;
    p = start;

    if (*p == '-') {
        p++;
    }

    if (*p == '0') {
        p++;

    } else {
        while (*p >= '0' && *p <= '9') {
            p++;
        }
    }

    s->p = p;

    if (!ngx_s3jobs_plain_closes(p, &field->name)) {
        return NGX_DECLINED;
    }

    if (p > start) {
        if (p[-1] == '-') {
            return NGX_DECLINED;
        }

        s->d = ngx_s3jobs_plain_key(s->d, field);

        if (p - start > NGX_S3JOBS_SAX_ZEROS) {
            s->d = ngx_cpymem(s->d, start, p - start);

        } else {
            ngx_memcpy(s->d, start, NGX_S3JOBS_SAX_ZEROS);
            s->d += p - start;
        }
    }

    s->p = p + field->name.len + 3;

    return NGX_OK;
}


static ngx_int_t
ngx_s3jobs_plain_string(ngx_s3jobs_plain_t *s, const ngx_str_t *name)
{
    u_char    *p, *d;
    uint64_t   v;

    if (*s->p == '/') {
        s->p += 2;
        *s->d++ = '"';
        return NGX_OK;
    }

    p = s->p + 1;
    d = s->d;

    for ( ;; ) {

        for ( ;; ) {
            ngx_memcpy(&v, p, 8);
            ngx_memcpy(d, &v, 8);

            v = ngx_s3jobs_plain_special(v);

            if (v) {
                break;
            }

            p += 8;
            d += 8;
        }

#if (NGX_HAVE_LITTLE_ENDIAN && defined __GNUC__)
        p += __builtin_ctzll(v) / 8;
        d += __builtin_ctzll(v) / 8;
#endif

        s->p = p;

        if (*p == '<') {
            break;
        }

        s->d = d;

        if (ngx_s3jobs_plain_escape(s) != NGX_OK) {
            return NGX_DECLINED;
        }

        p = s->p;
        d = s->d;
    }

    if (!ngx_s3jobs_plain_closes(p, name)) {
        return NGX_DECLINED;
    }

    *d++ = '"';

    s->d = d;
    s->p = p + name->len + 3;

    return NGX_OK;
}


static ngx_int_t
ngx_s3jobs_plain_escape(ngx_s3jobs_plain_t *s)
{
    u_char  c, *p;

    p = s->p;
    c = *p;

    switch (c) {

    case '&':
        return ngx_s3jobs_plain_entity(s);

    case '\t':
        c = 't';
        break;

    case '\n':
        c = 'n';
        break;

    case '"':
    case '\\':
        break;

    case '>':
        if (p[-1] == ']' && p[-2] == ']') {
            return NGX_DECLINED;
        }

        /* fall through */

    default:
        if (c < 0x20 || c == 0x7f) {
            return NGX_DECLINED;
        }

        do {
            if ((p[0] == 0xe2 && p[1] == 0x80 && (p[2] & 0xfe) == 0xa8)
                || (p[0] == 0xef && p[1] == 0xbf && p[2] >= 0xbe))
            {
                return NGX_DECLINED;
            }

            *s->d++ = *p++;

        } while (*p >= 0x80);

        s->p = p;
        return NGX_OK;
    }

    *s->d++ = '\\';
    *s->d++ = c;
    s->p++;

    return NGX_OK;
}


static ngx_int_t
ngx_s3jobs_plain_entity(ngx_s3jobs_plain_t *s)
{
    const ngx_s3jobs_plain_entity_t  *e;

    for (e = ngx_s3jobs_plain_entities; e->xml.len; e++) {

        if (!ngx_s3jobs_plain_is(s->p, &e->xml)) {
            continue;
        }

        if (e->c == '"') {
            *s->d++ = '\\';
        }

        *s->d++ = e->c;
        s->p += e->xml.len;

        return NGX_OK;
    }

    return NGX_DECLINED;
}


static ngx_inline ngx_uint_t
ngx_s3jobs_plain_is(u_char *p, const ngx_str_t *s)
{
    return ngx_s3jobs_field_same(p, s->data, s->len);
}


/* a start tag, or one of an empty element, behind its '<' */

static ngx_inline ngx_uint_t
ngx_s3jobs_plain_opens(u_char *p, const ngx_str_t *name)
{
    if (ngx_s3jobs_field_same(p, name->data, name->len + 1)) {
        return 1;
    }

    return ngx_s3jobs_plain_is(p, name)
           && p[name->len] == '/' && p[name->len + 1] == '>';
}


static ngx_inline ngx_uint_t
ngx_s3jobs_plain_closes(u_char *p, const ngx_str_t *name)
{
    return ngx_s3jobs_field_same(p, name->data - 2, name->len + 3);
}


static ngx_inline u_char *
ngx_s3jobs_plain_key(u_char *d, const ngx_s3jobs_field_t *field)
{
    size_t  n;

    n = field->key.len;

    ngx_memcpy(d, field->key.data, NGX_S3JOBS_FIELD_COPY);

    if (n > NGX_S3JOBS_FIELD_COPY) {
        ngx_memcpy(d, field->key.data, n);
    }

    return d + n;
}


static ngx_inline u_char *
ngx_s3jobs_plain_blanks(u_char *p)
{
    while (*p <= ' ' && (*p == ' ' || *p == '\n' || *p == '\t')) {
        p++;
    }

    return p;
}


/* a tag that does not end yet may become another one */

static ngx_int_t
ngx_s3jobs_plain_failed(u_char *p, u_char *last)
{
    return memchr(p, '>', last - p) ? NGX_DECLINED : NGX_AGAIN;
}


/*
 * Up to the next entry, other than one at t->pos, which has been declined.
 * What libxml2 makes of a comment, a CDATA section or a processing
 * instruction depends on the pieces that it gets, so that none is to be cut.
 */

size_t
ngx_s3jobs_plain_border(void *data, ngx_s3jobs_sax_text_t *t)
{
    ngx_s3jobs_listing_t *l = data;

    u_char           *p;
    const ngx_str_t  *name;

    name = &ngx_s3jobs_plain_names[l->entry];

    t->stop = (t->open && (*t->pos == '!' || *t->pos == '?'));

    for (p = t->pos; p < t->last && !t->stop; p++) {

        p = memchr(p, '<', t->last - p);

        if (p == NULL) {
            break;
        }

        if (p > t->pos && ngx_s3jobs_plain_opens(p + 1, name)) {
            return p - t->pos;
        }

        t->stop = (p[1] == '!' || p[1] == '?');
    }

    return t->last - t->pos;
}


u_char *
ngx_s3jobs_plain_replay(void *data, u_char *p)
{
    ngx_s3jobs_listing_t *l = data;

    const ngx_str_t  *root, *jobs;

    if (!l->root) {
        return p;
    }

    root = &l->document->root;

    *p++ = '<';
    p = ngx_cpymem(p, root->data, root->len);

    if (l->element == l->elements) {
        *p++ = '/';
    }

    *p++ = '>';

    if (l->element->kind == &ngx_s3jobs_element_jobs) {
        jobs = &l->element->field->name;

        *p++ = '<';
        p = ngx_cpymem(p, jobs->data, jobs->len);
        *p++ = '>';
    }

    return p;
}
