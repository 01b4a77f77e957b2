
/*
 * Copyright (C) the ngx_s3jobs_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_s3jobs_query.h"


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


#define check(x)  if (!(x)) { __builtin_trap(); }


static ngx_str_t
canonical(ngx_s3jobs_query_t *q)
{
    ngx_str_t  s;

    s.len = ngx_s3jobs_query_length(q);
    s.data = malloc(s.len ? s.len : 1);
    check(s.data != NULL);
    check(ngx_s3jobs_query_write(s.data, q) == s.data + s.len);

    return s;
}


/* what is accepted has one canonical form, and that is its own */

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t                     i;
    ngx_int_t                  rc;
    ngx_str_t                  args, first, second;
    ngx_s3jobs_query_t         q;
    ngx_s3jobs_query_error_t   err;

    args.len = size;
    args.data = (u_char *) data;

    rc = ngx_s3jobs_query_parse(&args, &q, &err);

    if (rc != NGX_OK) {
        check(rc == NGX_DECLINED);
        check(err.text.len > 0 && err.name.len <= NGX_S3JOBS_QUERY_NAME_MAX);
        check(err.name.data >= data
              && err.name.data + err.name.len <= data + size);
        return 0;
    }

    check(q.max_results >= -1 && q.max_results <= 1000);
    check(q.statuses < 1 << 13);

    first = canonical(&q);

    for (i = 0; i < first.len; i++) {
        check(first.data[i] > ' ' && first.data[i] < 0x7f);
    }

    check(ngx_s3jobs_query_parse(&first, &q, &err) == NGX_OK);
    second = canonical(&q);

    check(first.len == second.len
          && memcmp(first.data, second.data, first.len) == 0);

    free(first.data);
    free(second.data);

    return 0;
}
