
/*
 * Copyright (C) the ngx_s3jobs_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_s3jobs_accept.h"


static u_char *ngx_s3jobs_accept_find(u_char *p, u_char *last, u_char c);
static ngx_uint_t ngx_s3jobs_accept_weight(u_char *p, u_char *last);
static ngx_uint_t ngx_s3jobs_accept_is(ngx_str_t *range, const char *name);


void
ngx_s3jobs_accept_parse(ngx_s3jobs_accept_t *a, ngx_str_t *value)
{
    u_char      *p, *last, *end, *semicolon;
    ngx_str_t    range;
    ngx_uint_t   weight, json, xml;

    p = value->data;
    last = p + value->len;

    while (p < last) {
        end = ngx_s3jobs_accept_find(p, last, ',');
        semicolon = ngx_s3jobs_accept_find(p, end, ';');

        range.data = p;
        range.len = semicolon - p;

        while (range.len && (*range.data == ' ' || *range.data == '\t')) {
            range.data++;
            range.len--;
        }

        while (range.len
               && (range.data[range.len - 1] == ' '
                   || range.data[range.len - 1] == '\t'))
        {
            range.len--;
        }

        weight = ngx_s3jobs_accept_weight(semicolon, end);

        json = 0;
        xml = 0;

        if (ngx_s3jobs_accept_is(&range, "*/*")) {
            json = 1;
            xml = 1;

        } else if (ngx_s3jobs_accept_is(&range, "application/*")) {
            json = 2;
            xml = 2;

        } else if (ngx_s3jobs_accept_is(&range, "text/*")) {
            xml = 2;

        } else if (ngx_s3jobs_accept_is(&range, "application/json")) {
            json = 3;

        } else if (ngx_s3jobs_accept_is(&range, "application/xml")
                   || ngx_s3jobs_accept_is(&range, "text/xml"))
        {
            xml = 3;
        }

        if (json > a->json_match
            || (json && json == a->json_match && weight > a->json_weight))
        {
            a->json_match = json;
            a->json_weight = weight;
        }

        if (xml > a->xml_match
            || (xml && xml == a->xml_match && weight > a->xml_weight))
        {
            a->xml_match = xml;
            a->xml_weight = weight;
        }

        p = end + 1;
    }
}


ngx_uint_t
ngx_s3jobs_accept_json(ngx_s3jobs_accept_t *a)
{
    if (a->json_weight != a->xml_weight) {
        return a->json_weight > a->xml_weight;
    }

    return a->json_weight && a->json_match > a->xml_match;
}


/* the first c that stands in no quoted string (RFC 9110, 5.6.4), or last */

static u_char *
ngx_s3jobs_accept_find(u_char *p, u_char *last, u_char c)
{
    ngx_uint_t  quoted;

    quoted = 0;

    for ( /* void */ ; p < last; p++) {

        if (*p == '"') {
            quoted = !quoted;

        } else if (quoted) {
            if (*p == '\\' && last - p > 1) {
                p++;
            }

        } else if (*p == c) {
            return p;
        }
    }

    return last;
}


/* the parameter "q" among those that start at p; 1000 if there is none */

static ngx_uint_t
ngx_s3jobs_accept_weight(u_char *p, u_char *last)
{
    ngx_uint_t  weight, unit;

    while (p < last) {
        p++;

        while (p < last && (*p == ' ' || *p == '\t')) {
            p++;
        }

        if (last - p > 2 && (*p | 0x20) == 'q' && p[1] == '=') {
            p += 2;

            if (*p == '1') {
                return 1000;
            }

            weight = 0;

            if (*p++ != '0' || p == last || *p++ != '.') {
                return weight;
            }

            for (unit = 100; unit && p < last; unit /= 10, p++) {
                if (*p < '0' || *p > '9') {
                    break;
                }

                weight += (*p - '0') * unit;
            }

            return weight;
        }

        p = ngx_s3jobs_accept_find(p, last, ';');
    }

    return 1000;
}


static ngx_uint_t
ngx_s3jobs_accept_is(ngx_str_t *range, const char *name)
{
    size_t  i;

    for (i = 0; i < range->len && name[i]; i++) {
        if (ngx_tolower(range->data[i]) != (u_char) name[i]) {
            return 0;
        }
    }

    return i == range->len && name[i] == '\0';
}
