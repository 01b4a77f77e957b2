
/*
 * Copyright (C) the ngx_s3jobs_module authors
 */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_s3jobs_text.h"


static struct {
    const char  *text;
    const char  *clean;
} cleaned[] = {
    { "", "" },
    { "plain, \xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", NULL },
    { "a\r\nb\tc\x1b[2J\x07\x7f" "d", "a  b c [2J  d" },
    { "\xc2\x80\xc2\x85\xc2\x9b\xc2\x9f|\xc2\xa0", "    |\xc2\xa0" },
    { "\xe2\x80\x8d|\xe2\x80\x8e\xe2\x80\x8f|\xe2\x80\x90",
      "\xe2\x80\x8d|  |\xe2\x80\x90" },
    { "\xe2\x80\xa7|\xe2\x80\xa8\xe2\x80\xa9\xe2\x80\xaa\xe2\x80\xab"
      "\xe2\x80\xac\xe2\x80\xad\xe2\x80\xae|\xe2\x80\xaf",
      "\xe2\x80\xa7|       |\xe2\x80\xaf" },
    { "\xe2\x81\xa5|\xe2\x81\xa6\xe2\x81\xa7\xe2\x81\xa8\xe2\x81\xa9|"
      "\xe2\x81\xaa", "\xe2\x81\xa5|    |\xe2\x81\xaa" },
    { "\xd8\x9b\xd8\x9c\xd8\x9d", "\xd8\x9b \xd8\x9d" },
    /* not UTF-8 */
    { "\x9b\xff\xc2", NULL },
    { "\xe2\x80", NULL },
};


static struct {
    const char  *document;
    const char  *root;         /* NULL: there is none */
} roots[] = {
    { "<a>", "a" },
    { "<a/>", "a" },
    { "<ListJobsResult xmlns=\"http://x/:y\">", "ListJobsResult" },
    { "<s3:Error\n>", "Error" },
    { "\xef\xbb\xbf<?xml version=\"1.0\"?>\r\n<!-- <b> - -- -->\t<a ", "a" },
    { "<!-- x --><?a ?><!-- --> <?b <c>?><a>", "a" },
    { "<!DOCTYPE a>", NULL },
    { "<![CDATA[", NULL },
    { "", "" },
    { "  x", NULL },
    { "{\"a\":1}", NULL },
    { "\x1f\x8b\x08", NULL },
    { "\xef\xbb<a>", NULL },
    { "\xff\xfe<\0a", NULL },
    { "</a>", NULL },
    { "<>", NULL },
    { "< a>", NULL },
    { "<a:>", NULL },
    { "<a<b>", NULL },
};


static void
test_clean(void **state)
{
    char        copy[64];
    size_t      i;
    ngx_str_t   s;
    const char  *want;

    for (i = 0; i < sizeof(cleaned) / sizeof(cleaned[0]); i++) {
        s.len = strlen(cleaned[i].text);
        s.data = (u_char *) copy;
        memcpy(copy, cleaned[i].text, s.len);

        ngx_s3jobs_text_clean(&s);

        want = cleaned[i].clean ? cleaned[i].clean : cleaned[i].text;
        assert_int_equal(s.len, strlen(want));
        assert_memory_equal(s.data, want, s.len);
    }
}


static void
test_visible(void **state)
{
    size_t      i;
    ngx_str_t   s;

    static const char  *bad[] = { "", " ", "a b", "a\x1b", "\x7f", "a\xc2\x9b",
                                  "a\t" };

    ngx_str_set(&s, "!~0A/+=");
    assert_true(ngx_s3jobs_text_visible(&s));

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        s.data = (u_char *) bad[i];
        s.len = strlen(bad[i]);
        assert_false(ngx_s3jobs_text_visible(&s));
    }
}


/* every byte at every place, among the least and the most of what is good */

static void
test_visible_places(void **state)
{
    size_t      at;
    u_char      text[19];
    ngx_str_t   s;
    ngx_uint_t  c, fill;

    s.data = text;
    s.len = sizeof(text);

    for (fill = 0x21; fill <= 0x7e; fill += 0x5d) {
        for (at = 0; at < sizeof(text); at++) {
            for (c = 0; c < 256; c++) {
                memset(text, (int) fill, sizeof(text));
                text[at] = (u_char) c;

                assert_int_equal(ngx_s3jobs_text_visible(&s),
                                 c > 0x20 && c < 0x7f);
            }
        }
    }
}


/* a copy of its own for each length, so that ASan sees what is behind it */

static void
test_root(void **state)
{
    u_char      *p;
    size_t      i, n, len;
    ngx_int_t   rc;
    ngx_str_t   name;

    for (i = 0; i < sizeof(roots) / sizeof(roots[0]); i++) {
        len = strlen(roots[i].document);

        for (n = 0; n <= len; n++) {
            p = malloc(n + 1);
            memcpy(p + 1, roots[i].document, n);

            rc = ngx_s3jobs_text_root(p + 1, n, &name);

            /* once it is known it stays, and before it is not known */

            if (rc == NGX_OK) {
                assert_non_null(roots[i].root);
                assert_int_equal(name.len, strlen(roots[i].root));
                assert_memory_equal(name.data, roots[i].root, name.len);

            } else if (rc == NGX_DECLINED) {
                assert_null(roots[i].root);

            } else {
                assert_int_equal(rc, NGX_AGAIN);
                assert_true(n < len || len == 0
                            || roots[i].document[0] == '\xff');
            }

            free(p);
        }
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_clean),
        cmocka_unit_test(test_visible),
        cmocka_unit_test(test_visible_places),
        cmocka_unit_test(test_root),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
