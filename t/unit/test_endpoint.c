
/*
 * Copyright (C) the ngx_s3jobs_module authors
 */


#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_s3jobs_endpoint.h"
#include "valid.h"


#define FIPS  NGX_S3JOBS_FIPS
#define DUAL  NGX_S3JOBS_DUALSTACK


typedef struct {
    const char  *region;
    ngx_uint_t   flags;
    const char  *rest;      /* after "123456789012.s3-control" */
} endpoint_t;


static const endpoint_t  endpoints[] = {
    { "us-east-1", 0, ".us-east-1.amazonaws.com" },
    { "us-east-1", FIPS, "-fips.us-east-1.amazonaws.com" },
    { "us-east-1", DUAL, ".dualstack.us-east-1.amazonaws.com" },
    { "us-east-1", FIPS|DUAL, "-fips.dualstack.us-east-1.amazonaws.com" },
    { "eu-central-1", 0, ".eu-central-1.amazonaws.com" },
    { "ap-southeast-7", 0, ".ap-southeast-7.amazonaws.com" },
    { "sa-east-1", 0, ".sa-east-1.amazonaws.com" },
    { "ca-west-1", FIPS, "-fips.ca-west-1.amazonaws.com" },
    { "me-south-1", 0, ".me-south-1.amazonaws.com" },
    { "af-south-1", 0, ".af-south-1.amazonaws.com" },
    { "il-central-1", 0, ".il-central-1.amazonaws.com" },
    { "mx-central-1", 0, ".mx-central-1.amazonaws.com" },
    { "us-gov-west-1", 0, ".us-gov-west-1.amazonaws.com" },
    { "us-gov-east-1", FIPS, "-fips.us-gov-east-1.amazonaws.com" },
    { "cn-north-1", 0, ".cn-north-1.amazonaws.com.cn" },
    { "cn-northwest-1", DUAL, ".dualstack.cn-northwest-1.amazonaws.com.cn" },
    { "us-iso-east-1", 0, ".us-iso-east-1.c2s.ic.gov" },
    { "us-isob-east-1", FIPS, "-fips.us-isob-east-1.sc2s.sgov.gov" },
    { "eu-isoe-west-1", 0, ".eu-isoe-west-1.cloud.adc-e.uk" },
    { "us-isof-south-1", 0, ".us-isof-south-1.csp.hci.ic.gov" },
    { "eusc-de-east-1", 0, ".eusc-de-east-1.amazonaws.eu" },
    { "xx-new-1", DUAL, ".dualstack.xx-new-1.amazonaws.com" },
    { NULL, 0, NULL }
};


static const char  *good_regions[] = {
    "us-east-1", "us-gov-west-1", "us-isob-east-1", "eusc-de-east-1",
    "cn-north-1", "ap-southeast-12", "a-b-1", "xx-y2z-east-99",
    "abcdefghijklmno-pqrstuvwxyzab-12", NULL
};


static const char  *bad_regions[] = {
    "", "-", "us", "us-east", "us-1", "aws-global", "us-east-", "-east-1",
    "us--1", "us-east-1-", "us-east-one", "us-east-1a", "us-east-a1",
    "US-EAST-1", "us_east_1", "us-east-1 ", " us-east-1", "us-east-1.",
    "us-east-1/", "u1-east-1", "1-2-3", "us-\xc3\xa4st-1", "us-east-1\n",
    "abcdefghijklmno-pqrstuvwxyzab-123", NULL
};


static void
test_account(void **state)
{
    static const char  *good[] = {
        "123456789012", "000000000000", "012345678901", NULL
    };
    static const char  *bad[] = {
        "", "12345678901", "1234567890123", "12345678901a", "a23456789012",
        "-23456789012", " 23456789012", "12345678901\n", "12345678901/",
        "12345678901:", "\xd9\xa1\xd9\xa1\xd9\xa1\xd9\xa1\xd9\xa1\xd9\xa1",
        NULL
    };

    check(ngx_s3jobs_account_valid, good, 1);
    check(ngx_s3jobs_account_valid, bad, 0);
    assert_int_equal(valid(ngx_s3jobs_account_valid, "12345678901\0", 12), 0);
}


static void
test_region(void **state)
{
    check(ngx_s3jobs_region_valid, good_regions, 1);
    check(ngx_s3jobs_region_valid, bad_regions, 0);
    assert_int_equal(valid(ngx_s3jobs_region_valid, "us-east-1\0", 10), 0);
}


static void
test_fips(void **state)
{
    static const char  *with[] = {
        "us-east-1", "us-gov-west-1", "ca-west-1", "us-iso-east-1",
        "eusc-de-east-1", NULL
    };
    static const char  *without[] = { "cn-north-1", "cn-northwest-1", NULL };

    check(ngx_s3jobs_region_fips, with, 1);
    check(ngx_s3jobs_region_fips, without, 0);
}


static void
test_endpoint(void **state)
{
    char               expected[256], account[] = "123456789012";
    u_char            *p, *last;
    size_t             len;
    ngx_str_t          a, region;
    const endpoint_t  *e;

    a.data = (u_char *) account;
    a.len = NGX_S3JOBS_ACCOUNT_LEN;

    for (e = endpoints; e->region; e++) {
        region.data = (u_char *) e->region;
        region.len = strlen(e->region);

        len = sprintf(expected, "%s.s3-control%s", account, e->rest);

        p = malloc(NGX_S3JOBS_ENDPOINT_MAX);
        assert_non_null(p);

        last = ngx_s3jobs_endpoint_write(p, &a, &region, e->flags);

        assert_int_equal(last - p, len);
        assert_memory_equal(p, expected, len);

        free(p);
    }
}


static void
test_longest_endpoint(void **state)
{
    u_char     *p, *last;
    ngx_str_t   account = ngx_string("123456789012");
    ngx_str_t   region = ngx_string("cn-abcdefghijklmnopqrstuvwxyza-1");

    assert_int_equal(region.len, NGX_S3JOBS_REGION_MAX);

    p = malloc(NGX_S3JOBS_ENDPOINT_MAX);
    assert_non_null(p);

    last = ngx_s3jobs_endpoint_write(p, &account, &region, FIPS|DUAL);
    assert_int_equal(last - p, NGX_S3JOBS_ENDPOINT_MAX);

    free(p);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_account),
        cmocka_unit_test(test_region),
        cmocka_unit_test(test_fips),
        cmocka_unit_test(test_endpoint),
        cmocka_unit_test(test_longest_endpoint)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
