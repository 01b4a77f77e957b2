
/*
 * Copyright (C) the ngx_s3jobs_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_s3jobs_error.h"
#include "ngx_s3jobs_json.h"


typedef struct {
    ngx_uint_t     status;
    ngx_str_t      title;
    ngx_str_t      code;
} ngx_s3jobs_error_phrase_t;


/* more than the longest of both documents without its texts */
#define NGX_S3JOBS_ERROR_FRAME  256

/* a byte of text becomes "\u001f" in JSON or "&#13;" in XML, at most */
#define NGX_S3JOBS_ERROR_ESCAPED  6


static ngx_s3jobs_error_phrase_t *ngx_s3jobs_error_phrase(ngx_uint_t status);
static void ngx_s3jobs_error_out(ngx_s3jobs_out_t *out, u_char *p,
    ngx_s3jobs_error_t *e);
static void ngx_s3jobs_error_xml_text(ngx_s3jobs_out_t *out, ngx_str_t *s);
static size_t ngx_s3jobs_error_xml_other(ngx_s3jobs_out_t *out, u_char *p,
    u_char *last);


/* the buffer is as long as the document may be: writing cannot fail */

#define ngx_s3jobs_error_put(out, s)                                         \
    ngx_s3jobs_out_write(out, s, sizeof(s) - 1)


#define ngx_s3jobs_phrase(status, title, code)                               \
    { status, ngx_string(title), ngx_string(code) }


static ngx_s3jobs_error_phrase_t  ngx_s3jobs_error_phrases[] = {

    ngx_s3jobs_phrase(300, "Multiple Choices", "MultipleChoices"),
    ngx_s3jobs_phrase(301, "Moved Permanently", "MovedPermanently"),
    ngx_s3jobs_phrase(302, "Found", "Found"),
    ngx_s3jobs_phrase(303, "See Other", "SeeOther"),
    ngx_s3jobs_phrase(304, "Not Modified", "NotModified"),
    ngx_s3jobs_phrase(305, "Use Proxy", "UseProxy"),
    ngx_s3jobs_phrase(307, "Temporary Redirect", "TemporaryRedirect"),
    ngx_s3jobs_phrase(308, "Permanent Redirect", "PermanentRedirect"),

    ngx_s3jobs_phrase(400, "Bad Request", "BadRequest"),
    ngx_s3jobs_phrase(401, "Unauthorized", "Unauthorized"),
    ngx_s3jobs_phrase(402, "Payment Required", "PaymentRequired"),
    ngx_s3jobs_phrase(403, "Forbidden", "Forbidden"),
    ngx_s3jobs_phrase(404, "Not Found", "NotFound"),
    ngx_s3jobs_phrase(405, "Method Not Allowed", "MethodNotAllowed"),
    ngx_s3jobs_phrase(406, "Not Acceptable", "NotAcceptable"),
    ngx_s3jobs_phrase(407, "Proxy Authentication Required",
                      "ProxyAuthenticationRequired"),
    ngx_s3jobs_phrase(408, "Request Timeout", "RequestTimeout"),
    ngx_s3jobs_phrase(409, "Conflict", "Conflict"),
    ngx_s3jobs_phrase(410, "Gone", "Gone"),
    ngx_s3jobs_phrase(411, "Length Required", "LengthRequired"),
    ngx_s3jobs_phrase(412, "Precondition Failed", "PreconditionFailed"),
    ngx_s3jobs_phrase(413, "Content Too Large", "ContentTooLarge"),
    ngx_s3jobs_phrase(414, "URI Too Long", "URITooLong"),
    ngx_s3jobs_phrase(415, "Unsupported Media Type", "UnsupportedMediaType"),
    ngx_s3jobs_phrase(416, "Range Not Satisfiable", "RangeNotSatisfiable"),
    ngx_s3jobs_phrase(417, "Expectation Failed", "ExpectationFailed"),
    ngx_s3jobs_phrase(421, "Misdirected Request", "MisdirectedRequest"),
    ngx_s3jobs_phrase(422, "Unprocessable Content", "UnprocessableContent"),
    ngx_s3jobs_phrase(426, "Upgrade Required", "UpgradeRequired"),
    ngx_s3jobs_phrase(428, "Precondition Required", "PreconditionRequired"),
    ngx_s3jobs_phrase(429, "Too Many Requests", "TooManyRequests"),
    ngx_s3jobs_phrase(431, "Request Header Fields Too Large",
                      "RequestHeaderFieldsTooLarge"),

    ngx_s3jobs_phrase(500, "Internal Server Error", "InternalServerError"),
    ngx_s3jobs_phrase(501, "Not Implemented", "NotImplemented"),
    ngx_s3jobs_phrase(502, "Bad Gateway", "BadGateway"),
    ngx_s3jobs_phrase(503, "Service Unavailable", "ServiceUnavailable"),
    ngx_s3jobs_phrase(504, "Gateway Timeout", "GatewayTimeout"),
    ngx_s3jobs_phrase(505, "HTTP Version Not Supported",
                      "HTTPVersionNotSupported"),
    ngx_s3jobs_phrase(511, "Network Authentication Required",
                      "NetworkAuthenticationRequired"),

    ngx_s3jobs_phrase(0, "Error", "Error")
};


ngx_str_t *
ngx_s3jobs_error_code(ngx_uint_t status)
{
    return &ngx_s3jobs_error_phrase(status)->code;
}


ngx_str_t *
ngx_s3jobs_error_title(ngx_uint_t status)
{
    return &ngx_s3jobs_error_phrase(status)->title;
}


static ngx_s3jobs_error_phrase_t *
ngx_s3jobs_error_phrase(ngx_uint_t status)
{
    ngx_s3jobs_error_phrase_t  *ph;

    for (ph = ngx_s3jobs_error_phrases; ph->status; ph++) {
        if (ph->status == status) {
            break;
        }
    }

    return ph;
}


ngx_uint_t
ngx_s3jobs_error_number(ngx_str_t *code)
{
    ngx_str_t   bare, name;
    ngx_uint_t  n;

    if (code->len == 0) {
        return NGX_S3JOBS_ERROR_NONE;
    }

    bare = ngx_s3jobs_error_bare(code);

    for (n = NGX_S3JOBS_ERROR_OTHER + 1; /* void */ ; n++) {
        name = ngx_s3jobs_error_name(n);

        if (name.len == 0) {
            return NGX_S3JOBS_ERROR_OTHER;
        }

        if (name.len == bare.len
            && ngx_memcmp(name.data, bare.data, bare.len) == 0)
        {
            return n;
        }
    }
}


ngx_str_t
ngx_s3jobs_error_name(ngx_uint_t number)
{
    ngx_str_t   name;
    ngx_uint_t  i;

    static ngx_str_t  own[] = {
        ngx_string(""),
        ngx_string("other"),
        ngx_string("BadUpstreamResponse"),
        ngx_string("CredentialsUnavailable")
    };

    if (number < sizeof(own) / sizeof(ngx_str_t)) {
        return own[number];
    }

    number -= sizeof(own) / sizeof(ngx_str_t);

    for (i = 0; (name = ngx_s3jobs_error_known(i)).len; i++) {
        if (i == number) {
            return name;
        }
    }

    number -= i;

    if (number >= sizeof(ngx_s3jobs_error_phrases)
                  / sizeof(ngx_s3jobs_error_phrase_t))
    {
        ngx_str_null(&name);
        return name;
    }

    return ngx_s3jobs_error_phrases[number].code;
}


size_t
ngx_s3jobs_error_size(ngx_s3jobs_error_t *e)
{
    return NGX_S3JOBS_ERROR_FRAME
           + NGX_S3JOBS_ERROR_ESCAPED * (e->code.len + e->message.len
                                         + e->request_id.len);
}


u_char *
ngx_s3jobs_error_json(u_char *p, ngx_s3jobs_error_t *e)
{
    u_char             status[3];
    ngx_str_t         *title;
    ngx_s3jobs_out_t   out;

    ngx_s3jobs_error_out(&out, p, e);

    title = ngx_s3jobs_error_title(e->status);

    status[0] = (u_char) ('0' + e->status / 100 % 10);
    status[1] = (u_char) ('0' + e->status / 10 % 10);
    status[2] = (u_char) ('0' + e->status % 10);

    ngx_s3jobs_error_put(&out, "{\"type\":\"about:blank\",\"title\":\"");
    ngx_s3jobs_json_escape(&out, title->data, title->len);
    ngx_s3jobs_error_put(&out, "\",\"status\":");
    ngx_s3jobs_out_write(&out, status, 3);
    ngx_s3jobs_error_put(&out, ",\"detail\":\"");
    ngx_s3jobs_json_escape(&out, e->message.data, e->message.len);
    ngx_s3jobs_error_put(&out, "\",\"code\":\"");
    ngx_s3jobs_json_escape(&out, e->code.data, e->code.len);

    if (e->request_id.len) {
        ngx_s3jobs_error_put(&out, "\",\"requestId\":\"");
        ngx_s3jobs_json_escape(&out, e->request_id.data, e->request_id.len);
    }

    ngx_s3jobs_error_put(&out, "\"}");

    return out.pos;
}


u_char *
ngx_s3jobs_error_xml(u_char *p, ngx_s3jobs_error_t *e)
{
    ngx_s3jobs_out_t  out;

    ngx_s3jobs_error_out(&out, p, e);

    ngx_s3jobs_error_put(&out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
                               "<ErrorResponse><Error><Code>");
    ngx_s3jobs_error_xml_text(&out, &e->code);
    ngx_s3jobs_error_put(&out, "</Code><Message>");
    ngx_s3jobs_error_xml_text(&out, &e->message);
    ngx_s3jobs_error_put(&out, "</Message></Error>");

    if (e->request_id.len) {
        ngx_s3jobs_error_put(&out, "<RequestId>");
        ngx_s3jobs_error_xml_text(&out, &e->request_id);
        ngx_s3jobs_error_put(&out, "</RequestId>");
    }

    ngx_s3jobs_error_put(&out, "</ErrorResponse>");

    return out.pos;
}


static void
ngx_s3jobs_error_out(ngx_s3jobs_out_t *out, u_char *p, ngx_s3jobs_error_t *e)
{
    out->pos = p;
    out->end = p + ngx_s3jobs_error_size(e);
    out->more = NULL;
    out->data = NULL;
}


static void
ngx_s3jobs_error_xml_text(ngx_s3jobs_out_t *out, ngx_str_t *s)
{
    u_char  *p, *start, *last;

    p = s->data;
    last = p + s->len;

    while (p < last) {
        start = p;

        while (p < last
               && ((*p > '>' && *p < 0x7f)
                   || (*p >= ' ' && *p < '<' && *p != '&')))
        {
            p++;
        }

        ngx_s3jobs_out_write(out, start, p - start);

        if (p < last) {
            p += ngx_s3jobs_error_xml_other(out, p, last);
        }
    }
}


/* one that is not written as it is, or not ASCII; returns its length */

static size_t
ngx_s3jobs_error_xml_other(ngx_s3jobs_out_t *out, u_char *p, u_char *last)
{
    ngx_int_t  n;

    switch (*p) {

    case '&':
        ngx_s3jobs_error_put(out, "&amp;");
        return 1;

    case '<':
        ngx_s3jobs_error_put(out, "&lt;");
        return 1;

    case '>':
        ngx_s3jobs_error_put(out, "&gt;");
        return 1;

    case '\r':
        ngx_s3jobs_error_put(out, "&#13;");
        return 1;

    default:
        break;
    }

    n = ngx_s3jobs_utf8_length(p, last);

    /* XML 1.0, production 2: no controls, U+FFFE, U+FFFF */

    if (n <= 0
        || (*p < 0x20 && *p != '\t' && *p != '\n')
        || (n == 3 && p[0] == 0xef && p[1] == 0xbf && p[2] >= 0xbe))
    {
        ngx_s3jobs_error_put(out, "\xef\xbf\xbd");

    } else {
        ngx_s3jobs_out_write(out, p, n);
    }

    return (n > 0) ? n : 1;
}
