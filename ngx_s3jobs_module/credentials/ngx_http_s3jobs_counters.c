
/*
 * Copyright (C) the ngx_s3jobs_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_s3jobs_error.h"
#include "ngx_http_s3jobs_counters.h"


void
ngx_http_s3jobs_tally(ngx_http_s3jobs_tally_t *tally, ngx_uint_t status,
    ngx_uint_t code)
{
    ngx_uint_t         i;
    ngx_atomic_uint_t  key;

    /* the answers that are most frequent came first, most likely */

    key = status << 8 | code;

    for (i = 0; i < NGX_HTTP_S3JOBS_TALLY - 1; i++) {

        if (tally[i].key == 0) {
            (void) ngx_atomic_cmp_set(&tally[i].key, 0, key);
        }

        if (tally[i].key == key) {
            break;
        }
    }

    if (i == NGX_HTTP_S3JOBS_TALLY - 1) {
        tally[i].key = NGX_S3JOBS_ERROR_OTHER;
    }

    ngx_http_s3jobs_count(&tally[i].count, 1);
}
