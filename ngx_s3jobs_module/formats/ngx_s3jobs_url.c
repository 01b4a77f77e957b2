
/*
 * Copyright (C) the ngx_s3jobs_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <arpa/inet.h>
#include "ngx_s3jobs_chars.h"
#include "ngx_s3jobs_url.h"


#define NGX_S3JOBS_HOST_MAX   253
#define NGX_S3JOBS_LABEL_MAX  63


static ngx_uint_t ngx_s3jobs_url_scheme(ngx_str_t *text, const char *scheme);
static void ngx_s3jobs_url_host(ngx_s3jobs_url_t *url);
static ngx_uint_t ngx_s3jobs_url_same(ngx_str_t *host, const ngx_str_t *name);
static ngx_uint_t ngx_s3jobs_url_loopback(ngx_str_t *host);
static ngx_uint_t ngx_s3jobs_name_valid(u_char *p, u_char *last);
static ngx_uint_t ngx_s3jobs_port_valid(u_char *p, u_char *last);
static ngx_uint_t ngx_s3jobs_address_valid(u_char *p, u_char *last);


const char *
ngx_s3jobs_url_parse(ngx_str_t *text, const ngx_str_t *plain,
    ngx_s3jobs_url_t *url)
{
    u_char  *p, *last;

    ngx_memzero(url, sizeof(ngx_s3jobs_url_t));

    p = text->data;
    last = p + text->len;

    if (ngx_s3jobs_url_scheme(text, "https://")) {
        url->https = 1;
        p += 8;

    } else if (ngx_s3jobs_url_scheme(text, "http://")) {
        p += 7;

    } else {
        return "begins with neither \"https://\" nor \"http://\"";
    }

    url->header.data = p;

    while (p < last && *p != '/' && *p != '?') {
        p++;
    }

    url->header.len = p - url->header.data;
    url->path.data = p;
    url->path.len = last - p;

    if (!ngx_s3jobs_host_valid(&url->header)) {
        return "has an invalid host or port";
    }

    if (p < last && *p != '/') {
        return "has a query without a path";
    }

    for ( /* void */ ; p < last; p++) {
        if (*p <= 0x20 || *p >= 0x7f || *p == '#') {
            return "has an invalid character in its path";
        }
    }

    ngx_s3jobs_url_host(url);

    url->loopback = ngx_s3jobs_url_loopback(&url->host);

    if (url->https || url->loopback) {
        return NULL;
    }

    for ( /* void */ ; plain && plain->len; plain++) {
        if (ngx_s3jobs_url_same(&url->host, plain)) {
            return NULL;
        }
    }

    return "must begin with \"https://\", since its host is not known to be "
           "on this machine";
}


ngx_str_t
ngx_s3jobs_url_origin(ngx_str_t *text)
{
    size_t     i, host;
    ngx_str_t  origin;

    origin.data = text->data;
    host = 0;

    for (i = 0; i < text->len; i++) {

        if (host == 0 && text->len - i >= 3
            && ngx_memcmp(text->data + i, "://", 3) == 0)
        {
            i += 2;
            host = i + 1;
            continue;
        }

        if (text->data[i] == '@') {
            i = host;
            break;
        }

        if (text->data[i] == '/' || text->data[i] == '?'
            || text->data[i] == '#')
        {
            break;
        }
    }

    origin.len = i;

    return origin;
}


static ngx_uint_t
ngx_s3jobs_url_scheme(ngx_str_t *text, const char *scheme)
{
    size_t  i;

    for (i = 0; scheme[i]; i++) {
        if (i == text->len || ngx_tolower(text->data[i]) != scheme[i]) {
            return 0;
        }
    }

    return 1;
}


/* the host is valid; the scheme's own port is not for the header */

static void
ngx_s3jobs_url_host(ngx_s3jobs_url_t *url)
{
    size_t       len;
    u_char      *p, *last;
    const char  *port;

    p = url->header.data;
    last = p + url->header.len;

    if (*p == '[') {
        url->host.data = ++p;

        while (*p != ']') {
            p++;
        }

        url->host.len = p++ - url->host.data;

    } else {
        url->host.data = p;

        while (p < last && *p != ':') {
            p++;
        }

        url->host.len = p - url->host.data;
    }

    port = url->https ? ":443" : ":80";
    len = url->https ? 4 : 3;

    if ((size_t) (last - p) == len && ngx_memcmp(p, port, len) == 0) {
        url->header.len -= len;
    }
}


static ngx_uint_t
ngx_s3jobs_url_same(ngx_str_t *host, const ngx_str_t *name)
{
    size_t  i;

    if (host->len != name->len) {
        return 0;
    }

    for (i = 0; i < name->len; i++) {
        if (ngx_tolower(host->data[i]) != name->data[i]) {
            return 0;
        }
    }

    return 1;
}


static ngx_uint_t
ngx_s3jobs_url_loopback(ngx_str_t *host)
{
    size_t                  i;
    ngx_uint_t              dots, digits, value;

    static const ngx_str_t  localhost = ngx_string("localhost");
    static const ngx_str_t  loopback6 = ngx_string("::1");

    if (ngx_s3jobs_url_same(host, &localhost)
        || ngx_s3jobs_url_same(host, &loopback6))
    {
        return 1;
    }

    /* a name may begin with "127." too, so all of it has to be an address */

    if (host->len < 4 || ngx_memcmp(host->data, "127.", 4) != 0) {
        return 0;
    }

    dots = 0;
    digits = 0;
    value = 0;

    for (i = 0; i < host->len; i++) {

        if (host->data[i] == '.' && digits) {
            dots++;
            digits = 0;
            value = 0;
            continue;
        }

        if (host->data[i] < '0' || host->data[i] > '9') {
            return 0;
        }

        value = value * 10 + (host->data[i] - '0');

        if (++digits > 3 || value > 255) {
            return 0;
        }
    }

    return dots == 3 && digits;
}


ngx_uint_t
ngx_s3jobs_host_valid(ngx_str_t *host)
{
    u_char  *p, *last, *end;

    if (host->len == 0) {
        return 0;
    }

    p = host->data;
    last = p + host->len;

    if (*p == '[') {
        end = ngx_strlchr(p, last, ']');

        if (end == NULL || !ngx_s3jobs_address_valid(p + 1, end)) {
            return 0;
        }

        end++;

    } else {
        end = ngx_strlchr(p, last, ':');

        if (end == NULL) {
            end = last;
        }

        if (!ngx_s3jobs_name_valid(p, end)) {
            return 0;
        }
    }

    if (end == last) {
        return 1;
    }

    return *end == ':' && ngx_s3jobs_port_valid(end + 1, last);
}


static ngx_uint_t
ngx_s3jobs_name_valid(u_char *p, u_char *last)
{
    u_char  *label;

    if (last - p > NGX_S3JOBS_HOST_MAX) {
        return 0;
    }

    for ( ;; ) {
        label = p;

        p += ngx_s3jobs_span(p, last, NGX_S3JOBS_CHARS_LABEL);

        if (p == label || p - label > NGX_S3JOBS_LABEL_MAX
            || *label == '-' || p[-1] == '-')
        {
            return 0;
        }

        if (p == last) {
            return 1;
        }

        if (*p++ != '.') {
            return 0;
        }
    }
}


static ngx_uint_t
ngx_s3jobs_port_valid(u_char *p, u_char *last)
{
    ngx_uint_t  port;

    if (p == last || *p == '0') {
        return 0;
    }

    for (port = 0; p < last; p++) {
        if (*p < '0' || *p > '9') {
            return 0;
        }

        port = port * 10 + (*p - '0');

        if (port > 65535) {
            return 0;
        }
    }

    return 1;
}


static ngx_uint_t
ngx_s3jobs_address_valid(u_char *p, u_char *last)
{
    char             text[INET6_ADDRSTRLEN];
    struct in6_addr  addr;

    /* no address is longer; a NUL would end the text early */

    if ((size_t) (last - p) >= sizeof(text)
        || ngx_strlchr(p, last, '\0') != NULL)
    {
        return 0;
    }

    *ngx_cpymem(text, p, last - p) = '\0';

    return inet_pton(AF_INET6, text, &addr) == 1;
}
