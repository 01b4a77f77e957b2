
/*
 * Copyright (C) the ngx_s3jobs_module authors
 */


#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_s3jobs_json.h"


#define FFFD  "\xef\xbf\xbd"


typedef struct {
    const char  *in;
    size_t       len;
    const char  *out;
} case_t;


#define text(in, out)  { in, sizeof(in) - 1, out }


static const case_t  escapes[] = {
    text("", ""),
    text("plain text ~!#[]{}", "plain text ~!#[]{}"),
    text("\"", "\\\""),
    text("\\", "\\\\"),
    text("1234567\"", "1234567\\\""),
    text("12345678\"", "12345678\\\""),
    text("\"2345678", "\\\"2345678"),
    text("1234567890123456\\", "1234567890123456\\\\"),
    text("\b\f\n\r\t", "\\b\\f\\n\\r\\t"),
    text("a\0b", "a\\u0000b"),
    text("\x01\x1f\x7f", "\\u0001\\u001f\\u007f"),
    text("\x20\x7e", " ~"),
    text("</script>", "</script>"),
    text("\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80",
         "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"),
    text("\xe2\x80\xa8\xe2\x80\xa9", "\\u2028\\u2029"),
    text("\xe2\x80\xa7\xe2\x80\xaa", "\xe2\x80\xa7\xe2\x80\xaa"),
    text("\xe2\x84\xa8", "\xe2\x84\xa8"),

    /* not UTF-8 */

    text("\x80", FFFD),
    text("\xff", FFFD),
    text("a\xc3", "a" FFFD),
    text("\xc3" "b", FFFD "b"),
    text("\xc0\xaf", FFFD FFFD),
    text("\xe0\x80\xaf", FFFD FFFD FFFD),
    text("\xed\xa0\x80", FFFD FFFD FFFD),
    text("\xf4\x90\x80\x80", FFFD FFFD FFFD FFFD),
    text("\xf5\x80\x80\x80", FFFD FFFD FFFD FFFD),
    text("\xe2\x82", FFFD FFFD),
    text("\xf0\x9f\x98", FFFD FFFD FFFD)
};


typedef struct {
    u_char      data[4096];
    size_t      len;
    u_char      piece[64];
    size_t      size;
    ngx_uint_t  pieces;     /* how many there will be */
} sink_t;


static ngx_int_t
more(ngx_s3jobs_out_t *out)
{
    sink_t *sink = out->data;

    memcpy(sink->data + sink->len, sink->piece, out->pos - sink->piece);
    sink->len += out->pos - sink->piece;

    if (sink->pieces-- == 0) {
        return NGX_ERROR;
    }

    out->pos = sink->piece;
    out->end = sink->piece + sink->size;

    return NGX_OK;
}


static void
begin(ngx_s3jobs_out_t *out, sink_t *sink, size_t size, ngx_uint_t pieces)
{
    sink->len = 0;
    sink->size = size;
    sink->pieces = pieces;

    out->pos = sink->piece;
    out->end = sink->piece + size;
    out->more = more;
    out->data = sink;
}


static void
test_escape(void **state)
{
    u_char            *p;
    size_t             size;
    sink_t             sink;
    ngx_uint_t         i;
    ngx_s3jobs_out_t   out;

    for (i = 0; i < sizeof(escapes) / sizeof(escapes[0]); i++) {

        /* a block of its own, so that a read past its end is found */

        p = malloc(escapes[i].len);
        memcpy(p, escapes[i].in, escapes[i].len);

        for (size = 1; size <= sizeof(sink.piece); size++) {
            begin(&out, &sink, size, 4096);

            assert_int_equal(ngx_s3jobs_json_escape(&out, p, escapes[i].len),
                             NGX_OK);
            more(&out);

            assert_int_equal(sink.len, strlen(escapes[i].out));
            assert_memory_equal(sink.data, escapes[i].out, sink.len);
        }

        free(p);
    }
}


/* every byte, at every place of what is looked at together */

static void
test_escape_places(void **state)
{
    u_char            in[24], expected[64], *p;
    sink_t            sink;
    ngx_uint_t        c, i, j;
    ngx_s3jobs_out_t  out;

    for (c = 0; c < 0x100; c++) {
        for (i = 0; i < sizeof(in); i++) {
            memset(in, 'x', sizeof(in));
            in[i] = (u_char) c;

            p = expected;

            for (j = 0; j < sizeof(in); j++) {
                if (strchr("\b\f\n\r\t\"\\", in[j]) && in[j]) {
                    *p++ = '\\';
                    *p++ = (in[j] == '\b') ? 'b' : (in[j] == '\f') ? 'f'
                           : (in[j] == '\n') ? 'n' : (in[j] == '\r') ? 'r'
                           : (in[j] == '\t') ? 't' : in[j];

                } else if (in[j] < 0x20 || in[j] == 0x7f) {
                    p += sprintf((char *) p, "\\u%04x", in[j]);

                } else if (in[j] >= 0x80) {
                    p += sprintf((char *) p, FFFD);

                } else {
                    *p++ = in[j];
                }
            }

            begin(&out, &sink, sizeof(sink.piece), 10);
            assert_int_equal(ngx_s3jobs_json_escape(&out, in, sizeof(in)),
                             NGX_OK);
            more(&out);

            assert_int_equal(sink.len, p - expected);
            assert_memory_equal(sink.data, expected, sink.len);
        }
    }
}


static void
test_no_room(void **state)
{
    sink_t            sink;
    ngx_uint_t        pieces;
    ngx_s3jobs_out_t  out;

    static const u_char  in[] = "0123456789\"0123456789";

    for (pieces = 0; pieces < 22; pieces++) {
        begin(&out, &sink, 1, pieces);
        assert_int_equal(ngx_s3jobs_json_escape(&out, in, 21),
                         pieces == 21 ? NGX_OK : NGX_ERROR);

        if (pieces < 21) {
            begin(&out, &sink, 1, pieces);
            assert_int_equal(ngx_s3jobs_out_write(&out, in, 21),
                             pieces >= 20 ? NGX_OK : NGX_ERROR);
        }
    }

    memset(&out, 0, sizeof(out));

    assert_int_equal(ngx_s3jobs_out_write(&out, NULL, 0), NGX_OK);
    assert_int_equal(ngx_s3jobs_json_escape(&out, NULL, 0), NGX_OK);
    assert_int_equal(ngx_s3jobs_out_write(&out, "x", 1), NGX_ERROR);
    assert_int_equal(ngx_s3jobs_json_escape(&out, (u_char *) "x", 1),
                     NGX_ERROR);
}


typedef struct {
    const char  *in;
    ngx_int_t    rc;
    const char  *out;
} integer_t;


static const integer_t  integers[] = {
    { "0", NGX_OK, "0" },
    { "-0", NGX_OK, "-0" },
    { "7", NGX_OK, "7" },
    { "-12", NGX_OK, "-12" },
    { " \t\r\n12 \t\r\n", NGX_OK, "12" },
    { "9223372036854775808", NGX_OK, "9223372036854775808" },
    { "9007199254740993", NGX_OK, "9007199254740993" },
    { "", NGX_DECLINED, "" },
    { " \n", NGX_DECLINED, "" },
    { "01", NGX_ERROR, NULL },
    { "00", NGX_ERROR, NULL },
    { "-01", NGX_ERROR, NULL },
    { "-", NGX_ERROR, NULL },
    { "--1", NGX_ERROR, NULL },
    { "+1", NGX_ERROR, NULL },
    { "1 2", NGX_ERROR, NULL },
    { "1-", NGX_ERROR, NULL },
    { "1.0", NGX_ERROR, NULL },
    { "1e3", NGX_ERROR, NULL },
    { "0x1", NGX_ERROR, NULL },
    { "1,000", NGX_ERROR, NULL },
    { "NaN", NGX_ERROR, NULL },
    { "\xc2\xa0" "1", NGX_ERROR, NULL },
    { "\xd9\xa1", NGX_ERROR, NULL }
};


static void
test_integer(void **state)
{
    ngx_str_t   s;
    ngx_uint_t  i;

    for (i = 0; i < sizeof(integers) / sizeof(integers[0]); i++) {
        s.len = strlen(integers[i].in);
        s.data = (u_char *) integers[i].in;

        assert_int_equal(ngx_s3jobs_json_integer(&s), integers[i].rc);

        if (integers[i].out) {
            assert_int_equal(s.len, strlen(integers[i].out));
            assert_memory_equal(s.data, integers[i].out, s.len);
        }
    }

    s.len = 0;
    s.data = NULL;
    assert_int_equal(ngx_s3jobs_json_integer(&s), NGX_DECLINED);
}


/* every code point there is, and every one cut short */

static void
test_utf8(void **state)
{
    u_char      b[4];
    uint32_t    c;
    ngx_int_t   i, len, expected;

    for (c = 0; c < 0x200000; c++) {

        if (c < 0x80) {
            len = 1;
            b[0] = (u_char) c;

        } else if (c < 0x800) {
            len = 2;
            b[0] = (u_char) (0xc0 | c >> 6);

        } else if (c < 0x10000) {
            len = 3;
            b[0] = (u_char) (0xe0 | c >> 12);

        } else {
            len = 4;
            b[0] = (u_char) (0xf0 | c >> 18);
        }

        for (i = 1; i < len; i++) {
            b[i] = (u_char) (0x80 | (c >> 6 * (len - 1 - i) & 0x3f));
        }

        expected = (c > 0x10ffff || (c >= 0xd800 && c < 0xe000)) ? 0 : len;

        assert_int_equal(ngx_s3jobs_utf8_length(b, b + len), expected);

        for (i = 1; expected && i < len; i++) {
            assert_int_equal(ngx_s3jobs_utf8_length(b, b + i), NGX_AGAIN);
        }
    }
}


static void
test_boolean(void **state)
{
    ngx_str_t   s;
    ngx_uint_t  i;

    static const integer_t  booleans[] = {
        { "true", NGX_OK, "true" },
        { "\r\n\tfalse ", NGX_OK, "false" },
        { "", NGX_DECLINED, NULL },
        { " \n", NGX_DECLINED, NULL },
        { "True", NGX_ERROR, NULL },
        { "truefalse", NGX_ERROR, NULL },
        { "tru", NGX_ERROR, NULL },
        { "tr ue", NGX_ERROR, NULL },
        { "true\v", NGX_ERROR, NULL },
        { "1", NGX_ERROR, NULL }
    };

    for (i = 0; i < sizeof(booleans) / sizeof(booleans[0]); i++) {
        s.len = strlen(booleans[i].in);
        s.data = (u_char *) booleans[i].in;

        assert_int_equal(ngx_s3jobs_json_boolean(&s), booleans[i].rc);

        if (booleans[i].out) {
            assert_int_equal(s.len, strlen(booleans[i].out));
            assert_memory_equal(s.data, booleans[i].out, s.len);
        }
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_escape),
        cmocka_unit_test(test_escape_places),
        cmocka_unit_test(test_no_room),
        cmocka_unit_test(test_integer),
        cmocka_unit_test(test_boolean),
        cmocka_unit_test(test_utf8)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
