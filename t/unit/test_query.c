
/*
 * Copyright (C) the ngx_s3jobs_module authors
 */


#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_s3jobs_query.h"


#define ALL                                                                   \
    "jobStatuses=Active&jobStatuses=Cancelled&jobStatuses=Cancelling"         \
    "&jobStatuses=Complete&jobStatuses=Completing&jobStatuses=Failed"         \
    "&jobStatuses=Failing&jobStatuses=New&jobStatuses=Paused"                 \
    "&jobStatuses=Pausing&jobStatuses=Preparing&jobStatuses=Ready"            \
    "&jobStatuses=Suspended"

#define RESULTS                                                               \
    "must be an integer from 0 to 1000, in digits without leading zeros"
#define TOKEN                                                                 \
    "must be 1 to 1024 characters, each one of A-Z a-z 0-9 "                  \
    "# $ % & ' ( ) * + , - . / : ; < = > ? @ [ \\ ] ^ _"
#define STATUSES                                                              \
    "allowed are Active, Cancelled, Cancelling, Complete, Completing, "       \
    "Failed, Failing, New, Paused, Pausing, Preparing, Ready and Suspended"
#define NAMES    "allowed are jobStatuses, maxResults and nextToken"
#define UNKNOWN  "is unknown: " NAMES
#define GARBLED  "is not valid percent-encoding: "
#define ABSENT   "has no value: "
#define TWICE    "must not be given twice"


typedef struct {
    const char  *args;
    const char  *canonical;
} good_t;


typedef struct {
    const char  *args;
    const char  *name;
    const char  *text;
} bad_t;


static const good_t  good[] = {
    { "", "" },
    { "&", "" },
    { "&&&", "" },
    { "maxResults=0", "maxResults=0" },
    { "maxResults=9", "maxResults=9" },
    { "maxResults=10", "maxResults=10" },
    { "maxResults=99", "maxResults=99" },
    { "maxResults=100", "maxResults=100" },
    { "maxResults=999", "maxResults=999" },
    { "maxResults=1000", "maxResults=1000" },
    { "maxResults=%31%30", "maxResults=10" },
    { "&maxResults=7&", "maxResults=7" },
    { "jobStatuses=New", "jobStatuses=New" },
    { "jobStatuses=New&jobStatuses=New,New", "jobStatuses=New" },
    { "jobStatuses=Ready,Active", "jobStatuses=Active&jobStatuses=Ready" },
    { "jobStatuses=Ready%2cActive", "jobStatuses=Active&jobStatuses=Ready" },
    { "jobStatuses=Ready%2CActive", "jobStatuses=Active&jobStatuses=Ready" },
    { "jobStatuses=%41ctiv%65", "jobStatuses=Active" },
    { "%6aob%53tatuses=Active", "jobStatuses=Active" },
    { "jobStatuses=Suspended,Ready,Preparing,Pausing,Paused,New,Failing,"
      "Failed,Completing,Complete,Cancelling,Cancelled,Active", ALL },
    { ALL, ALL },
    { "nextToken=a&maxResults=1&jobStatuses=New",
      "jobStatuses=New&maxResults=1&nextToken=a" },
    { "nextToken=a=b==", "nextToken=a%3Db%3D%3D" },
    { "nextToken=a+b", "nextToken=a%2Bb" },
    { "nextToken=%2b%2F", "nextToken=%2B%2F" },
    { "nextToken=%2541", "nextToken=%2541" },
    { "nextToken=%25", "nextToken=%25" },
    { "nextToken=%26maxResults%3D1", "nextToken=%26maxResults%3D1" },
    { "nextToken=Ab0%2B%2F%3D%3A%3F%23%24%25%26%27%28%29%2A%2C-.%3B%3C%3E%40"
      "%5B%5C%5D%5E_",
      "nextToken=Ab0%2B%2F%3D%3A%3F%23%24%25%26%27%28%29%2A%2C-.%3B%3C%3E%40"
      "%5B%5C%5D%5E_" },
    { "nextToken=Ab0+/=:?#$%25%26'()*,-.;<>@[\\]^_",
      "nextToken=Ab0%2B%2F%3D%3A%3F%23%24%25%26%27%28%29%2A%2C-.%3B%3C%3E%40"
      "%5B%5C%5D%5E_" },
    { NULL, NULL }
};


static const bad_t  bad[] = {
    { "foo=1", "foo", UNKNOWN },
    { "foo", "foo", UNKNOWN },
    { "=", "", UNKNOWN },
    { "=1", "", UNKNOWN },
    { "maxresults=1", "maxresults", UNKNOWN },
    { "maxResult=1", "maxResult", UNKNOWN },
    { "maxResultss=1", "maxResultss", UNKNOWN },
    { "maxResults%00=1", "maxResults%00", UNKNOWN },
    { "%00=1", "%00", UNKNOWN },
    { "accountId=1", "accountId", UNKNOWN },
    { "\xff\xfe=1", "\xff\xfe", UNKNOWN },
    { "?maxResults=1", "?maxResults", UNKNOWN },
    { "maxResults=1;nextToken=a", "maxResults", RESULTS },
    { "a%=1", "a%", GARBLED NAMES },
    { "a%4=1", "a%4", GARBLED NAMES },
    { "a%4g=1", "a%4g", GARBLED NAMES },
    { "%", "%", GARBLED NAMES },
    { "maxResults", "maxResults", ABSENT RESULTS },
    { "maxResults=", "maxResults", ABSENT RESULTS },
    { "maxResults=1&maxResults", "maxResults", ABSENT RESULTS },
    { "maxResults=%", "maxResults", GARBLED RESULTS },
    { "maxResults=1%", "maxResults", GARBLED RESULTS },
    { "maxResults=1%3", "maxResults", GARBLED RESULTS },
    { "maxResults=1%3&", "maxResults", GARBLED RESULTS },
    { "maxResults=%3x", "maxResults", GARBLED RESULTS },
    { "maxResults=%x3", "maxResults", GARBLED RESULTS },
    { "maxResults=1001", "maxResults", RESULTS },
    { "maxResults=10000000000000000000000000", "maxResults", RESULTS },
    { "maxResults=18446744073709551617", "maxResults", RESULTS },
    { "maxResults=00", "maxResults", RESULTS },
    { "maxResults=01", "maxResults", RESULTS },
    { "maxResults=-1", "maxResults", RESULTS },
    { "maxResults=+1", "maxResults", RESULTS },
    { "maxResults=1.0", "maxResults", RESULTS },
    { "maxResults=1e2", "maxResults", RESULTS },
    { "maxResults=0x1", "maxResults", RESULTS },
    { "maxResults=%201", "maxResults", RESULTS },
    { "maxResults=1%00", "maxResults", RESULTS },
    { "maxResults=1%0a", "maxResults", RESULTS },
    { "maxResults=\xd9\xa1", "maxResults", RESULTS },
    { "maxResults=1=1", "maxResults", RESULTS },
    { "maxResults=1&maxResults=1", "maxResults", TWICE },
    { "maxResults=0&maxResults=0", "maxResults", TWICE },
    { "maxResults=1&%6daxResults=1", "%6daxResults", TWICE },
    { "jobStatuses", "jobStatuses", ABSENT STATUSES },
    { "jobStatuses=", "jobStatuses", ABSENT STATUSES },
    { "jobStatuses=%", "jobStatuses", GARBLED STATUSES },
    { "jobStatuses=Active%2", "jobStatuses", GARBLED STATUSES },
    { "jobStatuses=,", "jobStatuses", "has an empty status: " STATUSES },
    { "jobStatuses=New,", "jobStatuses", "has an empty status: " STATUSES },
    { "jobStatuses=,New", "jobStatuses", "has an empty status: " STATUSES },
    { "jobStatuses=New,,Failed", "jobStatuses",
      "has an empty status: " STATUSES },
    { "jobStatuses=%2C", "jobStatuses", "has an empty status: " STATUSES },
    { "jobStatuses=active", "jobStatuses",
      "has an unknown status: " STATUSES },
    { "jobStatuses=ACTIVE", "jobStatuses",
      "has an unknown status: " STATUSES },
    { "jobStatuses=Activ", "jobStatuses", "has an unknown status: " STATUSES },
    { "jobStatuses=Actives", "jobStatuses",
      "has an unknown status: " STATUSES },
    { "jobStatuses=Active+", "jobStatuses",
      "has an unknown status: " STATUSES },
    { "jobStatuses=Active%20", "jobStatuses",
      "has an unknown status: " STATUSES },
    { "jobStatuses=Active%00", "jobStatuses",
      "has an unknown status: " STATUSES },
    { "jobStatuses=Active%2541", "jobStatuses",
      "has an unknown status: " STATUSES },
    { "jobStatuses=Active=New", "jobStatuses",
      "has an unknown status: " STATUSES },
    { "jobStatuses=Active&jobStatuses=x", "jobStatuses",
      "has an unknown status: " STATUSES },
    { "nextToken", "nextToken", ABSENT TOKEN },
    { "nextToken=", "nextToken", ABSENT TOKEN },
    { "nextToken=a%", "nextToken", GARBLED TOKEN },
    { "nextToken=%zz", "nextToken", GARBLED TOKEN },
    { "nextToken=a%00", "nextToken", TOKEN },
    { "nextToken=%00", "nextToken", TOKEN },
    { "nextToken=a%20b", "nextToken", TOKEN },
    { "nextToken=!", "nextToken", TOKEN },
    { "nextToken=%22", "nextToken", TOKEN },
    { "nextToken=`", "nextToken", TOKEN },
    { "nextToken=~", "nextToken", TOKEN },
    { "nextToken={", "nextToken", TOKEN },
    { "nextToken=%7f", "nextToken", TOKEN },
    { "nextToken=\xc3\xa9", "nextToken", TOKEN },
    { "nextToken=%0A", "nextToken", TOKEN },
    { "nextToken=a&nextToken=a", "nextToken", TWICE },
    { "nextToken=a&nextToken=", "nextToken", ABSENT TOKEN },
    { NULL, NULL, NULL }
};


/* in memory of its own, so that ASan sees the first byte too many */

static ngx_int_t
parse(const char *args, size_t len, char **canonical,
    ngx_s3jobs_query_error_t *err)
{
    u_char              *p, *end;
    size_t               size;
    ngx_int_t            rc;
    ngx_str_t            s;
    ngx_s3jobs_query_t   q;

    s.len = len;
    s.data = malloc(len ? len : 1);
    assert_non_null(s.data);
    memcpy(s.data, args, len);

    rc = ngx_s3jobs_query_parse(&s, &q, err);

    if (rc == NGX_OK) {
        size = ngx_s3jobs_query_length(&q);

        p = malloc(size + 1);
        assert_non_null(p);

        end = ngx_s3jobs_query_write(p, &q);
        assert_int_equal(end - p, size);
        *end = '\0';

        *canonical = (char *) p;

    } else {
        assert_int_equal(rc, NGX_DECLINED);
        assert_in_range(err->name.len, 0, NGX_S3JOBS_QUERY_NAME_MAX);

        p = malloc(err->name.len + 1);
        assert_non_null(p);

        memcpy(p, err->name.data, err->name.len);
        p[err->name.len] = '\0';

        *canonical = (char *) p;
    }

    free(s.data);

    return rc;
}


static void
test_good(void **state)
{
    char                      *canonical, *again;
    const good_t              *g;
    ngx_s3jobs_query_error_t   err;

    for (g = good; g->args; g++) {
        assert_int_equal(parse(g->args, strlen(g->args), &canonical, &err),
                         NGX_OK);
        assert_string_equal(canonical, g->canonical);

        assert_int_equal(parse(canonical, strlen(canonical), &again, &err),
                         NGX_OK);
        assert_string_equal(again, canonical);

        free(canonical);
        free(again);
    }
}


static void
test_bad(void **state)
{
    char                      *name;
    const bad_t               *b;
    ngx_s3jobs_query_error_t   err;

    for (b = bad; b->args; b++) {
        assert_int_equal(parse(b->args, strlen(b->args), &name, &err),
                         NGX_DECLINED);
        assert_string_equal(name, b->name);
        assert_string_equal(err.text.data, b->text);
        assert_int_equal(err.text.len, strlen(b->text));

        free(name);
    }
}


static void
test_every_byte_of_a_token(void **state)
{
    char                       args[32], expected[32], *out;
    int                        c, n;
    ngx_int_t                  rc;
    ngx_uint_t                 admitted;
    ngx_s3jobs_query_error_t   err;

    admitted = 0;

    for (c = 0; c < 256; c++) {
        n = sprintf(args, "nextToken=%%%02x", c);

        rc = parse(args, n, &out, &err);

        if (rc == NGX_OK) {
            admitted++;
            assert_true((c >= 0x23 && c <= 0x5f) || (c >= 'a' && c <= 'z'));

            if (isalnum(c) || c == '-' || c == '.' || c == '_') {
                sprintf(expected, "nextToken=%c", c);

            } else {
                sprintf(expected, "nextToken=%%%02X", c);
            }

            assert_string_equal(out, expected);
        }

        free(out);
    }

    assert_int_equal(admitted, 87);
}


static void
test_lengths(void **state)
{
    char                      *args, *out;
    size_t                     i, len;
    ngx_s3jobs_query_error_t   err;

    args = malloc(8192);
    assert_non_null(args);

    /* 1024 characters, as they are and encoded */

    len = sprintf(args, "nextToken=");
    memset(args + len, 'a', 1025);

    assert_int_equal(parse(args, len + 1024, &out, &err), NGX_OK);
    assert_int_equal(strlen(out), len + 1024);
    free(out);

    assert_int_equal(parse(args, len + 1025, &out, &err), NGX_DECLINED);
    assert_string_equal(err.text.data, TOKEN);
    free(out);

    for (i = 0; i < 1025; i++) {
        memcpy(args + len + i * 3, "%2f", 3);
    }

    assert_int_equal(parse(args, len + 1024 * 3, &out, &err), NGX_OK);
    assert_int_equal(strlen(out), len + 1024 * 3);
    assert_string_equal(out + strlen(out) - 6, "%2F%2F");
    free(out);

    assert_int_equal(parse(args, len + 1025 * 3, &out, &err), NGX_DECLINED);
    free(out);

    /* a name of 8 kB is cut */

    memset(args, 'n', 8192);
    assert_int_equal(parse(args, 8192, &out, &err), NGX_DECLINED);
    assert_int_equal(strlen(out), NGX_S3JOBS_QUERY_NAME_MAX);
    assert_string_equal(err.text.data, UNKNOWN);
    free(out);

    /* 8 kB of empty pairs; of one status */

    memset(args, '&', 8192);
    assert_int_equal(parse(args, 8192, &out, &err), NGX_OK);
    assert_string_equal(out, "");
    free(out);

    len = sprintf(args, "jobStatuses=New");

    while (len + 4 <= 8192) {
        memcpy(args + len, ",New", 4);
        len += 4;
    }

    assert_int_equal(parse(args, len, &out, &err), NGX_OK);
    assert_string_equal(out, "jobStatuses=New");
    free(out);

    /* 60 arguments */

    for (i = 0, len = 0; i < 60; i++) {
        len += sprintf(args + len, "&jobStatuses=Failed");
    }

    assert_int_equal(parse(args, len, &out, &err), NGX_OK);
    assert_string_equal(out, "jobStatuses=Failed");
    free(out);

    len += sprintf(args + len, "&x=1");

    assert_int_equal(parse(args, len, &out, &err), NGX_DECLINED);
    assert_string_equal(out, "x");
    free(out);

    free(args);
}


static void
test_null(void **state)
{
    ngx_str_t                  args;
    ngx_s3jobs_query_t         q;
    ngx_s3jobs_query_error_t   err;

    ngx_str_null(&args);

    assert_int_equal(ngx_s3jobs_query_parse(&args, &q, &err), NGX_OK);
    assert_int_equal(q.statuses, 0);
    assert_int_equal(q.max_results, -1);
    assert_int_equal(q.next_token.len, 0);
    assert_int_equal(ngx_s3jobs_query_length(&q), 0);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_every_byte_of_a_token),
        cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_null)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
