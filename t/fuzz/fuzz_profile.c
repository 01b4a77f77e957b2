
/*
 * Copyright (C) the ngx_s3jobs_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_s3jobs_profile.h"


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


#define check(x)  if (!(x)) { __builtin_trap(); }


static void
inside(ngx_str_t *s, ngx_str_t *text)
{
    if (s->len) {
        check(s->data >= text->data);
        check(s->data + s->len <= text->data + text->len);
    }
}


/* the name of the profile, up to the first line feed, and then the file */

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    u_char                    *p;
    ngx_int_t                  rc;
    ngx_str_t                  profile, text;
    ngx_uint_t                 line;
    const char                *err;
    ngx_s3jobs_credentials_t   c;

    p = memchr(data, LF, size);

    if (p == NULL) {
        return 0;
    }

    profile.data = (u_char *) data;
    profile.len = p - data;
    text.data = p + 1;
    text.len = size - profile.len - 1;

    err = NULL;
    line = 0;

    rc = ngx_s3jobs_credentials_profile(&text, &profile, &c, &err, &line);

    if (rc == NGX_OK) {
        inside(&c.access_key_id, &text);
        inside(&c.secret_access_key, &text);
        inside(&c.session_token, &text);
        check(ngx_s3jobs_credentials_check(&c) == NULL);
        return 0;
    }

    check(err != NULL);
    check(line <= text.len);

    check(rc == NGX_DECLINED || (rc == NGX_ERROR && line > 0));

    return 0;
}
