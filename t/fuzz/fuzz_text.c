
/*
 * Copyright (C) the ngx_s3jobs_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_s3jobs_text.h"


/* text for a log has no control character, and is clean the second time */


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


#define check(x)  if (!(x)) { __builtin_trap(); }


static void
check_clean(u_char *p, size_t len)
{
    size_t      i;
    ngx_str_t   s;
    ngx_uint_t  visible;

    s.data = p;
    s.len = len;
    visible = len > 0;

    for (i = 0; i < len; i++) {
        visible = visible && p[i] > 0x20 && p[i] < 0x7f;
    }

    check(ngx_s3jobs_text_visible(&s) == visible);

    ngx_s3jobs_text_clean(&s);
    check(s.len <= len);

    for (i = 0; i < s.len; i++) {
        check(s.data[i] >= 0x20 && s.data[i] != 0x7f);
    }

    len = s.len;
    ngx_s3jobs_text_clean(&s);
    check(s.len == len);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    u_char  *copy;

    copy = malloc(size);
    if (copy == NULL) {
        abort();
    }

    memcpy(copy, data, size);

    check_clean(copy, size);

    free(copy);

    return 0;
}
