
/*
 * Copyright (C) the ngx_s3jobs_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_s3jobs_url.h"


/*
 * The input as the URL of a credential service: its parts lie in it and make
 * it up again, it leads to this machine if it is in the clear, and what is
 * logged of it has no user, password, path or query.
 */


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


#define check(x)  if (!(x)) { __builtin_trap(); }


static const ngx_str_t  plain[] = {
    ngx_string("169.254.170.2"),
    ngx_string("fd00:ec2::23"),
    ngx_null_string
};


static void
inside(ngx_str_t *s, ngx_str_t *text)
{
    if (s->len) {
        check(s->data >= text->data);
        check(s->data + s->len <= text->data + text->len);
    }
}


static ngx_uint_t
has(ngx_str_t *s, const char *chars)
{
    size_t  i;

    for (i = 0; i < s->len; i++) {
        if (s->data[i] && strchr(chars, s->data[i])) {
            return 1;
        }
    }

    return 0;
}


static void
check_valid(ngx_str_t *text, ngx_s3jobs_url_t *url, ngx_str_t *origin)
{
    inside(&url->host, text);
    inside(&url->header, text);
    inside(&url->path, text);

    check(url->host.len > 0 && !has(&url->host, "/?#@[] "));
    check(ngx_s3jobs_host_valid(&url->header));
    check(!has(&url->path, "# \r\n\t"));
    check(url->path.len == 0 || url->path.data[0] == '/');

    check(origin->len + url->path.len == text->len);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ngx_str_t          text, origin;
    const char        *err, *strict;
    ngx_s3jobs_url_t   url;

    text.len = size;
    text.data = malloc(size);

    if (text.data == NULL) {
        abort();
    }

    memcpy(text.data, data, size);

    origin = ngx_s3jobs_url_origin(&text);

    check(origin.data == text.data && origin.len <= text.len);
    check(!has(&origin, "@?#"));

    err = ngx_s3jobs_url_parse(&text, plain, &url);

    if (err == NULL) {
        check_valid(&text, &url, &origin);
    }

    strict = ngx_s3jobs_url_parse(&text, NULL, &url);

    if (strict == NULL) {
        check(err == NULL);
        check(url.https || url.loopback);
    }

    free(text.data);

    return 0;
}
