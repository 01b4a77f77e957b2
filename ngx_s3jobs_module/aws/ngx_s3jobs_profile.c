
/*
 * Copyright (C) the ngx_s3jobs_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_s3jobs_profile.h"


#define NGX_S3JOBS_PROFILE_KEY_ID     0
#define NGX_S3JOBS_PROFILE_SECRET     1
#define NGX_S3JOBS_PROFILE_TOKEN      2
#define NGX_S3JOBS_PROFILE_OLD_TOKEN  3
#define NGX_S3JOBS_PROFILE_NKEYS      4

/* what a line of a profile is */

#define NGX_S3JOBS_PROFILE_SECTION  1
#define NGX_S3JOBS_PROFILE_OPTION   2
#define NGX_S3JOBS_PROFILE_MORE     3

/* the section whose options all others have, too */

#define NGX_S3JOBS_PROFILE_DEFAULT  "DEFAULT"

#define NGX_S3JOBS_PROFILE_NHASHES  32768

#define ngx_s3jobs_profile_space(c)                                           \
    ((c) == ' ' || ((c) >= '\t' && (c) <= '\r') || ((c) >= 0x1c && (c) < ' '))


typedef struct {
    ngx_str_t    name;
    size_t       max;
    const char  *absent;      /* for ngx_s3jobs_credentials_check() */
    const char  *unusable;
    const char  *no_key;      /* for ngx_s3jobs_credentials_profile() */
    const char  *no_value;
    const char  *bad_value;
} ngx_s3jobs_profile_key_t;


typedef struct {
    ngx_str_t    name;
    ngx_uint_t   first;       /* counts even if there are keys */
    const char  *err;
} ngx_s3jobs_profile_kind_t;


typedef struct {
    ngx_str_t    value;
    ngx_uint_t   line;        /* 0: not there */
    ngx_uint_t   more;        /* first line that continues it, 0: none */
} ngx_s3jobs_profile_value_t;


typedef struct {
    u_char      *pos;
    u_char      *last;
    const char  *err;
    ngx_uint_t   line;
    size_t       indent;      /* of the section header or option */
    ngx_str_t    section;     /* len 0: before the first one */
    ngx_str_t    option;      /* len 0: after a section header */
    ngx_str_t    value;
} ngx_s3jobs_profile_reader_t;


static ngx_uint_t ngx_s3jobs_profile_usable(ngx_uint_t n, ngx_str_t *value);
static ngx_int_t ngx_s3jobs_profile_collect(ngx_s3jobs_profile_reader_t *r,
    ngx_str_t *profile, ngx_s3jobs_profile_value_t *own,
    ngx_s3jobs_profile_value_t *common, ngx_uint_t *header);
static const char *ngx_s3jobs_profile_other(
    ngx_s3jobs_profile_value_t *values, ngx_uint_t *line);
static ngx_s3jobs_profile_value_t *ngx_s3jobs_profile_find(
    ngx_s3jobs_profile_value_t *values, ngx_str_t *option);
static ngx_uint_t ngx_s3jobs_profile_twice(ngx_s3jobs_profile_reader_t *r,
    ngx_s3jobs_profile_reader_t *from, uint32_t *seen);
static ngx_uint_t ngx_s3jobs_profile_hash(ngx_s3jobs_profile_reader_t *r);
static ngx_int_t ngx_s3jobs_profile_next(ngx_s3jobs_profile_reader_t *r);
static ngx_int_t ngx_s3jobs_profile_item(ngx_s3jobs_profile_reader_t *r,
    ngx_str_t *text, size_t indent);
static ngx_uint_t ngx_s3jobs_profile_header(ngx_str_t *text, ngx_str_t *name);
static void ngx_s3jobs_profile_strip(ngx_str_t *s);
static ngx_uint_t ngx_s3jobs_profile_equal(ngx_str_t *a, ngx_str_t *b);
static ngx_uint_t ngx_s3jobs_profile_case_equal(ngx_str_t *a, ngx_str_t *b);


static ngx_s3jobs_profile_key_t  ngx_s3jobs_profile_keys[] = {

    { ngx_string("aws_access_key_id"),
      NGX_S3JOBS_KEY_ID_MAX,
      "lack the access key id",
      "have an access key id that is too long, or has a character other than "
      "visible ASCII, or a \"/\" or \",\"",
      "has no aws_access_key_id",
      "has an empty aws_access_key_id",
      "has an aws_access_key_id that is too long, or has a character other "
      "than visible ASCII, or a \"/\" or \",\"" },

    { ngx_string("aws_secret_access_key"),
      NGX_S3JOBS_SECRET_MAX,
      "lack the secret access key",
      "have a secret access key that is too long, or has a character other "
      "than visible ASCII",
      "has no aws_secret_access_key",
      "has an empty aws_secret_access_key",
      "has an aws_secret_access_key that is too long, or has a character "
      "other than visible ASCII" },

    { ngx_string("aws_session_token"),
      NGX_S3JOBS_TOKEN_MAX,
      NULL,
      "have a session token that is too long, or has a character other than "
      "visible ASCII",
      NULL,
      NULL,
      "has a session token that is too long, or has a character other than "
      "visible ASCII" },

    /* an older name of the token, and the first that botocore looks for */

    { ngx_string("aws_security_token"), 0, NULL, NULL, NULL, NULL, NULL }
};


#define ngx_s3jobs_profile_type(name, first, type)                            \
    { ngx_string(name), first,                                                \
      "has " name ", and keys are all that is read here: use a source of "    \
      "type \"" type "\"" }

#define ngx_s3jobs_profile_export(name, first)                                \
    { ngx_string(name), first,                                                \
      "has " name ", and keys are all that is read here: write them to a "    \
      "file, again and again, with \"aws configure export-credentials\"" }


/* other kinds of profiles, in the order in which botocore knows them */

static ngx_s3jobs_profile_kind_t  ngx_s3jobs_profile_kinds[] = {
    ngx_s3jobs_profile_type("web_identity_token_file", 1, "web_identity"),
    ngx_s3jobs_profile_type("role_arn", 1, "assume_role"),
    ngx_s3jobs_profile_export("sso_account_id", 1),
    ngx_s3jobs_profile_export("sso_role_name", 1),
    ngx_s3jobs_profile_export("login_session", 1),
    ngx_s3jobs_profile_export("sso_session", 0),
    ngx_s3jobs_profile_export("sso_start_url", 0),
    ngx_s3jobs_profile_export("credential_process", 0)
};


#define NGX_S3JOBS_PROFILE_NKINDS                                             \
    (sizeof(ngx_s3jobs_profile_kinds) / sizeof(ngx_s3jobs_profile_kinds[0]))

/* those of the keys, then those of the kinds */
#define NGX_S3JOBS_PROFILE_NVALUES                                            \
    (NGX_S3JOBS_PROFILE_NKEYS + NGX_S3JOBS_PROFILE_NKINDS)

_Static_assert(sizeof(ngx_s3jobs_profile_keys)
               == NGX_S3JOBS_PROFILE_NKEYS * sizeof(ngx_s3jobs_profile_key_t),
               "each key has its number");


const char *
ngx_s3jobs_credentials_check(ngx_s3jobs_credentials_t *c)
{
    ngx_str_t                 *value[3];
    ngx_uint_t                 n;
    ngx_s3jobs_profile_key_t  *key;

    value[NGX_S3JOBS_PROFILE_KEY_ID] = &c->access_key_id;
    value[NGX_S3JOBS_PROFILE_SECRET] = &c->secret_access_key;
    value[NGX_S3JOBS_PROFILE_TOKEN] = &c->session_token;

    for (n = 0; n <= NGX_S3JOBS_PROFILE_TOKEN; n++) {
        key = &ngx_s3jobs_profile_keys[n];

        if (value[n]->len == 0 && key->absent != NULL) {
            return key->absent;
        }

        if (!ngx_s3jobs_profile_usable(n, value[n])) {
            return key->unusable;
        }
    }

    return NULL;
}


static ngx_uint_t
ngx_s3jobs_profile_usable(ngx_uint_t n, ngx_str_t *value)
{
    u_char  c;
    size_t  i;

    if (value->len > ngx_s3jobs_profile_keys[n].max) {
        return 0;
    }

    for (i = 0; i < value->len; i++) {
        c = value->data[i];

        if (c < 0x21 || c > 0x7e) {
            return 0;
        }

        if (n == NGX_S3JOBS_PROFILE_KEY_ID && (c == '/' || c == ',')) {
            return 0;
        }
    }

    return 1;
}


ngx_int_t
ngx_s3jobs_credentials_profile(ngx_str_t *text, ngx_str_t *profile,
    ngx_s3jobs_credentials_t *c, const char **err, ngx_uint_t *line)
{
    ngx_uint_t                    n, header;
    ngx_s3jobs_profile_key_t     *key;
    ngx_s3jobs_profile_value_t    own[NGX_S3JOBS_PROFILE_NVALUES];
    ngx_s3jobs_profile_value_t    common[NGX_S3JOBS_PROFILE_NVALUES];
    ngx_s3jobs_profile_reader_t   r;

    ngx_memzero(c, sizeof(ngx_s3jobs_credentials_t));
    ngx_memzero(own, sizeof(own));
    ngx_memzero(common, sizeof(common));
    ngx_memzero(&r, sizeof(ngx_s3jobs_profile_reader_t));

    r.pos = text->data;
    r.last = text->data + text->len;

    if (ngx_s3jobs_profile_collect(&r, profile, own, common, &header)
        != NGX_OK)
    {
        *err = r.err;
        *line = r.line;
        return NGX_ERROR;
    }

    if (header == 0) {
        *err = "does not exist";
        *line = 0;
        return NGX_DECLINED;
    }

    for (n = 0; n < NGX_S3JOBS_PROFILE_NVALUES; n++) {
        if (own[n].line == 0) {
            own[n] = common[n];
        }
    }

    *err = ngx_s3jobs_profile_other(own, line);

    if (*err) {
        return NGX_ERROR;
    }

    if (own[NGX_S3JOBS_PROFILE_OLD_TOKEN].line != 0) {
        own[NGX_S3JOBS_PROFILE_TOKEN] = own[NGX_S3JOBS_PROFILE_OLD_TOKEN];
    }

    for (n = 0; n <= NGX_S3JOBS_PROFILE_TOKEN; n++) {
        key = &ngx_s3jobs_profile_keys[n];
        *line = own[n].line;

        if (own[n].line == 0 && key->no_key != NULL) {
            *err = key->no_key;
            *line = header;
            return (n == NGX_S3JOBS_PROFILE_KEY_ID) ? NGX_DECLINED : NGX_ERROR;
        }

        if (own[n].more != 0) {
            *err = "has a credential that goes on in an indented line";
            *line = own[n].more;
            return NGX_ERROR;
        }

        if (own[n].value.len == 0 && key->no_value != NULL) {
            *err = key->no_value;
            return NGX_ERROR;
        }

        if (!ngx_s3jobs_profile_usable(n, &own[n].value)) {
            *err = key->bad_value;
            return NGX_ERROR;
        }
    }

    c->access_key_id = own[NGX_S3JOBS_PROFILE_KEY_ID].value;
    c->secret_access_key = own[NGX_S3JOBS_PROFILE_SECRET].value;
    c->session_token = own[NGX_S3JOBS_PROFILE_TOKEN].value;

    return NGX_OK;
}


static const char *
ngx_s3jobs_profile_other(ngx_s3jobs_profile_value_t *values,
    ngx_uint_t *line)
{
    ngx_uint_t                  n;
    ngx_s3jobs_profile_kind_t  *kind;

    for (n = 0; n < NGX_S3JOBS_PROFILE_NKINDS; n++) {
        kind = &ngx_s3jobs_profile_kinds[n];
        *line = values[NGX_S3JOBS_PROFILE_NKEYS + n].line;

        if (*line
            && (kind->first || values[NGX_S3JOBS_PROFILE_KEY_ID].line == 0))
        {
            return kind->err;
        }
    }

    return NULL;
}


static ngx_int_t
ngx_s3jobs_profile_collect(ngx_s3jobs_profile_reader_t *r, ngx_str_t *profile,
    ngx_s3jobs_profile_value_t *own, ngx_s3jobs_profile_value_t *common,
    ngx_uint_t *header)
{
    uint32_t                      seen[NGX_S3JOBS_PROFILE_NHASHES / 32];
    ngx_int_t                     rc;
    ngx_str_t                     shared;
    ngx_s3jobs_profile_value_t   *values, *value;
    ngx_s3jobs_profile_reader_t   start, section;

    ngx_str_set(&shared, NGX_S3JOBS_PROFILE_DEFAULT);
    ngx_memzero(seen, sizeof(seen));

    start = *r;
    section = *r;
    values = NULL;
    value = NULL;
    *header = 0;

    for ( ;; ) {
        rc = ngx_s3jobs_profile_next(r);

        switch (rc) {

        case NGX_S3JOBS_PROFILE_SECTION:

            value = NULL;

            if (ngx_s3jobs_profile_equal(&r->section, &shared)) {

                /* may be there more than once, its options may not */

                values = common;
                section = start;
                continue;
            }

            if (ngx_s3jobs_profile_twice(r, &start, seen)) {
                r->err = "has a section that was there before";
                return NGX_ERROR;
            }

            values = NULL;
            section = *r;

            if (ngx_s3jobs_profile_equal(&r->section, profile)) {
                values = own;
                *header = r->line;
            }

            continue;

        case NGX_S3JOBS_PROFILE_OPTION:

            if (ngx_s3jobs_profile_twice(r, &section, seen)) {
                r->err = "has a key that was there before in the section";
                return NGX_ERROR;
            }

            value = ngx_s3jobs_profile_find(values, &r->option);

            if (value != NULL) {
                value->value = r->value;
                value->line = r->line;
            }

            continue;

        case NGX_S3JOBS_PROFILE_MORE:

            if (value != NULL && value->more == 0) {
                value->more = r->line;
            }

            continue;

        case NGX_DONE:
            return NGX_OK;

        default: /* NGX_ERROR */
            return NGX_ERROR;
        }
    }
}


static ngx_s3jobs_profile_value_t *
ngx_s3jobs_profile_find(ngx_s3jobs_profile_value_t *values,
    ngx_str_t *option)
{
    ngx_str_t   *name;
    ngx_uint_t   n;

    if (values == NULL) {
        return NULL;
    }

    for (n = 0; n < NGX_S3JOBS_PROFILE_NVALUES; n++) {
        name = n < NGX_S3JOBS_PROFILE_NKEYS
               ? &ngx_s3jobs_profile_keys[n].name
               : &ngx_s3jobs_profile_kinds[n - NGX_S3JOBS_PROFILE_NKEYS].name;

        if (ngx_s3jobs_profile_case_equal(option, name)) {
            return &values[n];
        }
    }

    return NULL;
}


/*
 * The hashes of what was there spare nearly all the second readings that
 * would make a file of many profiles cost the square of its length.
 */

static ngx_uint_t
ngx_s3jobs_profile_twice(ngx_s3jobs_profile_reader_t *r,
    ngx_s3jobs_profile_reader_t *from, uint32_t *seen)
{
    uint32_t                     bit;
    ngx_uint_t                   hash;
    ngx_s3jobs_profile_reader_t  again;

    hash = ngx_s3jobs_profile_hash(r);
    bit = (uint32_t) 1 << (hash % 32);
    hash /= 32;

    if (!(seen[hash] & bit)) {
        seen[hash] |= bit;
        return 0;
    }

    again = *from;

    for ( ;; ) {
        (void) ngx_s3jobs_profile_next(&again);

        if (again.line == r->line) {
            return 0;
        }

        if (ngx_s3jobs_profile_equal(&again.section, &r->section)
            && ngx_s3jobs_profile_case_equal(&again.option, &r->option))
        {
            return 1;
        }
    }
}


static ngx_uint_t
ngx_s3jobs_profile_hash(ngx_s3jobs_profile_reader_t *r)
{
    size_t    i;
    uint32_t  hash;

    hash = 0;

    for (i = 0; i < r->section.len; i++) {
        hash = ngx_hash(hash, r->section.data[i]);
    }

    hash = ngx_hash(hash, LF);

    for (i = 0; i < r->option.len; i++) {
        hash = ngx_hash(hash, ngx_tolower(r->option.data[i]));
    }

    return (hash ^ (hash >> 16)) % NGX_S3JOBS_PROFILE_NHASHES;
}


/* lines as Python's configparser tells them apart in its strict mode */

static ngx_int_t
ngx_s3jobs_profile_next(ngx_s3jobs_profile_reader_t *r)
{
    u_char     *p, *start;
    ngx_str_t   text;

    while (r->pos < r->last) {
        start = r->pos;
        r->line++;

        for (p = start; p < r->last && *p != LF && *p != CR; p++) {
            if (*p == '\0') {
                r->err = "has a NUL byte";
                return NGX_ERROR;
            }
        }

        text.data = start;
        text.len = p - start;

        if (p < r->last) {
            p += (*p == CR && r->last - p > 1 && p[1] == LF) ? 2 : 1;
        }

        r->pos = p;

        ngx_s3jobs_profile_strip(&text);

        if (text.len == 0 || text.data[0] == '#' || text.data[0] == ';') {
            continue;
        }

        return ngx_s3jobs_profile_item(r, &text, text.data - start);
    }

    return NGX_DONE;
}


static ngx_int_t
ngx_s3jobs_profile_item(ngx_s3jobs_profile_reader_t *r, ngx_str_t *text,
    size_t indent)
{
    size_t  i;

    if (r->option.len && indent > r->indent) {
        return NGX_S3JOBS_PROFILE_MORE;
    }

    r->indent = indent;

    if (ngx_s3jobs_profile_header(text, &r->section)) {
        ngx_str_null(&r->option);
        return NGX_S3JOBS_PROFILE_SECTION;
    }

    if (r->section.len == 0) {
        r->err = "has a line before the first [profile]";

        if (text->len >= 3 && ngx_memcmp(text->data, "\xef\xbb\xbf", 3) == 0) {
            r->err = "starts with a byte order mark";
        }

        return NGX_ERROR;
    }

    for (i = 0; i < text->len; i++) {
        if (text->data[i] == '=' || text->data[i] == ':') {
            break;
        }
    }

    if (i == 0 || i == text->len) {
        r->err = "has a line that is neither [profile] nor key = value";
        return NGX_ERROR;
    }

    r->option.data = text->data;
    r->option.len = i;
    ngx_s3jobs_profile_strip(&r->option);

    r->value.data = text->data + i + 1;
    r->value.len = text->len - i - 1;
    ngx_s3jobs_profile_strip(&r->value);

    return NGX_S3JOBS_PROFILE_OPTION;
}


/* the last "]" ends the name, and what follows it is ignored */

static ngx_uint_t
ngx_s3jobs_profile_header(ngx_str_t *text, ngx_str_t *name)
{
    size_t  i;

    if (text->data[0] != '[') {
        return 0;
    }

    for (i = text->len - 1; i > 1; i--) {
        if (text->data[i] == ']') {
            name->data = text->data + 1;
            name->len = i - 1;
            return 1;
        }
    }

    return 0;
}


static void
ngx_s3jobs_profile_strip(ngx_str_t *s)
{
    while (s->len && ngx_s3jobs_profile_space(s->data[s->len - 1])) {
        s->len--;
    }

    while (s->len && ngx_s3jobs_profile_space(s->data[0])) {
        s->data++;
        s->len--;
    }
}


static ngx_uint_t
ngx_s3jobs_profile_equal(ngx_str_t *a, ngx_str_t *b)
{
    return a->len == b->len && ngx_memcmp(a->data, b->data, a->len) == 0;
}


static ngx_uint_t
ngx_s3jobs_profile_case_equal(ngx_str_t *a, ngx_str_t *b)
{
    size_t  i;

    if (a->len != b->len) {
        return 0;
    }

    for (i = 0; i < a->len; i++) {
        if (ngx_tolower(a->data[i]) != ngx_tolower(b->data[i])) {
            return 0;
        }
    }

    return 1;
}
