
/*
 * Copyright (C) the ngx_s3jobs_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <jansson.h>
#include <libxml/xmlmemory.h>
#include "ngx_s3jobs_credentials_doc.h"
#include "ngx_s3jobs_sax.h"
#include "ngx_s3jobs_wipe.h"


typedef struct {
    const char                    *json;
    const char                    *json2;
    const char                    *xml;
    const char                    *parent;      /* of the XML element */
    size_t                         offset;
    size_t                         max;
    const char                    *absent;
    const char                    *twice;
} ngx_s3jobs_doc_field_t;


typedef struct {
    ngx_s3jobs_credentials_doc_t  *doc;
    ngx_s3jobs_sax_t              *sax;
    ngx_uint_t                     value;       /* NVALUES: not in any */
    ngx_uint_t                     depth;
    ngx_uint_t                     parent_depth;
    const char                    *parent;
} ngx_s3jobs_doc_reader_t;


typedef struct {
    xmlFreeFunc                    free;
    xmlMallocFunc                  malloc;
    xmlReallocFunc                 realloc;
    xmlStrdupFunc                  strdup;
} ngx_s3jobs_doc_xml_memory_t;


static void ngx_s3jobs_doc_init(ngx_s3jobs_credentials_doc_t *doc);
static ngx_int_t ngx_s3jobs_doc_add(ngx_s3jobs_credentials_doc_t *doc,
    ngx_uint_t i, const u_char *p, size_t len);
static ngx_int_t ngx_s3jobs_doc_finish(ngx_s3jobs_credentials_doc_t *doc,
    ngx_uint_t required);
static ngx_int_t ngx_s3jobs_doc_expires(ngx_s3jobs_credentials_doc_t *doc);
static void ngx_s3jobs_doc_printable(ngx_str_t *s);
static ngx_int_t ngx_s3jobs_doc_json(ngx_s3jobs_credentials_doc_t *doc,
    json_t *root);
static void ngx_s3jobs_doc_start(void *data, const u_char *name,
    size_t len);
static void ngx_s3jobs_doc_root(ngx_s3jobs_doc_reader_t *r,
    const u_char *name, size_t len);
static void ngx_s3jobs_doc_text(void *data, const u_char *text,
    size_t len);
static void ngx_s3jobs_doc_end(void *data);
static void ngx_s3jobs_doc_refuse(ngx_s3jobs_doc_reader_t *r,
    const char *reason);
static ngx_uint_t ngx_s3jobs_doc_is(const u_char *name, size_t len,
    const char *s);
static void ngx_s3jobs_doc_wipe_xml(ngx_s3jobs_doc_xml_memory_t *m);
static void ngx_s3jobs_doc_restore_xml(ngx_s3jobs_doc_xml_memory_t *m);
static ngx_int_t ngx_s3jobs_time_digits(u_char **p, u_char *last,
    ngx_uint_t n, int min, int max, int *value);
static ngx_int_t ngx_s3jobs_time_offset(u_char **p, u_char *last,
    ngx_int_t *offset);


/* in the order of ngx_s3jobs_doc_value_e */

static const ngx_s3jobs_doc_field_t  ngx_s3jobs_doc_fields[] = {

    { "AccessKeyId", NULL, "AccessKeyId", "Credentials",
      offsetof(ngx_s3jobs_credentials_doc_t, key_id), NGX_S3JOBS_KEY_ID_MAX,
      "have no AccessKeyId", "have two AccessKeyIds" },

    { "SecretAccessKey", NULL, "SecretAccessKey", "Credentials",
      offsetof(ngx_s3jobs_credentials_doc_t, secret), NGX_S3JOBS_SECRET_MAX,
      "have no SecretAccessKey", "have two SecretAccessKeys" },

    { "Token", "SessionToken", "SessionToken", "Credentials",
      offsetof(ngx_s3jobs_credentials_doc_t, token), NGX_S3JOBS_TOKEN_MAX,
      "have no session token", "have two session tokens" },

    { "Expiration", NULL, "Expiration", "Credentials",
      offsetof(ngx_s3jobs_credentials_doc_t, expiration),
      NGX_S3JOBS_DOC_TIME_MAX,
      "have no Expiration", "have two Expirations" },

    { "Code", "code", "Code", "Error",
      offsetof(ngx_s3jobs_credentials_doc_t, code_buf),
      NGX_S3JOBS_DOC_CODE_MAX, NULL, "have two Codes" },

    { "Message", "message", "Message", "Error",
      offsetof(ngx_s3jobs_credentials_doc_t, message_buf),
      NGX_S3JOBS_DOC_MESSAGE_MAX, NULL, "have two Messages" }
};


static const ngx_s3jobs_sax_handler_t  ngx_s3jobs_doc_handler = {
    ngx_s3jobs_doc_start,
    ngx_s3jobs_doc_text,
    ngx_s3jobs_doc_end,
    NULL,
    NULL,
    NULL
};


ngx_int_t
ngx_s3jobs_credentials_json(ngx_str_t *text, ngx_uint_t required,
    ngx_s3jobs_credentials_doc_t *doc)
{
    json_t         *root;
    ngx_int_t       rc;
    json_free_t     free_fn;
    json_malloc_t   malloc_fn;

    ngx_s3jobs_doc_init(doc);

    /* of the whole process, so only as long as there is something to hide */

    json_get_alloc_funcs(&malloc_fn, &free_fn);
    json_set_alloc_funcs(ngx_s3jobs_wipe_malloc, ngx_s3jobs_wipe_free);

    root = json_loadb((char *) text->data, text->len, JSON_REJECT_DUPLICATES,
                      NULL);

    if (json_is_object(root)) {
        rc = ngx_s3jobs_doc_json(doc, root);

    } else {
        doc->error = "are not a JSON object";
        rc = NGX_ERROR;
    }

    json_decref(root);

    json_set_alloc_funcs(malloc_fn, free_fn);

    return rc == NGX_OK ? ngx_s3jobs_doc_finish(doc, required) : rc;
}


static ngx_int_t
ngx_s3jobs_doc_json(ngx_s3jobs_credentials_doc_t *doc, json_t *root)
{
    json_t                        *value;
    ngx_uint_t                     i;
    const ngx_s3jobs_doc_field_t  *field;

    for (i = 0; i < NGX_S3JOBS_DOC_NVALUES; i++) {
        field = &ngx_s3jobs_doc_fields[i];

        value = json_object_get(root, field->json);

        if (value == NULL && field->json2) {
            value = json_object_get(root, field->json2);
        }

        if (!json_is_string(value)) {
            continue;
        }

        if (ngx_s3jobs_doc_add(doc, i, (u_char *) json_string_value(value),
                               json_string_length(value))
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


ngx_int_t
ngx_s3jobs_credentials_xml(ngx_str_t *text, ngx_uint_t required,
    ngx_s3jobs_credentials_doc_t *doc)
{
    ngx_int_t                    rc;
    ngx_s3jobs_doc_reader_t      r;
    ngx_s3jobs_doc_xml_memory_t  memory;

    ngx_s3jobs_doc_init(doc);

    ngx_memzero(&r, sizeof(ngx_s3jobs_doc_reader_t));

    r.doc = doc;
    r.value = NGX_S3JOBS_DOC_NVALUES;

    ngx_s3jobs_doc_wipe_xml(&memory);

    rc = NGX_ERROR;

    r.sax = ngx_s3jobs_sax_create(&ngx_s3jobs_doc_handler, &r);

    if (r.sax
        && ngx_s3jobs_sax_feed(r.sax, text->data, text->len) == NGX_OK)
    {
        rc = ngx_s3jobs_sax_finish(r.sax);
    }

    ngx_s3jobs_sax_destroy(r.sax);

    ngx_s3jobs_doc_restore_xml(&memory);

    if (rc != NGX_OK) {
        if (doc->error == NULL) {
            doc->error = "are not well-formed XML";
        }

        return NGX_ERROR;
    }

    return ngx_s3jobs_doc_finish(doc, required);
}


static void
ngx_s3jobs_doc_start(void *data, const u_char *name, size_t len)
{
    ngx_s3jobs_doc_reader_t *r = data;

    ngx_uint_t                     i;
    const ngx_s3jobs_doc_field_t  *field;

    if (r->value != NGX_S3JOBS_DOC_NVALUES) {
        ngx_s3jobs_doc_refuse(r, "have an element within a value");
        return;
    }

    if (r->depth++ == 0) {
        ngx_s3jobs_doc_root(r, name, len);
        return;
    }

    if (r->parent == NULL) {

        if (ngx_s3jobs_doc_is(name, len, "Credentials")) {
            r->parent = "Credentials";

        } else if (ngx_s3jobs_doc_is(name, len, "Error")) {
            r->parent = "Error";
        }

        r->parent_depth = r->depth;

        return;
    }

    if (r->depth != r->parent_depth + 1) {
        return;
    }

    for (i = 0; i < NGX_S3JOBS_DOC_NVALUES; i++) {
        field = &ngx_s3jobs_doc_fields[i];

        if (!ngx_s3jobs_doc_is(name, len, field->xml)
            || ngx_strcmp(r->parent, field->parent) != 0)
        {
            continue;
        }

        if (r->doc->values[i].data) {
            ngx_s3jobs_doc_refuse(r, field->twice);
            return;
        }

        r->value = i;
        r->doc->values[i].data = (u_char *) r->doc + field->offset;

        return;
    }
}


static void
ngx_s3jobs_doc_root(ngx_s3jobs_doc_reader_t *r, const u_char *name,
    size_t len)
{
    if (!ngx_s3jobs_doc_is(name, len, "AssumeRoleResponse")
        && !ngx_s3jobs_doc_is(name, len, "AssumeRoleWithWebIdentityResponse")
        && !ngx_s3jobs_doc_is(name, len, "ErrorResponse"))
    {
        ngx_s3jobs_doc_refuse(r, "are not a document of STS");
    }
}


static void
ngx_s3jobs_doc_text(void *data, const u_char *text, size_t len)
{
    ngx_s3jobs_doc_reader_t *r = data;

    if (r->value != NGX_S3JOBS_DOC_NVALUES
        && ngx_s3jobs_doc_add(r->doc, r->value, text, len) != NGX_OK)
    {
        ngx_s3jobs_doc_refuse(r, r->doc->error);
    }
}


static void
ngx_s3jobs_doc_end(void *data)
{
    ngx_s3jobs_doc_reader_t *r = data;

    r->value = NGX_S3JOBS_DOC_NVALUES;

    if (r->parent && r->depth == r->parent_depth) {
        r->parent = NULL;
    }

    r->depth--;
}


static void
ngx_s3jobs_doc_refuse(ngx_s3jobs_doc_reader_t *r, const char *reason)
{
    r->doc->error = reason;

    ngx_s3jobs_sax_refuse(r->sax, reason);
}


static ngx_uint_t
ngx_s3jobs_doc_is(const u_char *name, size_t len, const char *s)
{
    return len == ngx_strlen(s) && ngx_memcmp(name, s, len) == 0;
}


/*
 * Blocks come and go while the functions are other ones, but all are of
 * malloc(); if somebody has set an allocator of his own, it stays.
 */

static void
ngx_s3jobs_doc_wipe_xml(ngx_s3jobs_doc_xml_memory_t *m)
{
    xmlMemGet(&m->free, &m->malloc, &m->realloc, &m->strdup);

    if (m->free == free && m->malloc == malloc) {
        xmlMemSetup(ngx_s3jobs_wipe_free, ngx_s3jobs_wipe_malloc,
                    ngx_s3jobs_wipe_realloc, ngx_s3jobs_wipe_strdup);
    }
}


static void
ngx_s3jobs_doc_restore_xml(ngx_s3jobs_doc_xml_memory_t *m)
{
    xmlMemSetup(m->free, m->malloc, m->realloc, m->strdup);
}


static void
ngx_s3jobs_doc_init(ngx_s3jobs_credentials_doc_t *doc)
{
    ngx_memzero(doc, sizeof(ngx_s3jobs_credentials_doc_t));
}


/* what is said to people may be cut, credentials may not */

static ngx_int_t
ngx_s3jobs_doc_add(ngx_s3jobs_credentials_doc_t *doc, ngx_uint_t i,
    const u_char *p, size_t len)
{
    ngx_str_t                     *v;
    const ngx_s3jobs_doc_field_t  *field;

    v = &doc->values[i];
    field = &ngx_s3jobs_doc_fields[i];

    v->data = (u_char *) doc + field->offset;

    if (len > field->max - v->len) {

        if (i < NGX_S3JOBS_DOC_CODE) {
            doc->error = "have a value that is too long";
            return NGX_ERROR;
        }

        len = field->max - v->len;
    }

    ngx_memcpy(v->data + v->len, p, len);
    v->len += len;

    return NGX_OK;
}


static ngx_int_t
ngx_s3jobs_doc_finish(ngx_s3jobs_credentials_doc_t *doc, ngx_uint_t required)
{
    ngx_uint_t  i;

    required |= 1 << NGX_S3JOBS_DOC_KEY_ID | 1 << NGX_S3JOBS_DOC_SECRET;

    ngx_s3jobs_doc_printable(&doc->values[NGX_S3JOBS_DOC_CODE]);
    ngx_s3jobs_doc_printable(&doc->values[NGX_S3JOBS_DOC_MESSAGE]);

    doc->code = doc->values[NGX_S3JOBS_DOC_CODE];
    doc->message = doc->values[NGX_S3JOBS_DOC_MESSAGE];

    if (doc->code.len
        && !ngx_s3jobs_doc_is(doc->code.data, doc->code.len, "Success"))
    {
        return NGX_DECLINED;
    }

    for (i = 0; i < NGX_S3JOBS_DOC_CODE; i++) {
        if (doc->values[i].len == 0 && (required & (1 << i))) {
            doc->error = ngx_s3jobs_doc_fields[i].absent;
            return NGX_ERROR;
        }
    }

    doc->credentials.access_key_id = doc->values[NGX_S3JOBS_DOC_KEY_ID];
    doc->credentials.secret_access_key = doc->values[NGX_S3JOBS_DOC_SECRET];
    doc->credentials.session_token = doc->values[NGX_S3JOBS_DOC_TOKEN];

    if (ngx_s3jobs_doc_expires(doc) != NGX_OK) {
        return NGX_ERROR;
    }

    doc->error = ngx_s3jobs_credentials_check(&doc->credentials);

    return doc->error ? NGX_ERROR : NGX_OK;
}


static ngx_int_t
ngx_s3jobs_doc_expires(ngx_s3jobs_credentials_doc_t *doc)
{
    time_t      t;
    ngx_str_t  *value;

    value = &doc->values[NGX_S3JOBS_DOC_EXPIRATION];

    if (value->len == 0) {
        doc->credentials.expires = 0;
        return NGX_OK;
    }

    t = ngx_s3jobs_parse_time(value);

    if (t == NGX_ERROR) {
        doc->error = "have an unreadable Expiration";
        return NGX_ERROR;
    }

    /* 0 means that they never expire */

    doc->credentials.expires = ngx_max(t, 1);

    return NGX_OK;
}


static void
ngx_s3jobs_doc_printable(ngx_str_t *s)
{
    size_t  i;

    for (i = 0; i < s->len; i++) {
        if (s->data[i] < 0x20 || s->data[i] > 0x7e) {
            s->data[i] = '?';
        }
    }
}


/* timegm() takes 30 February for 2 March, and says so in tm_mday */

time_t
ngx_s3jobs_parse_time(ngx_str_t *text)
{
    int         day;
    u_char     *p, *last;
    time_t      t;
    ngx_int_t   offset;
    struct tm   tm;

    p = text->data;
    last = p + text->len;

    ngx_memzero(&tm, sizeof(struct tm));

    if (ngx_s3jobs_time_digits(&p, last, 4, 1970, 9999, &tm.tm_year) != NGX_OK
        || p == last || *p++ != '-'
        || ngx_s3jobs_time_digits(&p, last, 2, 1, 12, &tm.tm_mon) != NGX_OK
        || p == last || *p++ != '-'
        || ngx_s3jobs_time_digits(&p, last, 2, 1, 31, &tm.tm_mday) != NGX_OK
        || p == last || (*p != 'T' && *p != 't' && *p != ' '))
    {
        return NGX_ERROR;
    }

    p++;

    if (ngx_s3jobs_time_digits(&p, last, 2, 0, 23, &tm.tm_hour) != NGX_OK
        || p == last || *p++ != ':'
        || ngx_s3jobs_time_digits(&p, last, 2, 0, 59, &tm.tm_min) != NGX_OK
        || p == last || *p++ != ':'
        || ngx_s3jobs_time_digits(&p, last, 2, 0, 60, &tm.tm_sec) != NGX_OK
        || ngx_s3jobs_time_offset(&p, last, &offset) != NGX_OK)
    {
        return NGX_ERROR;
    }

    day = tm.tm_mday;

    tm.tm_year -= 1900;
    tm.tm_mon--;
    tm.tm_sec = ngx_min(tm.tm_sec, 59);

    t = timegm(&tm);

    return tm.tm_mday == day ? t - offset : NGX_ERROR;
}


static ngx_int_t
ngx_s3jobs_time_digits(u_char **p, u_char *last, ngx_uint_t n, int min,
    int max, int *value)
{
    *value = 0;

    while (n--) {
        if (*p == last || **p < '0' || **p > '9') {
            return NGX_ERROR;
        }

        *value = *value * 10 + (*(*p)++ - '0');
    }

    return *value >= min && *value <= max ? NGX_OK : NGX_ERROR;
}


/* the fraction, and the zone to the end of the text */

static ngx_int_t
ngx_s3jobs_time_offset(u_char **p, u_char *last, ngx_int_t *offset)
{
    int         hour, min;
    u_char     *fraction;
    ngx_int_t   sign;

    if (*p < last && **p == '.') {
        fraction = ++*p;

        while (*p < last && **p >= '0' && **p <= '9') {
            (*p)++;
        }

        if (*p == fraction) {
            return NGX_ERROR;
        }
    }

    *offset = 0;

    if (*p == last) {
        return NGX_ERROR;
    }

    switch (*(*p)++) {

    case 'Z':
    case 'z':
        return *p == last ? NGX_OK : NGX_ERROR;

    case '+':
        sign = 1;
        break;

    case '-':
        sign = -1;
        break;

    default:
        return NGX_ERROR;
    }

    if (ngx_s3jobs_time_digits(p, last, 2, 0, 23, &hour) != NGX_OK
        || *p == last || *(*p)++ != ':'
        || ngx_s3jobs_time_digits(p, last, 2, 0, 59, &min) != NGX_OK
        || *p != last)
    {
        return NGX_ERROR;
    }

    *offset = sign * (hour * 3600 + min * 60);

    return NGX_OK;
}
