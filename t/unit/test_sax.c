
/*
 * Copyright (C) the ngx_s3jobs_module authors
 */


#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <ngx_config.h>
#include <ngx_core.h>
#include <libxml/parser.h>
#include "sax_main.h"


#define BLOCK  4096


typedef struct {
    const char  *in;
    size_t       len;
    const char  *out;      /* NULL: broken */
} case_t;


#define document(in, out)  { in, sizeof(in) - 1, out }
#define broken(in)         { in, sizeof(in) - 1, NULL }

#define DECL  "<?xml version=\"1.0\" encoding=\"UTF-8\"?>"


/* out: (a an element b) */

static const case_t  cases[] = {
    document("<a/>", "(a)"),
    document("<a></a>", "(a)"),
    document(" \r\n<a/> \n", "(a)"),
    document(DECL "<a/>", "(a)"),
    document("<?xml version='1.0'?><a/>", "(a)"),
    document("<?xml version='1.0' encoding='utf-8' standalone='yes'?><a/>",
             "(a)"),
    document("<?xml version='1.0' encoding = 'US-ascii' ?><a/>", "(a)"),
    document("\xef\xbb\xbf<a/>", "(a)"),
    document("\xef\xbb\xbf" DECL "<a/>", "(a)"),
    document("<a>x<b>y</b>z</a>", "(ax(by)z)"),
    document("<a b='1' c=\"2\">x</a>", "(ax)"),
    document("<p:a xmlns:p='u'><p:b/><c/></p:a>", "(a(b)(c))"),
    document("<a xmlns='u'><b xmlns=''/></a>", "(a(b))"),
    document("<p:a><q:b/></p:a>", "(a(b))"),
    document("<a>&lt;&gt;&amp;&quot;&apos;</a>", "(a<>&\"')"),
    document("<a>&#65;&#x42;&#x1F600;</a>", "(aAB\xf0\x9f\x98\x80)"),
    document("<a>x<![CDATA[<&]]>]<![CDATA[]]><![CDATA[]]]]></a>",
             "(ax<&]]])"),
    document("<a>x<!-- <c> --><?pi <d> ?>y</a><!-- --><?pi?>", "(axy)"),
    document("<a>\r\nx\ry\n</a>", "(a\nx\ny\n)"),
    document("<a>\r\r\n\n&#13;\n&#13;&#10;</a>\r", "(a\n\n\n\r\n\r\n)"),
    document("<a><![CDATA[\r\n\rx\r]]><![CDATA[\ny\r]]>\r\n</a>",
             "(a\n\nx\n\ny\n\n)"),
    document("<a>\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80</a>",
             "(a\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80)"),
    document("<\xc3\xa4>\x7f</\xc3\xa4>", "(\xc3\xa4\x7f)"),
    document("<a\n b='1'\n></a\n>", "(a)"),
    document("<?xml-stylesheet encoding='latin1'?><a/>", "(a)"),

    broken(""),
    broken(" "),
    broken("\xef\xbb\xbf"),
    broken("<"),
    broken("<a"),
    broken("<a>"),
    broken("<a><b></a></b>"),
    broken("<a></b>"),
    broken("</a>"),
    broken("x"),
    broken("<a/>x"),
    broken("<a/><a/>"),
    broken("<a/><"),
    broken("<a/><!"),
    broken("<a/><!--"),
    broken("<a/>" DECL),
    broken("x<a/>"),
    broken(" " DECL "<a/>"),
    broken("<!-- only -->"),
    broken("{\"a\":1}"),
    broken("<a>&b;</a>"),
    broken("<a>&</a>"),
    broken("<a>&#0;</a>"),
    broken("<a>&#xD800;</a>"),
    broken("<a>&#x110000;</a>"),
    broken("<a>]]></a>"),
    broken("<a><![CDATA[</a>"),
    broken("<a b='1' b='2'/>"),
    broken("<a b=1/>"),
    broken("<a b='<'/>"),
    broken("<a b='&c;'/>"),
    broken("<a><!-- -- --></a>"),
    broken("<:/>"),
    broken("<a:/>"),
    broken("<a>\x01</a>"),
    broken("<a>\xef\xbf\xbe</a>"),

    /* no document type */

    broken("<!DOCTYPE a><a/>"),
    broken("<!DOCTYPE a SYSTEM 'file:///etc/passwd'><a/>"),
    broken("<!DOCTYPE a PUBLIC 'x' 'http://127.0.0.1:1/'><a/>"),
    broken("<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>"),
    broken("<!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]>"
           "<a>&b;</a>"),
    broken("<!DOCTYPE a [<!ENTITY % b SYSTEM 'file:///etc/passwd'> %b;]>"
           "<a/>"),
    broken("<!-- --><!DOCTYPE a><a/>"),
    broken("<a/><!DOCTYPE a>"),
    broken("<a><!DOCTYPE a></a>"),

    /* only UTF-8 */

    broken("<a>\x80</a>"),
    broken("<a>\xff</a>"),
    broken("<a>\xc3</a>"),
    broken("<a>\xc0\xbc</a>"),
    broken("<a>\xe0\x80\xbc</a>"),
    broken("<a>\xed\xa0\x80</a>"),
    broken("<a>\xf4\x90\x80\x80</a>"),
    broken("<a b='\xff'/>"),
    broken("<!--\xff--><a/>"),
    broken("<a/><!--\xc3"),
    broken("<a/>\xc3"),
    broken("<a/>\xf0\x9f\x98"),
    broken("<a\xff/>"),
    broken("<a>\0</a>"),
    broken("<a/>\0"),
    broken("<a\0/>"),
    broken("<a><!--\0--></a>"),
    broken("\xff\xfe<\0a\0/\0>\0"),
    broken("\xfe\xff\0<\0a\0/\0>"),
    broken("<\0a\0/\0>\0"),
    broken("\0<\0a\0/\0>"),
    broken("\0\0\0<"),
    broken("\x4c\x6f\xa7\x94"),
    broken("\xef\xbb\xbf\xef\xbb\xbf<a/>"),
    broken("<?xml version='1.0' encoding='ISO-8859-1'?><a/>"),
    broken("<?xml version='1.0' encoding='utf-16'?><a/>"),
    broken("<?xml version='1.0' encoding='SHIFT_JIS'?><a/>"),
    broken("<?xml version='1.0' encoding='utf-7'?><a/>"),
    broken("<?xml version='1.0' encoding=''?><a/>"),
    broken("<?xml version='1.0' encoding=utf-8?><a/>"),
    broken("<?xml version='1.0' encoding='utf-8?><a/>"),
    broken("<?xml version='1.0' encoding='utf-8'"),
    broken("<?xml version='2.0'?><a/>"),
    broken("<?xml?><a/>"),
    broken("\x1f\x8b\x08")
};


typedef struct {
    ngx_s3jobs_sax_t  *sax;
    char              *data;
    size_t             len;
    ngx_uint_t         calls;
    ngx_uint_t         refuse;    /* the call that does; 0: none */
    ngx_uint_t         drop;
} events_t;


static void
add(events_t *ev, const void *p, size_t len)
{
    ev->calls++;

    if (!ev->drop) {
        memcpy(ev->data + ev->len, p, len);
        ev->len += len;
    }

    if (ev->calls == ev->refuse) {
        ngx_s3jobs_sax_refuse(ev->sax, "had enough");
        ngx_s3jobs_sax_refuse(ev->sax, "really");
    }
}


static void
on_start(void *data, const u_char *name, size_t len)
{
    events_t *ev = data;

    char  buf[NGX_S3JOBS_SAX_NAME_MAX + 1];

    assert_in_range(len, 1, NGX_S3JOBS_SAX_NAME_MAX);

    buf[0] = '(';
    memcpy(buf + 1, name, len);

    add(ev, buf, len + 1);
}


static void
on_text(void *data, const u_char *text, size_t len)
{
    events_t *ev = data;

    assert_int_not_equal(len, 0);
    assert_int_not_equal(text[0] & 0xc0, 0x80);

    add(ev, text, len);
}


static void
on_end(void *data)
{
    add(data, ")", 1);
}


static const ngx_s3jobs_sax_handler_t  handler = {
    on_start,
    on_text,
    on_end,
    NULL,
    NULL,
    NULL
};


/* the first piece of the given size, then the others */

static ngx_int_t
parse(events_t *ev, const char *in, size_t len, size_t first, size_t size)
{
    size_t      n;
    u_char     *piece;
    ngx_int_t   rc;

    ev->len = 0;
    ev->calls = 0;
    ev->sax = ngx_s3jobs_sax_create(&handler, ev);
    assert_non_null(ev->sax);

    rc = NGX_OK;

    for (n = first; len; len -= n, in += n, n = size) {
        n = ngx_min(n, len);

        piece = malloc(n);
        memcpy(piece, in, n);

        rc = ngx_s3jobs_sax_feed(ev->sax, piece, n);
        free(piece);

        if (rc != NGX_OK) {
            assert_int_equal(ngx_s3jobs_sax_feed(ev->sax, (u_char *) "x", 1),
                             NGX_ERROR);
            break;
        }
    }

    n = ev->calls;

    if (ngx_s3jobs_sax_finish(ev->sax) == NGX_OK) {
        assert_int_equal(rc, NGX_OK);
        assert_null(ngx_s3jobs_sax_error(ev->sax));

    } else {
        if (rc != NGX_OK) {
            assert_int_equal(ev->calls, n);
        }

        rc = NGX_ERROR;
        assert_non_null(ngx_s3jobs_sax_error(ev->sax));
    }

    ngx_s3jobs_sax_destroy(ev->sax);

    return rc;
}


static void
check(const case_t *c, const char *in, size_t len, size_t first, size_t size)
{
    char       data[1024];
    events_t   ev;
    ngx_int_t  rc;

    memset(&ev, 0, sizeof(ev));
    ev.data = data;

    rc = parse(&ev, in, len, first, size);

    if ((rc == NGX_OK) != (c->out != NULL)) {
        fail_msg("%s", c->in);
    }

    if (c->out) {
        assert_int_equal(ev.len, strlen(c->out));
        assert_memory_equal(ev.data, c->out, ev.len);
    }
}


static void
test_cases(void **state)
{
    size_t      n;
    ngx_uint_t  i;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        check(&cases[i], cases[i].in, cases[i].len, 1, 1);

        for (n = 0; n <= cases[i].len; n++) {
            check(&cases[i], cases[i].in, cases[i].len, n, BLOCK);
        }
    }
}


/* every byte of every document at the border of two blocks */

static void
test_borders(void **state)
{
    char        doc[BLOCK + 256];
    size_t      n, pad;
    ngx_uint_t  i;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {

        if (cases[i].len < 4 || cases[i].in[0] != '<'
            || strncmp(cases[i].in, "<?xml", 5) == 0)
        {
            continue;
        }

        for (n = 0; n <= cases[i].len; n++) {
            pad = BLOCK - n;

            memset(doc, 'x', pad);
            memcpy(doc, "<!--", 4);
            memcpy(doc + pad - 3, "-->", 3);
            memcpy(doc + pad, cases[i].in, cases[i].len);

            check(&cases[i], doc, pad + cases[i].len, BLOCK, BLOCK);
        }
    }
}


/* ---- of several errors the first is the reason, wherever a block ends, and
 * its line is not told: libxml2's parser for whole documents says which */

static void
first_error(void *data, const xmlError *error)
{
    char  *p = data;

    if (*p == '\0') {
        snprintf(p, 128, "%.*s", (int) strcspn(error->message, "\n"),
                 error->message);
    }
}


static void
test_first_error(void **state)
{
    char         data[1024], first[128], *doc, *p;
    size_t       n, len;
    events_t     ev;
    ngx_uint_t   i;

    static const char  *docs[] = {
        "<a><b c=1 d/></e>&f;</a>",
        "<a>&b;<c d='1' d='2'/>&e;</f></a>",
        "<a><b d='1' d='2'/>&e;</f></a>",
        "\n<a>\n<b>\n</c>\n&d;</a>"
    };

    doc = malloc(2 * BLOCK);

    memset(&ev, 0, sizeof(ev));
    ev.data = data;

    for (i = 0; i < sizeof(docs) / sizeof(docs[0]); i++) {
        len = strlen(docs[i]);

        first[0] = '\0';
        xmlSetStructuredErrorFunc(first, (xmlStructuredErrorFunc) first_error);
        xmlFreeDoc(xmlReadMemory(docs[i], (int) len, NULL, NULL, 0));
        xmlSetStructuredErrorFunc(NULL, NULL);

        p = strstr(first, " line ");

        if (p) {
            n = 6 + strspn(p + 6, "0123456789");
            memmove(p, p + n, strlen(p + n) + 1);
        }

        for (n = 0; n <= len; n++) {
            memset(doc, ' ', BLOCK - n);
            memcpy(doc + BLOCK - n, docs[i], len);

            ev.len = 0;
            ev.sax = ngx_s3jobs_sax_create(&handler, &ev);
            assert_non_null(ev.sax);

            (void) ngx_s3jobs_sax_feed(ev.sax, (u_char *) doc,
                                       BLOCK - n + len);

            assert_int_equal(ngx_s3jobs_sax_finish(ev.sax), NGX_ERROR);
            assert_string_equal(ngx_s3jobs_sax_error(ev.sax), first);

            ngx_s3jobs_sax_destroy(ev.sax);
        }
    }

    free(doc);
}


static void
test_refuse(void **state)
{
    char        data[64];
    events_t    ev;
    ngx_uint_t  i;

    memset(&ev, 0, sizeof(ev));
    ev.data = data;

    for (i = 1; i <= 10; i++) {
        ev.refuse = i;
        assert_int_equal(parse(&ev, "<a>x<b>y</b>z<c/></a>", 21, 99, 99),
                         i == 10 ? NGX_OK : NGX_ERROR);
        assert_int_equal(ev.calls, ngx_min(i, 9));
    }

    ev.refuse = 2;
    ev.len = 0;
    ev.calls = 0;
    ev.sax = ngx_s3jobs_sax_create(&handler, &ev);

    assert_int_equal(ngx_s3jobs_sax_feed(ev.sax, (u_char *) "<a>x</a>", 8),
                     NGX_OK);
    assert_int_equal(ngx_s3jobs_sax_finish(ev.sax), NGX_ERROR);
    assert_int_equal(ngx_s3jobs_sax_finish(ev.sax), NGX_ERROR);
    assert_string_equal(ngx_s3jobs_sax_error(ev.sax), "had enough");

    ngx_s3jobs_sax_destroy(ev.sax);
    ngx_s3jobs_sax_destroy(NULL);
}


/* head, then middle until the end of it or a refusal, then tail */

static ngx_int_t
repeat(const char *head, const char *middle, size_t times, const char *tail)
{
    size_t     i, len;
    events_t   ev;
    ngx_int_t  rc;

    memset(&ev, 0, sizeof(ev));

    ev.drop = 1;
    ev.sax = ngx_s3jobs_sax_create(&handler, &ev);
    assert_non_null(ev.sax);

    len = strlen(middle);
    rc = ngx_s3jobs_sax_feed(ev.sax, (u_char *) head, strlen(head));

    for (i = 0; i < times && rc == NGX_OK; i++) {
        rc = ngx_s3jobs_sax_feed(ev.sax, (u_char *) middle, len);
    }

    if (rc == NGX_OK) {
        rc = ngx_s3jobs_sax_feed(ev.sax, (u_char *) tail, strlen(tail));
    }

    if (rc == NGX_OK) {
        rc = ngx_s3jobs_sax_finish(ev.sax);
    }

    ngx_s3jobs_sax_destroy(ev.sax);

    return rc;
}


static void
test_limits(void **state)
{
    char         doc[1024];
    char        *names, *p;
    ngx_uint_t   i;

    /* depth */

    for (i = 0; i < 2; i++) {
        p = doc;

        while (p < doc + 3 * (NGX_S3JOBS_SAX_DEPTH_MAX - 1 + i)) {
            p += sprintf(p, "<a>");
        }

        p += sprintf(p, "<a/>");

        while (p < doc + 7 * (NGX_S3JOBS_SAX_DEPTH_MAX - 1 + i) + 4) {
            p += sprintf(p, "</a>");
        }

        assert_int_equal(repeat(doc, "", 0, ""), i ? NGX_ERROR : NGX_OK);
    }

    assert_int_equal(repeat("", "<a>", 100000, ""), NGX_ERROR);

    /* a name */

    for (i = 0; i < 2; i++) {
        p = doc;
        *p++ = '<';
        memset(p, 'n', NGX_S3JOBS_SAX_NAME_MAX + i);
        p += NGX_S3JOBS_SAX_NAME_MAX + i;
        strcpy(p, "/>");

        assert_int_equal(repeat(doc, "", 0, ""), i ? NGX_ERROR : NGX_OK);
    }

    /* what libxml2 keeps whole */

    assert_int_equal(repeat("<a b='", "12345678", 1024, "'/>"), NGX_OK);
    assert_int_equal(repeat("<a b='", "12345678", 1 << 20, "'/>"), NGX_ERROR);
    assert_int_equal(repeat("<a", " ", 1 << 20, "/>"), NGX_ERROR);
    assert_int_equal(repeat("<", "a", 1 << 20, "/>"), NGX_ERROR);
    assert_int_equal(repeat("<a/><!--", " ", 8192, "-->"), NGX_OK);
    assert_int_equal(repeat("<a><![CDATA[", " ", 8192, "]]></a>"), NGX_OK);
    assert_int_equal(repeat("<a/><!--", " ", 1 << 20, "-->"), NGX_ERROR);
    assert_int_equal(repeat("<a/><?p", " ", 1 << 20, "?>"), NGX_ERROR);
    assert_int_equal(repeat("<!DOCTYPE a [", " ", 1 << 20, "]><a/>"),
                     NGX_ERROR);
    assert_int_equal(repeat("<a>&", "b", 1 << 20, ";</a>"), NGX_ERROR);
    assert_int_equal(repeat("<?xml ", " ", 1 << 20, "?><a/>"), NGX_ERROR);

    /* and what not */

    assert_int_equal(repeat("<a>", "text text", 1 << 18, "</a>"), NGX_OK);
    assert_int_equal(repeat("<a>", "<![CDATA[text]]>", 1 << 16, "</a>"),
                     NGX_OK);
    assert_int_equal(repeat("<a>", "<b c='1'/>", 1 << 16, "</a>"), NGX_OK);
    assert_int_equal(repeat("<a>", "<!-- x -->", 1 << 16, "</a>"), NGX_OK);
    assert_int_equal(repeat("", " ", 1 << 20, "<a/>"), NGX_OK);
    assert_int_equal(repeat("<a/>", "\n", 1 << 20, ""), NGX_OK);

    /* different names */

    names = malloc(4 * NGX_S3JOBS_SAX_NAMES_MAX);
    assert_non_null(names);

    p = names;

    for (i = 0; p < names + 4 * NGX_S3JOBS_SAX_NAMES_MAX - 32; i++) {
        p += sprintf(p, "<n%07zux/>", (size_t) i);
    }

    assert_int_equal(repeat("<a>", names, 1, "</a>"), NGX_ERROR);

    names[NGX_S3JOBS_SAX_NAMES_MAX / 4 / 12 * 12] = '\0';
    assert_int_equal(repeat("<a>", names, 1, "</a>"), NGX_OK);

    free(names);
}


sax_main(
    cmocka_unit_test(test_cases),
    cmocka_unit_test(test_borders),
    cmocka_unit_test(test_first_error),
    cmocka_unit_test(test_refuse),
    cmocka_unit_test(test_limits)
)
