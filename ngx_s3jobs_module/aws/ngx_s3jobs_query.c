
/*
 * Copyright (C) the ngx_s3jobs_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_s3jobs_chars.h"
#include "ngx_s3jobs_query.h"


#define NGX_S3JOBS_QUERY_NSTATUSES    13
#define NGX_S3JOBS_QUERY_RESULTS_MAX  1000
#define NGX_S3JOBS_QUERY_TOKEN_MAX    1024

#define NGX_S3JOBS_QUERY_NAMES                                                \
    "allowed are jobStatuses, maxResults and nextToken"

#define NGX_S3JOBS_QUERY_STATUSES                                             \
    "allowed are Active, Cancelled, Cancelling, Complete, Completing, "       \
    "Failed, Failing, New, Paused, Pausing, Preparing, Ready and Suspended"

#define NGX_S3JOBS_QUERY_RESULTS                                              \
    "must be an integer from 0 to 1000, in digits without leading zeros"

#define NGX_S3JOBS_QUERY_TOKEN                                                \
    "must be 1 to 1024 characters, each one of A-Z a-z 0-9 "                  \
    "# $ % & ' ( ) * + , - . / : ; < = > ? @ [ \\ ] ^ _"


typedef ngx_int_t (*ngx_s3jobs_query_value_pt)(ngx_str_t *value,
    ngx_s3jobs_query_t *q, ngx_s3jobs_query_error_t *err);


typedef struct {
    ngx_str_t                  name;
    ngx_str_t                  absent;
    ngx_str_t                  garbled;
    ngx_s3jobs_query_value_pt  parse;
} ngx_s3jobs_query_arg_t;


static ngx_int_t ngx_s3jobs_query_pair(u_char *p, u_char *last,
    ngx_s3jobs_query_t *q, ngx_s3jobs_query_error_t *err);
static ngx_int_t ngx_s3jobs_query_statuses(ngx_str_t *value,
    ngx_s3jobs_query_t *q, ngx_s3jobs_query_error_t *err);
static ngx_int_t ngx_s3jobs_query_max_results(ngx_str_t *value,
    ngx_s3jobs_query_t *q, ngx_s3jobs_query_error_t *err);
static ngx_int_t ngx_s3jobs_query_next_token(ngx_str_t *value,
    ngx_s3jobs_query_t *q, ngx_s3jobs_query_error_t *err);
static ngx_uint_t ngx_s3jobs_query_encoded(ngx_str_t *s);
static ngx_uint_t ngx_s3jobs_query_equal(ngx_str_t *s, ngx_str_t *plain);
static ngx_inline ngx_int_t ngx_s3jobs_query_decode(u_char **pos,
    u_char *last);
static ngx_int_t ngx_s3jobs_query_hex(u_char c);
static u_char *ngx_s3jobs_query_write_name(u_char *p, u_char *start,
    ngx_uint_t arg);


#define NGX_S3JOBS_QUERY_ARG_STATUSES     0
#define NGX_S3JOBS_QUERY_ARG_MAX_RESULTS  1
#define NGX_S3JOBS_QUERY_ARG_NEXT_TOKEN   2
#define NGX_S3JOBS_QUERY_NARGS            3

/* by name, as the canonical query needs them */

static ngx_s3jobs_query_arg_t  ngx_s3jobs_query_args[] = {

    { ngx_string("jobStatuses"),
      ngx_string("has no value: " NGX_S3JOBS_QUERY_STATUSES),
      ngx_string("is not valid percent-encoding: " NGX_S3JOBS_QUERY_STATUSES),
      ngx_s3jobs_query_statuses },

    { ngx_string("maxResults"),
      ngx_string("has no value: " NGX_S3JOBS_QUERY_RESULTS),
      ngx_string("is not valid percent-encoding: " NGX_S3JOBS_QUERY_RESULTS),
      ngx_s3jobs_query_max_results },

    { ngx_string("nextToken"),
      ngx_string("has no value: " NGX_S3JOBS_QUERY_TOKEN),
      ngx_string("is not valid percent-encoding: " NGX_S3JOBS_QUERY_TOKEN),
      ngx_s3jobs_query_next_token }
};


static ngx_str_t  ngx_s3jobs_query_status[NGX_S3JOBS_QUERY_NSTATUSES] = {
    ngx_string("Active"),
    ngx_string("Cancelled"),
    ngx_string("Cancelling"),
    ngx_string("Complete"),
    ngx_string("Completing"),
    ngx_string("Failed"),
    ngx_string("Failing"),
    ngx_string("New"),
    ngx_string("Paused"),
    ngx_string("Pausing"),
    ngx_string("Preparing"),
    ngx_string("Ready"),
    ngx_string("Suspended")
};


ngx_int_t
ngx_s3jobs_query_parse(ngx_str_t *args, ngx_s3jobs_query_t *q,
    ngx_s3jobs_query_error_t *err)
{
    u_char  *p, *end, *last;

    q->statuses = 0;
    q->max_results = -1;
    ngx_str_null(&q->next_token);

    if (args->len == 0) {
        return NGX_OK;
    }

    p = args->data;
    last = p + args->len;

    for ( ;; ) {
        end = memchr(p, '&', last - p);

        if (end == NULL) {
            end = last;
        }

        if (end != p && ngx_s3jobs_query_pair(p, end, q, err) != NGX_OK) {
            return NGX_DECLINED;
        }

        if (end == last) {
            return NGX_OK;
        }

        p = end + 1;
    }
}


static ngx_int_t
ngx_s3jobs_query_pair(u_char *p, u_char *last, ngx_s3jobs_query_t *q,
    ngx_s3jobs_query_error_t *err)
{
    u_char                  *eq;
    ngx_str_t                name, value;
    ngx_uint_t               i;
    ngx_s3jobs_query_arg_t  *arg;

    eq = memchr(p, '=', last - p);

    name.data = p;
    name.len = ((eq != NULL) ? eq : last) - p;

    value.data = (eq != NULL) ? eq + 1 : last;
    value.len = last - value.data;

    err->name.data = name.data;
    err->name.len = ngx_min(name.len, NGX_S3JOBS_QUERY_NAME_MAX);

    for (i = 0; i < NGX_S3JOBS_QUERY_NARGS; i++) {
        arg = &ngx_s3jobs_query_args[i];

        if (!ngx_s3jobs_query_equal(&name, &arg->name)) {
            continue;
        }

        if (value.len == 0) {
            err->text = arg->absent;
            return NGX_DECLINED;
        }

        if (!ngx_s3jobs_query_encoded(&value)) {
            err->text = arg->garbled;
            return NGX_DECLINED;
        }

        return arg->parse(&value, q, err);
    }

    if (!ngx_s3jobs_query_encoded(&name)) {
        ngx_str_set(&err->text, "is not valid percent-encoding: "
                                NGX_S3JOBS_QUERY_NAMES);

    } else {
        ngx_str_set(&err->text, "is unknown: " NGX_S3JOBS_QUERY_NAMES);
    }

    return NGX_DECLINED;
}


static ngx_int_t
ngx_s3jobs_query_statuses(ngx_str_t *value, ngx_s3jobs_query_t *q,
    ngx_s3jobs_query_error_t *err)
{
    u_char      *p, *last;
    ngx_int_t    c;
    ngx_str_t    status;
    ngx_uint_t   n;

    p = value->data;
    last = p + value->len;

    do {
        status.data = p;

        /* a comma separates, encoded or not */

        do {
            status.len = p - status.data;
            c = (p < last) ? ngx_s3jobs_query_decode(&p, last) : NGX_DONE;
        } while (c != ',' && c != NGX_DONE);

        if (status.len == 0) {
            ngx_str_set(&err->text, "has an empty status: "
                                    NGX_S3JOBS_QUERY_STATUSES);
            return NGX_DECLINED;
        }

        for (n = 0; n < NGX_S3JOBS_QUERY_NSTATUSES; n++) {
            if (ngx_s3jobs_query_equal(&status, &ngx_s3jobs_query_status[n])) {
                break;
            }
        }

        if (n == NGX_S3JOBS_QUERY_NSTATUSES) {
            ngx_str_set(&err->text, "has an unknown status: "
                                    NGX_S3JOBS_QUERY_STATUSES);
            return NGX_DECLINED;
        }

        q->statuses |= (ngx_uint_t) 1 << n;

    } while (c == ',');

    return NGX_OK;
}


static ngx_int_t
ngx_s3jobs_query_max_results(ngx_str_t *value, ngx_s3jobs_query_t *q,
    ngx_s3jobs_query_error_t *err)
{
    u_char     *p, *last;
    ngx_int_t   c, n;

    if (q->max_results != -1) {
        ngx_str_set(&err->text, "must not be given twice");
        return NGX_DECLINED;
    }

    n = -1;
    p = value->data;
    last = p + value->len;

    while (p < last) {
        c = ngx_s3jobs_query_decode(&p, last);

        if (c < '0' || c > '9' || n == 0) {
            goto invalid;
        }

        n = ((n == -1) ? 0 : n * 10) + c - '0';

        if (n > NGX_S3JOBS_QUERY_RESULTS_MAX) {
            goto invalid;
        }
    }

    q->max_results = n;

    return NGX_OK;

invalid:

    ngx_str_set(&err->text, NGX_S3JOBS_QUERY_RESULTS);

    return NGX_DECLINED;
}


static ngx_int_t
ngx_s3jobs_query_next_token(ngx_str_t *value, ngx_s3jobs_query_t *q,
    ngx_s3jobs_query_error_t *err)
{
    u_char      *p, *last;
    ngx_int_t    c;
    ngx_uint_t   n;

    if (q->next_token.len != 0) {
        ngx_str_set(&err->text, "must not be given twice");
        return NGX_DECLINED;
    }

    p = value->data;
    last = p + value->len;

    for (n = 1; p < last; n++) {
        c = ngx_s3jobs_query_decode(&p, last);

        /* "#-_" in the API's pattern is a range */

        if (n > NGX_S3JOBS_QUERY_TOKEN_MAX
            || !((c >= '#' && c <= '_') || (c >= 'a' && c <= 'z')))
        {
            ngx_str_set(&err->text, NGX_S3JOBS_QUERY_TOKEN);
            return NGX_DECLINED;
        }
    }

    q->next_token = *value;

    return NGX_OK;
}


static ngx_uint_t
ngx_s3jobs_query_encoded(ngx_str_t *s)
{
    u_char  *p, *last;

    p = s->data;
    last = p + s->len;

    while ((p = memchr(p, '%', last - p)) != NULL) {
        if (ngx_s3jobs_query_decode(&p, last) == NGX_ERROR) {
            return 0;
        }
    }

    return 1;
}


static ngx_uint_t
ngx_s3jobs_query_equal(ngx_str_t *s, ngx_str_t *plain)
{
    size_t   i;
    u_char  *p, *last;

    /* encoding only makes it longer */

    if (s->len <= plain->len) {
        return s->len == plain->len
               && ngx_memcmp(s->data, plain->data, s->len) == 0;
    }

    p = s->data;
    last = p + s->len;

    for (i = 0; i < plain->len; i++) {
        if (p == last || ngx_s3jobs_query_decode(&p, last) != plain->data[i]) {
            return 0;
        }
    }

    return p == last;
}


static ngx_inline ngx_int_t
ngx_s3jobs_query_decode(u_char **pos, u_char *last)
{
    u_char     *p;
    ngx_int_t   high, low;

    p = *pos;

    if (*p != '%') {
        *pos = p + 1;
        return *p;
    }

    if (last - p < 3) {
        return NGX_ERROR;
    }

    high = ngx_s3jobs_query_hex(p[1]);
    low = ngx_s3jobs_query_hex(p[2]);

    if (high == NGX_ERROR || low == NGX_ERROR) {
        return NGX_ERROR;
    }

    *pos = p + 3;

    return high * 16 + low;
}


static ngx_int_t
ngx_s3jobs_query_hex(u_char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }

    c |= 0x20;

    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }

    return NGX_ERROR;
}


size_t
ngx_s3jobs_query_length(ngx_s3jobs_query_t *q)
{
    size_t       len;
    u_char      *p, *last;
    ngx_uint_t   n;

    len = 0;

    for (n = 0; q->statuses >> n; n++) {
        if (q->statuses & ((ngx_uint_t) 1 << n)) {
            len += sizeof("&jobStatuses=") - 1;
            len += ngx_s3jobs_query_status[n].len;
        }
    }

    if (q->max_results != -1) {
        len += sizeof("&maxResults=") - 1;

        for (n = q->max_results; n > 9; n /= 10) {
            len++;
        }

        len++;
    }

    if (q->next_token.len != 0) {
        len += sizeof("&nextToken=") - 1;

        p = q->next_token.data;
        last = p + q->next_token.len;

        while (p < last) {
            len += ngx_s3jobs_char(ngx_s3jobs_query_decode(&p, last),
                                   NGX_S3JOBS_CHARS_UNRESERVED) ? 1 : 3;
        }
    }

    /* the first pair has no "&" */

    return len ? len - 1 : 0;
}


u_char *
ngx_s3jobs_query_write(u_char *p, ngx_s3jobs_query_t *q)
{
    u_char         c, *start, *src, *last;
    ngx_uint_t     n, scale;

    static u_char  hex[] = "0123456789ABCDEF";

    start = p;

    for (n = 0; q->statuses >> n; n++) {
        if (q->statuses & ((ngx_uint_t) 1 << n)) {
            p = ngx_s3jobs_query_write_name(p, start,
                                            NGX_S3JOBS_QUERY_ARG_STATUSES);
            p = ngx_cpymem(p, ngx_s3jobs_query_status[n].data,
                           ngx_s3jobs_query_status[n].len);
        }
    }

    if (q->max_results != -1) {
        p = ngx_s3jobs_query_write_name(p, start,
                                        NGX_S3JOBS_QUERY_ARG_MAX_RESULTS);
        n = q->max_results;

        for (scale = 1; n / scale > 9; scale *= 10) { /* void */ }

        for ( /* void */ ; scale; scale /= 10) {
            *p++ = (u_char) ('0' + n / scale % 10);
        }
    }

    if (q->next_token.len != 0) {
        p = ngx_s3jobs_query_write_name(p, start,
                                        NGX_S3JOBS_QUERY_ARG_NEXT_TOKEN);
        src = q->next_token.data;
        last = src + q->next_token.len;

        while (src < last) {
            c = (u_char) ngx_s3jobs_query_decode(&src, last);

            if (ngx_s3jobs_char(c, NGX_S3JOBS_CHARS_UNRESERVED)) {
                *p++ = c;
                continue;
            }

            *p++ = '%';
            *p++ = hex[c >> 4];
            *p++ = hex[c & 0xf];
        }
    }

    return p;
}


static u_char *
ngx_s3jobs_query_write_name(u_char *p, u_char *start, ngx_uint_t arg)
{
    ngx_str_t  *name;

    if (p != start) {
        *p++ = '&';
    }

    name = &ngx_s3jobs_query_args[arg].name;

    p = ngx_cpymem(p, name->data, name->len);
    *p++ = '=';

    return p;
}
