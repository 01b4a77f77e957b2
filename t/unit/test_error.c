
/*
 * Copyright (C) the ngx_s3jobs_module authors
 */


#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_s3jobs_error.h"
#include "sax_main.h"


#define DENIED       "S3 Control denied the gateway access to these jobs"
#define GATEWAY      "S3 Control did not accept the gateway's request"
#define CREDENTIALS  "S3 Control did not accept the gateway's credentials"
#define CLOCK        "the clocks of the gateway and S3 Control differ"
#define REGION       "the gateway asked S3 Control in a wrong region"
#define BUSY         "S3 Control is busy, try again later"
#define INTERNAL     "S3 Control failed to answer the request"
#define UNKNOWN      "S3 Control answered with an error that is not known here"
#define UNAVAILABLE  "S3 Control is not available, try again later"
#define UNREADABLE   "S3 Control's answer could not be understood"
#define INVALID      "S3 Control refused the request as invalid"

#define FFFD         "\xef\xbf\xbd"


typedef struct {
    ngx_uint_t   from;
    const char  *said;
    ngx_uint_t   status;
    const char  *code;
    const char  *message;     /* NULL: S3's */
    ngx_uint_t   fault;
    ngx_uint_t   refresh;
} code_t;


#define client(from, code)                                                    \
    { from, code, 400, code, NULL, NGX_S3JOBS_FAULT_CLIENT, 0 }
#define denied(from, code)                                                    \
    { from, code, 403, "AccessDenied", DENIED, NGX_S3JOBS_FAULT_DENIED, 0 }
#define gateway(from, code, message, refresh)                                 \
    { from, code, 502, code, message, NGX_S3JOBS_FAULT_GATEWAY, refresh }
#define busy(from, code)                                                      \
    { from, code, 503, code, BUSY, NGX_S3JOBS_FAULT_BUSY, 0 }
#define upstream(from, code, message)                                         \
    { from, code, 502, code, message, NGX_S3JOBS_FAULT_UPSTREAM, 0 }


static const code_t  codes[] = {
    client(400, "InvalidRequest"),
    client(400, "InvalidNextToken"),
    client(400, "InvalidArgument"),
    client(400, "InvalidURI"),
    denied(403, "AccessDenied"),
    denied(403, "AllAccessDisabled"),
    denied(403, "AccountProblem"),
    denied(403, "NotSignedUp"),
    gateway(400, "ExpiredToken", CREDENTIALS, 1),
    gateway(400, "InvalidToken", CREDENTIALS, 1),
    gateway(400, "TokenRefreshRequired", CREDENTIALS, 1),
    gateway(403, "SignatureDoesNotMatch", GATEWAY, 0),
    gateway(403, "InvalidAccessKeyId", GATEWAY, 0),
    gateway(403, "MissingAuthenticationToken", GATEWAY, 0),
    gateway(403, "RequestTimeTooSkewed", CLOCK, 0),
    gateway(400, "AuthorizationHeaderMalformed", GATEWAY, 0),
    gateway(400, "MissingSecurityHeader", GATEWAY, 0),
    gateway(400, "InvalidHostHeader", GATEWAY, 0),
    gateway(301, "PermanentRedirectControlError", REGION, 0),
    busy(503, "SlowDown"),
    busy(503, "ServiceUnavailable"),
    busy(400, "TooManyRequests"),
    busy(200, "SlowDown"),
    upstream(500, "InternalError", INTERNAL),
    upstream(500, "InternalService", INTERNAL),
    upstream(503, "InternalError", INTERNAL),
    upstream(400, "NeverHeardOf", UNKNOWN),
    upstream(404, "NoSuchThing", UNKNOWN),
    upstream(501, "NotImplemented", UNKNOWN),
    upstream(503, "Strange", UNKNOWN),
    upstream(400, "invalidrequest", UNKNOWN),
    upstream(400, "InvalidReques", UNKNOWN),
    upstream(400, "Exception", UNKNOWN)
};


typedef struct {
    const char  *document;
    ngx_uint_t   status;
    const char  *code;        /* for the client */
    const char  *message;
    const char  *request_id;
    const char  *said;        /* code for the log */
} document_t;


#define one(code, message)                                                    \
    "<Error><Code>" code "</Code><Message>" message "</Message></Error>"


static const document_t  documents[] = {

    /* the two shapes */

    { "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
      "<ErrorResponse xmlns=\"http://awss3control.amazonaws.com/doc/\">"
      "<Error><Type>Sender</Type><Code>InvalidRequest</Code>"
      "<Message>a &lt; b</Message></Error>"
      "<RequestId>R1</RequestId><HostId>H</HostId></ErrorResponse>",
      400, "InvalidRequest", "a < b", "R1", "InvalidRequest" },
    { "<Error><RequestId>R2</RequestId><HostId>H</HostId>"
      "<Message>m</Message><Code>InvalidRequestException</Code></Error>",
      400, "InvalidRequest", "m", "R2", "InvalidRequestException" },
    { "<s:Error xmlns:s=\"x\"><s:Code>InvalidURI</s:Code></s:Error>",
      400, "InvalidURI", INVALID, "", "InvalidURI" },

    /* the first counts; elsewhere it does not */

    { "<Error><Code>InvalidURI</Code><Code>SlowDown</Code></Error>",
      400, "InvalidURI", INVALID, "", "InvalidURI" },
    { "<Error><X><Code>SlowDown</Code></X><Code>InvalidURI</Code></Error>",
      400, "InvalidURI", INVALID, "", "InvalidURI" },
    { "<Error><Code>Invalid<b>Slow</b>URI</Code></Error>",
      400, "InvalidURI", INVALID, "", "InvalidURI" },
    { "<ErrorResponse><Code>InvalidURI</Code></ErrorResponse>",
      502, "BadUpstreamResponse", UNREADABLE, "", "" },
    { "<ErrorResponse><Error/><RequestId>R</RequestId></ErrorResponse>",
      502, "BadUpstreamResponse", UNREADABLE, "R", "" },

    /* text */

    { one(" \n InvalidURI \n", " \n a\tb\nc \n"),
      400, "InvalidURI", "a b c", "", "InvalidURI" },
    { one("Invalid<![CDATA[U]]>R&#73;", "&#x1F600;&amp;"),
      400, "InvalidURI", "\xf0\x9f\x98\x80&", "", "InvalidURI" },
    { one("Invalid URI", "m"), 502, "BadUpstreamResponse", UNREADABLE, "",
      "" },
    { one("Invalid&quot;URI", "m"), 502, "BadUpstreamResponse", UNREADABLE,
      "", "" },
    { one("", "m"), 502, "BadUpstreamResponse", UNREADABLE, "", "" },
    { "<Error><Code>InvalidURI</Code><RequestId>a b</RequestId></Error>",
      400, "InvalidURI", INVALID, "", "InvalidURI" },
    { "<Error><Code>InvalidURI</Code><RequestId>\xc3\xa4</RequestId></Error>",
      400, "InvalidURI", INVALID, "", "InvalidURI" },

    /* no error document */

    { "", 502, "BadUpstreamResponse", UNREADABLE, "", "" },
    { "<html><body>502</body></html>",
      502, "BadUpstreamResponse", UNREADABLE, "", "" },
    { "{\"code\":\"SlowDown\"}",
      502, "BadUpstreamResponse", UNREADABLE, "", "" },
    { "<Error><Code>SlowDown</Code>",
      502, "BadUpstreamResponse", UNREADABLE, "", "" },
    { one("SlowDown", "m") "x",
      502, "BadUpstreamResponse", UNREADABLE, "", "" },
    { "<!DOCTYPE Error>" one("SlowDown", "m"),
      502, "BadUpstreamResponse", UNREADABLE, "", "" },
    { "<ListJobsResult><Code>SlowDown</Code></ListJobsResult>",
      502, "BadUpstreamResponse", UNREADABLE, "", "" }
};


static void
string_is(ngx_str_t *s, const char *expected)
{
    assert_int_equal(s->len, strlen(expected));
    assert_memory_equal(s->data, expected, s->len);
}


static ngx_s3jobs_error_reader_t *
read_document(const char *document, size_t len)
{
    ngx_s3jobs_error_reader_t  *er;

    er = ngx_s3jobs_error_reader_create();
    assert_non_null(er);

    ngx_s3jobs_error_reader_feed(er, (u_char *) document, len);

    return er;
}


static void
test_codes(void **state)
{
    int                         suffix;
    char                        document[512];
    ngx_uint_t                  i;
    ngx_keyval_t                said;
    ngx_s3jobs_error_t          e;
    ngx_s3jobs_error_reader_t  *er;

    for (i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        for (suffix = 0; suffix < 2; suffix++) {
            sprintf(document, one("%s%s", "S3 arn:aws:iam::1:role/secret"),
                    codes[i].said, suffix ? "Exception" : "");

            er = read_document(document, strlen(document));
            ngx_s3jobs_error_classify(er, codes[i].from, &e, &said);

            assert_int_equal(e.status, codes[i].status);
            assert_int_equal(e.fault, codes[i].fault);
            assert_int_equal(e.refresh, codes[i].refresh);
            string_is(&e.code, codes[i].code);
            string_is(&e.message, codes[i].message
                                  ? codes[i].message
                                  : "S3 arn:aws:iam::1:role/secret");
            string_is(&said.value, "S3 arn:aws:iam::1:role/secret");

            assert_memory_equal(said.key.data, codes[i].said,
                                strlen(codes[i].said));
            assert_int_equal(said.key.len,
                             strlen(codes[i].said) + (suffix ? 9 : 0));

            ngx_s3jobs_error_reader_destroy(er);
        }
    }
}


static void
test_documents(void **state)
{
    ngx_uint_t                  i;
    ngx_keyval_t                said;
    ngx_s3jobs_error_t          e;
    ngx_s3jobs_error_reader_t  *er;

    for (i = 0; i < sizeof(documents) / sizeof(documents[0]); i++) {
        er = read_document(documents[i].document,
                           strlen(documents[i].document));
        ngx_s3jobs_error_classify(er, 400, &e, &said);

        assert_int_equal(e.status, documents[i].status);
        string_is(&e.code, documents[i].code);
        string_is(&e.message, documents[i].message);
        string_is(&e.request_id, documents[i].request_id);
        string_is(&said.key, documents[i].said);

        ngx_s3jobs_error_reader_destroy(er);
    }
}


static void
test_no_document(void **state)
{
    ngx_uint_t                  i, status, busy;
    ngx_keyval_t                said;
    ngx_s3jobs_error_t          e;
    ngx_s3jobs_error_reader_t  *er;

    for (i = 0; i < 2; i++) {
        for (status = 300; status < 600; status++) {
            busy = (status == 429 || status == 503);
            er = i ? read_document("<html/>", 7) : NULL;
            ngx_s3jobs_error_classify(er, status, &e, &said);

            assert_int_equal(e.status, busy ? 503 : 502);
            assert_int_equal(e.fault, busy ? NGX_S3JOBS_FAULT_BUSY
                                           : NGX_S3JOBS_FAULT_UPSTREAM);
            assert_int_equal(e.again, busy || status == 500);
            string_is(&e.code, busy ? "ServiceUnavailable"
                                    : "BadUpstreamResponse");
            string_is(&e.message, busy ? UNAVAILABLE : UNREADABLE);
            assert_int_equal(e.request_id.len, 0);
            assert_int_equal(said.key.len, 0);
            assert_int_equal(said.value.len, 0);

            ngx_s3jobs_error_reader_destroy(er);
        }
    }

    ngx_s3jobs_error_reader_destroy(NULL);
}


/* secrets in a document stay there, and long text is cut between characters */

static void
test_long(void **state)
{
    char                       *document, *p;
    size_t                      i;
    ngx_keyval_t                said;
    ngx_s3jobs_error_t          e;
    ngx_s3jobs_error_reader_t  *er;

    document = malloc(200000);
    assert_non_null(document);

    for (i = 0; i < 4; i++) {
        p = document;
        p += sprintf(p, "<Error><StringToSign>AWS4</StringToSign><Code>");
        memset(p, 'C', 10000);
        p += 10000;
        p += sprintf(p, "</Code><Message>%.*s", (int) i, "abc");

        while (p < document + 60000) {
            p += sprintf(p, "\xf0\x9f\x98\x80");
        }

        p += sprintf(p, "&amp;</Message></Error>");

        er = read_document(document, p - document);
        ngx_s3jobs_error_classify(er, 400, &e, &said);

        assert_int_equal(said.key.len, NGX_S3JOBS_CODE_MAX);
        assert_int_equal(said.value.len,
                         i + ((NGX_S3JOBS_MESSAGE_MAX - i) & ~3u));
        assert_memory_equal(said.value.data + said.value.len - 4,
                            "\xf0\x9f\x98\x80", 4);

        ngx_s3jobs_error_reader_destroy(er);
    }

    free(document);
}


typedef struct {
    ngx_uint_t   status;
    const char  *title;
    const char  *code;
} phrase_t;


static const phrase_t  phrases[] = {
    { 400, "Bad Request", "BadRequest" },
    { 401, "Unauthorized", "Unauthorized" },
    { 403, "Forbidden", "Forbidden" },
    { 404, "Not Found", "NotFound" },
    { 405, "Method Not Allowed", "MethodNotAllowed" },
    { 412, "Precondition Failed", "PreconditionFailed" },
    { 413, "Content Too Large", "ContentTooLarge" },
    { 414, "URI Too Long", "URITooLong" },
    { 429, "Too Many Requests", "TooManyRequests" },
    { 431, "Request Header Fields Too Large", "RequestHeaderFieldsTooLarge" },
    { 500, "Internal Server Error", "InternalServerError" },
    { 502, "Bad Gateway", "BadGateway" },
    { 503, "Service Unavailable", "ServiceUnavailable" },
    { 504, "Gateway Timeout", "GatewayTimeout" },
    { 511, "Network Authentication Required",
      "NetworkAuthenticationRequired" },
    { 499, "Error", "Error" },
    { 0, "Error", "Error" }
};


static void
test_phrases(void **state)
{
    size_t      j, k;
    ngx_str_t  *title, *code;
    ngx_uint_t  i;

    for (i = 0; i < sizeof(phrases) / sizeof(phrases[0]); i++) {
        string_is(ngx_s3jobs_error_title(phrases[i].status),
                  phrases[i].title);
        string_is(ngx_s3jobs_error_code(phrases[i].status), phrases[i].code);
    }

    /* a code is its title without spaces */

    for (i = 300; i < 600; i++) {
        title = ngx_s3jobs_error_title(i);
        code = ngx_s3jobs_error_code(i);

        for (j = 0, k = 0; j < title->len; j++) {
            if (title->data[j] != ' ') {
                assert_true(k < code->len);
                assert_int_equal(title->data[j], code->data[k++]);
            }
        }

        assert_int_equal(k, code->len);
    }
}


typedef struct {
    ngx_uint_t   status;
    const char  *code;
    const char  *message;
    const char  *request_id;
    const char  *json;
    const char  *xml;
} rendered_t;


#define XML  "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"


static const rendered_t  rendered[] = {
    { 400, "InvalidRequest", "argument \"x\" is unknown", "R1",
      "{\"type\":\"about:blank\",\"title\":\"Bad Request\",\"status\":400,"
      "\"detail\":\"argument \\\"x\\\" is unknown\","
      "\"code\":\"InvalidRequest\",\"requestId\":\"R1\"}",
      XML "<ErrorResponse><Error><Code>InvalidRequest</Code>"
      "<Message>argument \"x\" is unknown</Message></Error>"
      "<RequestId>R1</RequestId></ErrorResponse>" },
    { 504, "GatewayTimeout", "", "",
      "{\"type\":\"about:blank\",\"title\":\"Gateway Timeout\","
      "\"status\":504,\"detail\":\"\",\"code\":\"GatewayTimeout\"}",
      XML "<ErrorResponse><Error><Code>GatewayTimeout</Code>"
      "<Message></Message></Error></ErrorResponse>" },
    { 400, "X", "<&>]]>\r\n\t\x01\x7f\xff\xc3\xa4\xef\xbf\xbe\xef\xbf\xbd", "",
      "{\"type\":\"about:blank\",\"title\":\"Bad Request\",\"status\":400,"
      "\"detail\":\"<&>]]>\\r\\n\\t\\u0001\\u007f" FFFD "\xc3\xa4"
      "\xef\xbf\xbe" FFFD "\",\"code\":\"X\"}",
      XML "<ErrorResponse><Error><Code>X</Code>"
      "<Message>&lt;&amp;&gt;]]&gt;&#13;\n\t" FFFD "\x7f" FFFD "\xc3\xa4"
      FFFD FFFD "</Message></Error></ErrorResponse>" }
};


static void
set(ngx_str_t *s, const char *value)
{
    s->data = (u_char *) value;
    s->len = strlen(value);
}


static void
rendered_is(ngx_s3jobs_error_t *e, const char *json, const char *xml)
{
    u_char  *p;
    size_t   len, size;

    size = ngx_s3jobs_error_size(e);
    p = malloc(size);

    len = ngx_s3jobs_error_json(p, e) - p;

    /* a document that filled the buffer might be cut */

    assert_true(len < size);

    if (json) {
        assert_int_equal(len, strlen(json));
        assert_memory_equal(p, json, len);
    }

    len = ngx_s3jobs_error_xml(p, e) - p;

    assert_true(len < size);

    if (xml) {
        assert_int_equal(len, strlen(xml));
        assert_memory_equal(p, xml, len);
    }

    free(p);
}


static void
test_render(void **state)
{
    char                message[2048];
    size_t              len;
    ngx_uint_t          i;
    ngx_s3jobs_error_t  e;

    memset(&e, 0, sizeof(e));

    for (i = 0; i < sizeof(rendered) / sizeof(rendered[0]); i++) {
        e.status = rendered[i].status;
        set(&e.code, rendered[i].code);
        set(&e.message, rendered[i].message);
        set(&e.request_id, rendered[i].request_id);

        rendered_is(&e, rendered[i].json, rendered[i].xml);
    }

    /* the length is right whatever it is */

    memset(message, '\n', sizeof(message));

    for (len = 0; len < sizeof(message); len += 7) {
        e.message.data = (u_char *) message;
        e.message.len = len;

        rendered_is(&e, NULL, NULL);
    }
}


/* each number is the code's that has it, or of a code that came before */

static void
test_numbers(void **state)
{
    ngx_str_t   name, other, code;
    ngx_uint_t  n, number;

    assert_int_equal(ngx_s3jobs_error_name(NGX_S3JOBS_ERROR_NONE).len, 0);

    for (n = 1; (name = ngx_s3jobs_error_name(n)).len; n++) {
        number = ngx_s3jobs_error_number(&name);
        other = ngx_s3jobs_error_name(number);

        assert_true(number <= n);
        assert_int_equal(name.len, other.len);
        assert_memory_equal(name.data, other.data, name.len);
    }

    assert_in_range(n, 70, 255);
    assert_int_equal(ngx_s3jobs_error_name(255).len, 0);

    set(&code, "");
    assert_int_equal(ngx_s3jobs_error_number(&code), NGX_S3JOBS_ERROR_NONE);

    set(&code, "NoSuchCode");
    assert_int_equal(ngx_s3jobs_error_number(&code), NGX_S3JOBS_ERROR_OTHER);

    set(&code, "InternalServiceException");
    name = ngx_s3jobs_error_name(ngx_s3jobs_error_number(&code));
    assert_int_equal(name.len, strlen("InternalService"));
    assert_memory_equal(name.data, "InternalService", name.len);
}


sax_main(
    cmocka_unit_test(test_codes),
    cmocka_unit_test(test_documents),
    cmocka_unit_test(test_no_document),
    cmocka_unit_test(test_long),
    cmocka_unit_test(test_phrases),
    cmocka_unit_test(test_render),
    cmocka_unit_test(test_numbers)
)
