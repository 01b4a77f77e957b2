
/*
 * Copyright (C) the ngx_s3jobs_module authors
 */


#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_s3jobs_chars.h"


#define ALNUM  "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


typedef struct {
    ngx_uint_t   class;
    const char  *chars;
} class_t;


static const class_t  classes[] = {
    { NGX_S3JOBS_CHAR_DIGIT, "0123456789" },
    { NGX_S3JOBS_CHARS_LABEL, ALNUM "-_" },
    { NGX_S3JOBS_CHARS_CODE, ALNUM "-_." },
    { NGX_S3JOBS_CHARS_UNRESERVED, ALNUM "-_.~" },
    { NGX_S3JOBS_CHARS_IAM, ALNUM "-_.+=,@" },
    { NGX_S3JOBS_CHARS_ARN, ALNUM "-_.+=,@:/" },
    { 0, NULL }
};


static void
test_every_byte(void **state)
{
    u_char          c;
    ngx_uint_t      i;
    const class_t  *class;

    for (class = classes; class->chars; class++) {
        for (i = 0; i < 256; i++) {
            c = (u_char) i;

            if (!ngx_s3jobs_char(c, class->class)
                != (memchr(class->chars, i, strlen(class->chars)) == NULL))
            {
                fail_msg("%02x in \"%s\"", (unsigned) i, class->chars);
            }

            assert_int_equal(ngx_s3jobs_span(&c, &c + 1, class->class),
                             ngx_s3jobs_char(c, class->class) != 0);
        }
    }
}


static void
test_span(void **state)
{
    const u_char *text = (const u_char *) "ab-c/d";

    assert_int_equal(ngx_s3jobs_span(text, text, NGX_S3JOBS_CHARS_ARN), 0);
    assert_int_equal(ngx_s3jobs_span(text, text + 3, NGX_S3JOBS_CHARS_ARN),
                     3);
    assert_int_equal(ngx_s3jobs_span(text, text + 6, NGX_S3JOBS_CHARS_ARN),
                     6);
    assert_int_equal(ngx_s3jobs_span(text, text + 6, NGX_S3JOBS_CHARS_LABEL),
                     4);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_every_byte),
        cmocka_unit_test(test_span)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
