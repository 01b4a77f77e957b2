
/*
 * Copyright (C) the ngx_s3jobs_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_s3jobs_chars.h"
#include "ngx_s3jobs_endpoint.h"


typedef struct {
    ngx_str_t    prefix;
    ngx_str_t    suffix;
    ngx_uint_t   fips;
} ngx_s3jobs_partition_t;


static ngx_s3jobs_partition_t *ngx_s3jobs_partition(ngx_str_t *region);


/* the first match counts, the last one matches all */

static ngx_s3jobs_partition_t  ngx_s3jobs_partitions[] = {
    { ngx_string("cn-"),      ngx_string("amazonaws.com.cn"), 0 },
    { ngx_string("us-iso-"),  ngx_string("c2s.ic.gov"),       1 },
    { ngx_string("us-isob-"), ngx_string("sc2s.sgov.gov"),    1 },
    { ngx_string("eu-isoe-"), ngx_string("cloud.adc-e.uk"),   1 },
    { ngx_string("us-isof-"), ngx_string("csp.hci.ic.gov"),   1 },
    { ngx_string("eusc-de-"), ngx_string("amazonaws.eu"),     1 },
    { ngx_string(""),         ngx_string("amazonaws.com"),    1 }
};


ngx_uint_t
ngx_s3jobs_account_valid(ngx_str_t *account)
{
    return account->len == NGX_S3JOBS_ACCOUNT_LEN
           && ngx_s3jobs_span(account->data, account->data + account->len,
                              NGX_S3JOBS_CHAR_DIGIT)
              == account->len;
}


ngx_uint_t
ngx_s3jobs_region_valid(ngx_str_t *region)
{
    u_char       c;
    size_t       i;
    ngx_uint_t   words, letters, digits;

    if (region->len > NGX_S3JOBS_REGION_MAX) {
        return 0;
    }

    words = 1;
    digits = 0;
    letters = 0;

    for (i = 0; i < region->len; i++) {
        c = region->data[i];

        if (c >= 'a' && c <= 'z') {
            letters++;

        } else if (c >= '0' && c <= '9') {
            digits++;

        } else if (c == '-' && letters + digits != 0
                   && (words != 1 || digits == 0))
        {
            words++;
            digits = 0;
            letters = 0;

        } else {
            return 0;
        }
    }

    return words >= 3 && digits != 0 && letters == 0;
}


ngx_str_t *
ngx_s3jobs_region_suffix(ngx_str_t *region)
{
    return &ngx_s3jobs_partition(region)->suffix;
}


ngx_uint_t
ngx_s3jobs_region_fips(ngx_str_t *region)
{
    return ngx_s3jobs_partition(region)->fips;
}


static ngx_s3jobs_partition_t *
ngx_s3jobs_partition(ngx_str_t *region)
{
    ngx_s3jobs_partition_t  *part;

    for (part = ngx_s3jobs_partitions; part->prefix.len; part++) {
        if (region->len >= part->prefix.len
            && ngx_memcmp(region->data, part->prefix.data, part->prefix.len)
               == 0)
        {
            break;
        }
    }

    return part;
}


u_char *
ngx_s3jobs_endpoint_write(u_char *p, ngx_str_t *account, ngx_str_t *region,
    ngx_uint_t flags)
{
    ngx_str_t  *suffix;

    p = ngx_cpymem(p, account->data, account->len);
    p = ngx_cpymem(p, ".s3-control", sizeof(".s3-control") - 1);

    if (flags & NGX_S3JOBS_FIPS) {
        p = ngx_cpymem(p, "-fips", sizeof("-fips") - 1);
    }

    if (flags & NGX_S3JOBS_DUALSTACK) {
        p = ngx_cpymem(p, ".dualstack", sizeof(".dualstack") - 1);
    }

    *p++ = '.';
    p = ngx_cpymem(p, region->data, region->len);
    *p++ = '.';

    suffix = ngx_s3jobs_region_suffix(region);

    return ngx_cpymem(p, suffix->data, suffix->len);
}
