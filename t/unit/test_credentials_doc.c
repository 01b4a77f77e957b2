
/*
 * Copyright (C) the ngx_s3jobs_module authors
 */


#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <ngx_config.h>
#include <ngx_core.h>
#include <jansson.h>
#include <libxml/xmlmemory.h>
#include "ngx_s3jobs_credentials_doc.h"
#include "ngx_s3jobs_wipe.h"


#define JSON(more)                                                            \
    "{\"AccessKeyId\":\"ASIAX\",\"SecretAccessKey\":\"s/+=\","                \
    "\"Token\":\"t==\",\"Expiration\":\"2026-01-02T03:04:05Z\"" more "}"

#define RESULT(more)                                                          \
    "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">"\
    "<AssumeRoleResult><AssumedRoleUser><Arn>a</Arn></AssumedRoleUser>"       \
    "<Credentials><SessionToken>t==</SessionToken><SecretAccessKey>s/+="      \
    "</SecretAccessKey><Expiration>2026-01-02T03:04:05Z</Expiration>"         \
    "<AccessKeyId>ASIAX</AccessKeyId>" more "</Credentials>"                  \
    "</AssumeRoleResult></AssumeRoleResponse>"

#define WHEN  1767323045


typedef struct {
    const char  *text;
    time_t       t;
} stamp_t;


typedef struct {
    const char  *text;
    ngx_int_t    rc;
    const char  *said;      /* the error, or code ": " message */
} document_t;


static const stamp_t  stamps[] = {
    { "1970-01-01T00:00:00Z", 0 },
    { "1970-01-01T00:00:01Z", 1 },
    { "1999-12-31T23:59:59Z", 946684799 },
    { "2000-02-29T00:00:00Z", 951782400 },
    { "2000-03-01T00:00:00Z", 951868800 },
    { "2024-02-29T12:30:15Z", 1709209815 },
    { "2026-01-02T03:04:05Z", WHEN },
    { "2026-01-02t03:04:05z", WHEN },
    { "2026-01-02 03:04:05Z", WHEN },
    { "2026-01-02T03:04:05.1Z", WHEN },
    { "2026-01-02T03:04:05.999999999Z", WHEN },
    { "2026-01-02T03:04:05+00:00", WHEN },
    { "2026-01-02T03:04:05-00:00", WHEN },
    { "2026-01-02T04:34:05+01:30", WHEN },
    { "2026-01-01T19:04:05.25-08:00", WHEN },
    { "2026-01-02T03:04:60Z", WHEN + 54 },
    { "2038-01-19T03:14:08Z", 2147483648LL },
    { "2100-02-28T23:59:59Z", 4107542399LL },
    { "2100-03-01T00:00:00Z", 4107542400LL },
    { "9999-12-31T23:59:59Z", 253402300799LL },
    { "1969-12-31T23:59:59Z", NGX_ERROR },
    { "10000-01-01T00:00:00Z", NGX_ERROR },
    { "2026-00-02T03:04:05Z", NGX_ERROR },
    { "2026-13-02T03:04:05Z", NGX_ERROR },
    { "2026-01-00T03:04:05Z", NGX_ERROR },
    { "2026-01-32T03:04:05Z", NGX_ERROR },
    { "2026-04-31T03:04:05Z", NGX_ERROR },
    { "2026-02-29T03:04:05Z", NGX_ERROR },
    { "2100-02-29T03:04:05Z", NGX_ERROR },
    { "2026-01-02T24:00:00Z", NGX_ERROR },
    { "2026-01-02T03:60:05Z", NGX_ERROR },
    { "2026-01-02T03:04:61Z", NGX_ERROR },
    { "2026-01-02T03:04:05", NGX_ERROR },
    { "2026-01-02T03:04:05.Z", NGX_ERROR },
    { "2026-01-02T03:04:05,5Z", NGX_ERROR },
    { "2026-01-02T03:04:05 Z", NGX_ERROR },
    { "2026-01-02T03:04:05Z ", NGX_ERROR },
    { "2026-01-02T03:04:05+0100", NGX_ERROR },
    { "2026-01-02T03:04:05+24:00", NGX_ERROR },
    { "2026-01-02T03:04:05+01:60", NGX_ERROR },
    { "2026-01-02T03:04:05+01:0", NGX_ERROR },
    { "2026-01-02T03:04Z", NGX_ERROR },
    { "2026-1-2T03:04:05Z", NGX_ERROR },
    { "20260102T030405Z", NGX_ERROR },
    { "2026-01-02", NGX_ERROR },
    { "1767323045", NGX_ERROR },
    { "Fri, 02 Jan 2026 03:04:05 GMT", NGX_ERROR },
    { "tomorrow", NGX_ERROR },
    { "", NGX_ERROR },
    { NULL, 0 }
};


static const document_t  json[] = {
    { JSON(""), NGX_OK, NULL },
    { JSON(",\"Code\":\"Success\",\"Type\":\"AWS-HMAC\""), NGX_OK, NULL },
    { JSON(",\"x\":{\"AccessKeyId\":[1.5,null,true]}"), NGX_OK, NULL },
    { " \r\n\t" JSON("") "\n", NGX_OK, NULL },
    { "{\"Code\":\"NoRole\",\"Message\":\"try\\tit\\u00e4\"}", NGX_DECLINED,
      "NoRole: try?it??" },
    { "{\"code\":\"lower\",\"message\":\"case\"}", NGX_DECLINED,
      "lower: case" },
    { JSON(",\"Code\":\"Failed\""), NGX_DECLINED, "Failed: " },
    { "", NGX_ERROR, "are not a JSON object" },
    { "null", NGX_ERROR, "are not a JSON object" },
    { "[]", NGX_ERROR, "are not a JSON object" },
    { "\"AccessKeyId\"", NGX_ERROR, "are not a JSON object" },
    { "{", NGX_ERROR, "are not a JSON object" },
    { JSON("") "x", NGX_ERROR, "are not a JSON object" },
    { JSON(",\"Token\":\"u\""), NGX_ERROR, "are not a JSON object" },
    { "\xef\xbb\xbf" JSON(""), NGX_ERROR, "are not a JSON object" },
    { "{\"a\":\"\xff\"}", NGX_ERROR, "are not a JSON object" },
    { "<html>", NGX_ERROR, "are not a JSON object" },
    { "{}", NGX_ERROR, "have no AccessKeyId" },
    { "{\"AccessKeyId\":null}", NGX_ERROR, "have no AccessKeyId" },
    { "{\"AccessKeyId\":5}", NGX_ERROR, "have no AccessKeyId" },
    { "{\"AccessKeyId\":\"\"}", NGX_ERROR, "have no AccessKeyId" },
    { "{\"AccessKeyId\":\"A\"}", NGX_ERROR, "have no SecretAccessKey" },
    { "{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"s\"}", NGX_ERROR,
      "have no session token" },
    { "{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"s\","
      "\"SessionToken\":\"t\"}", NGX_ERROR, "have no Expiration" },
    { "{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"s\",\"Token\":\"t\","
      "\"Expiration\":\"soon\"}", NGX_ERROR, "have an unreadable Expiration" },
    { "{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"s\",\"Token\":\"t\","
      "\"Expiration\":1767323045}", NGX_ERROR, "have no Expiration" },
    { "{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"s\",\"Token\":\"t u\","
      "\"Expiration\":\"2026-01-02T03:04:05Z\"}", NGX_ERROR,
      "have a session token that is too long, or has a character other than "
      "visible ASCII" },
    { "{\"AccessKeyId\":\"A\\u0000B\",\"SecretAccessKey\":\"s\","
      "\"Token\":\"t\",\"Expiration\":\"2026-01-02T03:04:05Z\"}", NGX_ERROR,
      "are not a JSON object" },
    { NULL, 0, NULL }
};


static const document_t  xml[] = {
    { RESULT(""), NGX_OK, NULL },
    { "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n" RESULT("<New>x</New>"),
      NGX_OK, NULL },
    { "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code>"
      "<Message>User: arn &amp; co\n</Message></Error><RequestId>r"
      "</RequestId></ErrorResponse>", NGX_DECLINED,
      "AccessDenied: User: arn & co?" },
    { RESULT("<AccessKeyId>B</AccessKeyId>"), NGX_ERROR,
      "have two AccessKeyIds" },
    { RESULT("<AccessKeyId/>"), NGX_ERROR, "have two AccessKeyIds" },
    { "", NGX_ERROR, "are not well-formed XML" },
    { RESULT("<a>"), NGX_ERROR, "are not well-formed XML" },
    { "<!DOCTYPE a>" RESULT(""), NGX_ERROR, "are not well-formed XML" },
    { "<ListJobsResult/>", NGX_ERROR, "are not a document of STS" },
    { "{}", NGX_ERROR, "are not well-formed XML" },
    { "<AssumeRoleResponse/>", NGX_ERROR, "have no AccessKeyId" },
    { "<AssumeRoleResponse><AccessKeyId>A</AccessKeyId></AssumeRoleResponse>",
      NGX_ERROR, "have no AccessKeyId" },
    { "<AssumeRoleResponse><Credentials><X><AccessKeyId>A</AccessKeyId></X>"
      "</Credentials></AssumeRoleResponse>", NGX_ERROR,
      "have no AccessKeyId" },
    { "<AssumeRoleResponse><Credentials><AccessKeyId><b/></AccessKeyId>"
      "</Credentials></AssumeRoleResponse>", NGX_ERROR,
      "have an element within a value" },
    { "<AssumeRoleResponse><Error><AccessKeyId>A</AccessKeyId></Error>"
      "<Credentials><Code>no</Code></Credentials></AssumeRoleResponse>",
      NGX_ERROR, "have no AccessKeyId" },
    { NULL, 0, NULL }
};


static void
test_times(void **state)
{
    ngx_str_t       text;
    const stamp_t  *s;

    for (s = stamps; s->text; s++) {
        text.len = ngx_strlen(s->text);
        text.data = (u_char *) s->text;

        if (ngx_s3jobs_parse_time(&text) != s->t) {
            fail_msg("\"%s\" is %ld", s->text,
                     (long) ngx_s3jobs_parse_time(&text));
        }
    }
}


/* against the C library, one moment in each of some thousand months */

static void
test_times_of_libc(void **state)
{
    char        buf[64];
    time_t      t;
    struct tm   tm;
    ngx_str_t   text;

    for (t = 86399; t < 253402300800LL; t += 2629743LL * 7) {
        assert_non_null(gmtime_r(&t, &tm));

        text.len = strftime(buf, sizeof(buf), "%Y-%m-%dT%H:%M:%SZ", &tm);
        text.data = (u_char *) buf;

        assert_int_equal(ngx_s3jobs_parse_time(&text), t);
    }
}


static void
check(const document_t *d, ngx_s3jobs_credentials_doc_pt parse)
{
    char                          said[512];
    ngx_int_t                     rc;
    ngx_str_t                     text;
    ngx_s3jobs_credentials_t     *c;
    ngx_s3jobs_credentials_doc_t  doc;

    /* exactly as long as it is, so that ASan sees a byte too many */

    text.len = ngx_strlen(d->text);
    text.data = malloc(text.len ? text.len : 1);
    assert_non_null(text.data);
    ngx_memcpy(text.data, d->text, text.len);

    rc = parse(&text, NGX_S3JOBS_DOC_TEMPORARY, &doc);

    free(text.data);

    if (rc != d->rc) {
        fail_msg("%ld of %s", (long) rc, d->text);
    }

    if (rc == NGX_OK) {
        c = &doc.credentials;

        assert_int_equal(c->expires, WHEN);
        assert_int_equal(c->access_key_id.len, 5);
        assert_memory_equal(c->access_key_id.data, "ASIAX", 5);
        assert_int_equal(c->secret_access_key.len, 4);
        assert_memory_equal(c->secret_access_key.data, "s/+=", 4);
        assert_int_equal(c->session_token.len, 3);
        assert_memory_equal(c->session_token.data, "t==", 3);

    } else if (rc == NGX_DECLINED) {
        snprintf(said, sizeof(said), "%.*s: %.*s", (int) doc.code.len,
                 doc.code.data, (int) doc.message.len,
                 doc.message.len ? (char *) doc.message.data : "");
        assert_string_equal(said, d->said);

    } else {
        assert_string_equal(doc.error, d->said);
    }
}


static void
test_json(void **state)
{
    json_free_t        free_fn;
    json_malloc_t      malloc_fn;
    const document_t  *d;

    for (d = json; d->text; d++) {
        check(d, ngx_s3jobs_credentials_json);
    }

    json_get_alloc_funcs(&malloc_fn, &free_fn);
    assert_ptr_equal(malloc_fn, malloc);
    assert_ptr_equal(free_fn, free);
}


static void
test_xml(void **state)
{
    xmlFreeFunc        free_fn;
    xmlMallocFunc      malloc_fn;
    xmlReallocFunc     realloc_fn;
    xmlStrdupFunc      strdup_fn;
    const document_t  *d;

    for (d = xml; d->text; d++) {
        check(d, ngx_s3jobs_credentials_xml);
    }

    xmlMemGet(&free_fn, &malloc_fn, &realloc_fn, &strdup_fn);
    assert_ptr_equal(malloc_fn, malloc);
    assert_ptr_equal(free_fn, free);
}


/* what is not required may be missing, not be broken */

static void
test_required(void **state)
{
    ngx_str_t                      text;
    ngx_s3jobs_credentials_doc_t   doc;

    ngx_str_set(&text, "{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"s\"}");
    assert_int_equal(ngx_s3jobs_credentials_json(&text, 0, &doc), NGX_OK);
    assert_int_equal(doc.credentials.session_token.len, 0);
    assert_int_equal(doc.credentials.expires, 0);

    assert_int_equal(ngx_s3jobs_credentials_json(&text,
                                              1 << NGX_S3JOBS_DOC_EXPIRATION,
                                              &doc),
                     NGX_ERROR);
    assert_string_equal(doc.error, "have no Expiration");

    ngx_str_set(&text, "{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"s\","
                       "\"Expiration\":\"1970-01-01T00:00:00Z\"}");
    assert_int_equal(ngx_s3jobs_credentials_json(&text, 0, &doc), NGX_OK);
    assert_int_equal(doc.credentials.expires, 1);

    ngx_str_set(&text, "{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"s\","
                       "\"Expiration\":\"never\"}");
    assert_int_equal(ngx_s3jobs_credentials_json(&text, 0, &doc), NGX_ERROR);
    assert_string_equal(doc.error, "have an unreadable Expiration");

    ngx_str_set(&text, "{\"AccessKeyId\":\"A\"}");
    assert_int_equal(ngx_s3jobs_credentials_json(&text, 0, &doc), NGX_ERROR);
    assert_string_equal(doc.error, "have no SecretAccessKey");
}


/* every document cut at every byte is refused */

static void
test_cut(void **state)
{
    size_t                         n;
    ngx_str_t                      text;
    ngx_s3jobs_credentials_doc_t   doc;

    for (n = 0; n < sizeof(JSON("")) - 1; n++) {
        text.len = n;
        text.data = (u_char *) JSON("");
        assert_int_equal(ngx_s3jobs_credentials_json(&text,
                                               NGX_S3JOBS_DOC_TEMPORARY, &doc),
                         NGX_ERROR);
    }

    for (n = 0; n < sizeof(RESULT("")) - 1; n++) {
        text.len = n;
        text.data = (u_char *) RESULT("");
        assert_int_equal(ngx_s3jobs_credentials_xml(&text,
                                               NGX_S3JOBS_DOC_TEMPORARY, &doc),
                         NGX_ERROR);
    }
}


/* the longest values fit, one byte more does not */

static void
test_long(void **state)
{
    char                           buf[3 * NGX_S3JOBS_TOKEN_MAX];
    ngx_int_t                      rc;
    ngx_str_t                      text;
    ngx_uint_t                     more;
    ngx_s3jobs_credentials_doc_t   doc;

    for (more = 0; more < 2; more++) {
        text.data = (u_char *) buf;
        text.len = sprintf(buf, "{\"AccessKeyId\":\"%0*d\","
                           "\"SecretAccessKey\":\"%0*d\",\"Token\":\"%0*d\","
                           "\"Expiration\":\"2026-01-02T03:04:05Z\"}",
                           NGX_S3JOBS_KEY_ID_MAX, 0, NGX_S3JOBS_SECRET_MAX, 0,
                           NGX_S3JOBS_TOKEN_MAX + (int) more, 0);

        rc = ngx_s3jobs_credentials_json(&text, NGX_S3JOBS_DOC_TEMPORARY,
                                         &doc);

        assert_int_equal(rc, more ? NGX_ERROR : NGX_OK);

        text.len = sprintf(buf, "<AssumeRoleResponse><Credentials>"
                           "<AccessKeyId>%0*d</AccessKeyId>"
                           "<SecretAccessKey>%0*d</SecretAccessKey>"
                           "<SessionToken>%0*d</SessionToken><Expiration>"
                           "2026-01-02T03:04:05Z</Expiration></Credentials>"
                           "</AssumeRoleResponse>",
                           NGX_S3JOBS_KEY_ID_MAX, 0, NGX_S3JOBS_SECRET_MAX, 0,
                           NGX_S3JOBS_TOKEN_MAX + (int) more, 0);

        rc = ngx_s3jobs_credentials_xml(&text, NGX_S3JOBS_DOC_TEMPORARY,
                                         &doc);

        assert_int_equal(rc, more ? NGX_ERROR : NGX_OK);

        if (rc != NGX_OK) {
            assert_string_equal(doc.error, "have a value that is too long");
        }
    }

    /* what people read is cut */

    text.len = sprintf(buf, "{\"Code\":\"%0*d\",\"Message\":\"%0*d\"}",
                       1000, 0, 1000, 0);

    assert_int_equal(ngx_s3jobs_credentials_json(&text,
                                               NGX_S3JOBS_DOC_TEMPORARY, &doc),
                         NGX_DECLINED);
    assert_int_equal(doc.code.len, NGX_S3JOBS_DOC_CODE_MAX);
    assert_int_equal(doc.message.len, NGX_S3JOBS_DOC_MESSAGE_MAX);
}


static void
test_deep(void **state)
{
    char                           buf[65536];
    ngx_str_t                      text;
    ngx_s3jobs_credentials_doc_t   doc;

    ngx_memset(buf, '[', sizeof(buf));

    text.data = (u_char *) buf;
    text.len = sizeof(buf);

    assert_int_equal(ngx_s3jobs_credentials_json(&text,
                                               NGX_S3JOBS_DOC_TEMPORARY, &doc),
                         NGX_ERROR);
}


static void
test_wipe(void **state)
{
    char  *p;

    p = ngx_s3jobs_wipe_realloc(NULL, 10);
    assert_non_null(p);
    ngx_memcpy(p, "012345678", 10);

    p = ngx_s3jobs_wipe_realloc(p, 100000);
    assert_non_null(p);
    assert_string_equal(p, "012345678");

    p = ngx_s3jobs_wipe_realloc(p, 4);
    assert_non_null(p);
    assert_memory_equal(p, "0123", 4);
    ngx_s3jobs_wipe_free(p);

    p = ngx_s3jobs_wipe_calloc(3, 5);
    assert_non_null(p);
    assert_int_equal(p[14], 0);
    free(p);

    p = ngx_s3jobs_wipe_strdup("abc");
    assert_string_equal(p, "abc");
    ngx_s3jobs_wipe_free(p);

    ngx_s3jobs_wipe_free(NULL);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_times_of_libc),
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_xml),
        cmocka_unit_test(test_required),
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_long),
        cmocka_unit_test(test_deep),
        cmocka_unit_test(test_wipe)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
