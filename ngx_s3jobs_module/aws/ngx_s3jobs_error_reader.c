
/*
 * Copyright (C) the ngx_s3jobs_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_s3jobs_chars.h"
#include "ngx_s3jobs_error.h"
#include "ngx_s3jobs_sax.h"
#include "ngx_s3jobs_text.h"


/* where the reader is; S3's documents come in two shapes */
#define NGX_S3JOBS_ERROR_ROOT      0x01
#define NGX_S3JOBS_ERROR_RESPONSE  0x02    /* <ErrorResponse> */
#define NGX_S3JOBS_ERROR_ERROR     0x04    /* <Error> */
#define NGX_S3JOBS_ERROR_LEAF      0x08
#define NGX_S3JOBS_ERROR_SKIP      0x10


typedef struct {
    ngx_uint_t                status;
    ngx_uint_t                fault;
    ngx_uint_t                refresh;
    ngx_str_t                 code;       /* empty: S3's own */
    ngx_str_t                 message;
} ngx_s3jobs_error_kind_t;


typedef struct {
    ngx_str_t                 code;
    ngx_s3jobs_error_kind_t  *kind;
} ngx_s3jobs_error_rule_t;


typedef struct {
    u_char                   *data;
    size_t                    len;
    size_t                    size;
    ngx_uint_t                seen;
} ngx_s3jobs_error_text_t;


struct ngx_s3jobs_error_reader_s {
    ngx_s3jobs_sax_t         *sax;

    ngx_uint_t                depth;
    u_char                    in[NGX_S3JOBS_SAX_DEPTH_MAX + 1];
    ngx_s3jobs_error_text_t  *leaf;

    ngx_s3jobs_error_text_t   code;
    ngx_s3jobs_error_text_t   message;
    ngx_s3jobs_error_text_t   request_id;

    u_char                    code_buf[NGX_S3JOBS_CODE_MAX];
    u_char                    message_buf[NGX_S3JOBS_MESSAGE_MAX];
    u_char                    request_id_buf[NGX_S3JOBS_REQUEST_ID_MAX];
};


typedef struct {
    ngx_str_t                 name;
    ngx_uint_t                parents;
    ngx_uint_t                in;
    size_t                    offset;     /* of the text of a leaf */
} ngx_s3jobs_error_element_t;


static void ngx_s3jobs_error_start(void *data, const u_char *name,
    size_t len);
static void ngx_s3jobs_error_text(void *data, const u_char *text,
    size_t len);
static void ngx_s3jobs_error_end(void *data);
static void ngx_s3jobs_error_trim(ngx_s3jobs_error_text_t *t, ngx_str_t *s);
static ngx_uint_t ngx_s3jobs_error_is_code(ngx_str_t *s);
static ngx_s3jobs_error_kind_t *ngx_s3jobs_error_find(ngx_uint_t status,
    ngx_str_t *code);


static const ngx_s3jobs_sax_handler_t  ngx_s3jobs_error_handler = {
    ngx_s3jobs_error_start,
    ngx_s3jobs_error_text,
    ngx_s3jobs_error_end,
    NULL,
    NULL,
    NULL
};


static const ngx_s3jobs_error_element_t  ngx_s3jobs_error_elements[] = {

    { ngx_string("ErrorResponse"),
      NGX_S3JOBS_ERROR_ROOT,
      NGX_S3JOBS_ERROR_RESPONSE,
      0 },

    { ngx_string("Error"),
      NGX_S3JOBS_ERROR_ROOT|NGX_S3JOBS_ERROR_RESPONSE,
      NGX_S3JOBS_ERROR_ERROR,
      0 },

    { ngx_string("Code"),
      NGX_S3JOBS_ERROR_ERROR,
      NGX_S3JOBS_ERROR_LEAF,
      offsetof(ngx_s3jobs_error_reader_t, code) },

    { ngx_string("Message"),
      NGX_S3JOBS_ERROR_ERROR,
      NGX_S3JOBS_ERROR_LEAF,
      offsetof(ngx_s3jobs_error_reader_t, message) },

    { ngx_string("RequestId"),
      NGX_S3JOBS_ERROR_RESPONSE|NGX_S3JOBS_ERROR_ERROR,
      NGX_S3JOBS_ERROR_LEAF,
      offsetof(ngx_s3jobs_error_reader_t, request_id) },

    { ngx_null_string, 0, 0, 0 }
};


static ngx_s3jobs_error_kind_t  ngx_s3jobs_error_client = {
    400, NGX_S3JOBS_FAULT_CLIENT, 0, ngx_null_string,
    ngx_string("S3 Control refused the request as invalid")
};


static ngx_s3jobs_error_kind_t  ngx_s3jobs_error_denied = {
    403, NGX_S3JOBS_FAULT_DENIED, 0, ngx_string("AccessDenied"),
    ngx_string("S3 Control denied the gateway access to these jobs")
};


static ngx_s3jobs_error_kind_t  ngx_s3jobs_error_gateway = {
    502, NGX_S3JOBS_FAULT_GATEWAY, 0, ngx_null_string,
    ngx_string("S3 Control did not accept the gateway's request")
};


static ngx_s3jobs_error_kind_t  ngx_s3jobs_error_credentials = {
    502, NGX_S3JOBS_FAULT_GATEWAY, 1, ngx_null_string,
    ngx_string("S3 Control did not accept the gateway's credentials")
};


static ngx_s3jobs_error_kind_t  ngx_s3jobs_error_clock = {
    502, NGX_S3JOBS_FAULT_GATEWAY, 0, ngx_null_string,
    ngx_string("the clocks of the gateway and S3 Control differ")
};


static ngx_s3jobs_error_kind_t  ngx_s3jobs_error_region = {
    502, NGX_S3JOBS_FAULT_GATEWAY, 0, ngx_null_string,
    ngx_string("the gateway asked S3 Control in a wrong region")
};


static ngx_s3jobs_error_kind_t  ngx_s3jobs_error_busy = {
    503, NGX_S3JOBS_FAULT_BUSY, 0, ngx_null_string,
    ngx_string("S3 Control is busy, try again later")
};


static ngx_s3jobs_error_kind_t  ngx_s3jobs_error_internal = {
    502, NGX_S3JOBS_FAULT_UPSTREAM, 0, ngx_null_string,
    ngx_string("S3 Control failed to answer the request")
};


static ngx_s3jobs_error_kind_t  ngx_s3jobs_error_unknown = {
    502, NGX_S3JOBS_FAULT_UPSTREAM, 0, ngx_null_string,
    ngx_string("S3 Control answered with an error that is not known here")
};


static ngx_s3jobs_error_kind_t  ngx_s3jobs_error_no_job = {
    404, NGX_S3JOBS_FAULT_CLIENT, 0, ngx_null_string,
    ngx_string("There is no such job")
};


static ngx_s3jobs_error_kind_t  ngx_s3jobs_error_unavailable = {
    503, NGX_S3JOBS_FAULT_BUSY, 0, ngx_string("ServiceUnavailable"),
    ngx_string("S3 Control is not available, try again later")
};


static ngx_s3jobs_error_kind_t  ngx_s3jobs_error_unreadable = {
    502, NGX_S3JOBS_FAULT_UPSTREAM, 0, ngx_string("BadUpstreamResponse"),
    ngx_string("S3 Control's answer could not be understood")
};


/*
 * Codes as the API reference lists them, without "Exception"
 * (https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html).
 */

static const ngx_s3jobs_error_rule_t  ngx_s3jobs_error_rules[] = {

    { ngx_string("InvalidRequest"), &ngx_s3jobs_error_client },
    { ngx_string("InvalidNextToken"), &ngx_s3jobs_error_client },
    { ngx_string("InvalidArgument"), &ngx_s3jobs_error_client },
    { ngx_string("InvalidURI"), &ngx_s3jobs_error_client },

    { ngx_string("NoSuchJob"), &ngx_s3jobs_error_no_job },
    { ngx_string("NotFound"), &ngx_s3jobs_error_no_job },

    { ngx_string("AccessDenied"), &ngx_s3jobs_error_denied },
    { ngx_string("AllAccessDisabled"), &ngx_s3jobs_error_denied },
    { ngx_string("AccountProblem"), &ngx_s3jobs_error_denied },
    { ngx_string("NotSignedUp"), &ngx_s3jobs_error_denied },

    { ngx_string("ExpiredToken"), &ngx_s3jobs_error_credentials },
    { ngx_string("InvalidToken"), &ngx_s3jobs_error_credentials },
    { ngx_string("TokenRefreshRequired"), &ngx_s3jobs_error_credentials },

    { ngx_string("RequestTimeTooSkewed"), &ngx_s3jobs_error_clock },
    { ngx_string("RequestExpired"), &ngx_s3jobs_error_clock },

    { ngx_string("PermanentRedirectControlError"), &ngx_s3jobs_error_region },
    { ngx_string("PermanentRedirect"), &ngx_s3jobs_error_region },
    { ngx_string("TemporaryRedirect"), &ngx_s3jobs_error_region },

    { ngx_string("SignatureDoesNotMatch"), &ngx_s3jobs_error_gateway },
    { ngx_string("InvalidAccessKeyId"), &ngx_s3jobs_error_gateway },
    { ngx_string("InvalidClientTokenId"), &ngx_s3jobs_error_gateway },
    { ngx_string("UnrecognizedClient"), &ngx_s3jobs_error_gateway },
    { ngx_string("IncompleteSignature"), &ngx_s3jobs_error_gateway },
    { ngx_string("InvalidSecurity"), &ngx_s3jobs_error_gateway },
    { ngx_string("MissingAuthenticationToken"), &ngx_s3jobs_error_gateway },
    { ngx_string("AuthorizationHeaderMalformed"), &ngx_s3jobs_error_gateway },
    { ngx_string("MissingSecurityHeader"), &ngx_s3jobs_error_gateway },
    { ngx_string("XAmzContentSHA256Mismatch"), &ngx_s3jobs_error_gateway },
    { ngx_string("InvalidHostHeader"), &ngx_s3jobs_error_gateway },

    { ngx_string("SlowDown"), &ngx_s3jobs_error_busy },
    { ngx_string("ServiceUnavailable"), &ngx_s3jobs_error_busy },
    { ngx_string("TooManyRequests"), &ngx_s3jobs_error_busy },
    { ngx_string("Throttling"), &ngx_s3jobs_error_busy },
    { ngx_string("Throttled"), &ngx_s3jobs_error_busy },
    { ngx_string("RequestThrottled"), &ngx_s3jobs_error_busy },
    { ngx_string("RequestLimitExceeded"), &ngx_s3jobs_error_busy },
    { ngx_string("BandwidthLimitExceeded"), &ngx_s3jobs_error_busy },

    { ngx_string("InternalError"), &ngx_s3jobs_error_internal },
    { ngx_string("InternalService"), &ngx_s3jobs_error_internal },

    { ngx_null_string, &ngx_s3jobs_error_unknown }
};


#define NGX_S3JOBS_ERROR_RULES                                                \
    (sizeof(ngx_s3jobs_error_rules) / sizeof(ngx_s3jobs_error_rule_t) - 1)


ngx_str_t
ngx_s3jobs_error_known(ngx_uint_t i)
{
    return ngx_s3jobs_error_rules[ngx_min(i, NGX_S3JOBS_ERROR_RULES)].code;
}


ngx_str_t
ngx_s3jobs_error_bare(ngx_str_t *code)
{
    ngx_str_t            bare;

    static const u_char  suffix[] = "Exception";

    bare = *code;

    if (bare.len > sizeof(suffix) - 1
        && ngx_memcmp(bare.data + bare.len - (sizeof(suffix) - 1), suffix,
                      sizeof(suffix) - 1)
           == 0)
    {
        bare.len -= sizeof(suffix) - 1;
    }

    return bare;
}


ngx_s3jobs_error_reader_t *
ngx_s3jobs_error_reader_create(void)
{
    ngx_s3jobs_error_reader_t  *er;

    er = calloc(1, sizeof(ngx_s3jobs_error_reader_t));
    if (er == NULL) {
        return NULL;
    }

    er->in[0] = NGX_S3JOBS_ERROR_ROOT;

    er->code.data = er->code_buf;
    er->code.size = sizeof(er->code_buf);

    er->message.data = er->message_buf;
    er->message.size = sizeof(er->message_buf);

    er->request_id.data = er->request_id_buf;
    er->request_id.size = sizeof(er->request_id_buf);

    er->sax = ngx_s3jobs_sax_create(&ngx_s3jobs_error_handler, er);
    if (er->sax == NULL) {
        free(er);
        return NULL;
    }

    return er;
}


void
ngx_s3jobs_error_reader_destroy(ngx_s3jobs_error_reader_t *er)
{
    if (er == NULL) {
        return;
    }

    ngx_s3jobs_sax_destroy(er->sax);
    free(er);
}


void
ngx_s3jobs_error_reader_feed(ngx_s3jobs_error_reader_t *er, const u_char *p,
    size_t len)
{
    (void) ngx_s3jobs_sax_feed(er->sax, p, len);
}


static void
ngx_s3jobs_error_start(void *data, const u_char *name, size_t len)
{
    ngx_s3jobs_error_reader_t *er = data;

    u_char                             in;
    const ngx_s3jobs_error_element_t  *el;

    in = er->in[er->depth];

    for (el = ngx_s3jobs_error_elements; el->name.len; el++) {
        if ((el->parents & in)
            && el->name.len == len
            && ngx_memcmp(el->name.data, name, len) == 0)
        {
            break;
        }
    }

    if (el->name.len == 0) {

        if (in == NGX_S3JOBS_ERROR_ROOT) {
            ngx_s3jobs_sax_refuse(er->sax, "not an error document");
            return;
        }

        er->in[++er->depth] = NGX_S3JOBS_ERROR_SKIP;
        return;
    }

    er->in[++er->depth] = (u_char) el->in;

    if (el->in == NGX_S3JOBS_ERROR_LEAF) {
        er->leaf = (ngx_s3jobs_error_text_t *) ((u_char *) er + el->offset);

        if (er->leaf->seen) {
            er->in[er->depth] = NGX_S3JOBS_ERROR_SKIP;
        }

        er->leaf->seen = 1;
    }
}


static void
ngx_s3jobs_error_text(void *data, const u_char *text, size_t len)
{
    ngx_s3jobs_error_reader_t *er = data;

    size_t                    n;
    ngx_s3jobs_error_text_t  *t;

    if (er->in[er->depth] != NGX_S3JOBS_ERROR_LEAF) {
        return;
    }

    t = er->leaf;
    n = ngx_min(len, t->size - t->len);

    /* cut between characters */

    while (n && n < len && (text[n] & 0xc0) == 0x80) {
        n--;
    }

    ngx_memcpy(t->data + t->len, text, n);
    t->len += n;

    if (n < len) {
        t->size = t->len;
    }
}


static void
ngx_s3jobs_error_end(void *data)
{
    ngx_s3jobs_error_reader_t *er = data;

    er->depth--;
}


void
ngx_s3jobs_error_classify(ngx_s3jobs_error_reader_t *er, ngx_uint_t status,
    ngx_s3jobs_error_t *e, ngx_keyval_t *said)
{
    ngx_str_t                 code;
    ngx_s3jobs_error_kind_t  *kind;

    ngx_memzero(e, sizeof(ngx_s3jobs_error_t));
    ngx_memzero(said, sizeof(ngx_keyval_t));

    if (er && ngx_s3jobs_sax_finish(er->sax) == NGX_OK) {

        ngx_s3jobs_error_trim(&er->code, &said->key);
        ngx_s3jobs_error_trim(&er->message, &said->value);
        ngx_s3jobs_error_trim(&er->request_id, &e->request_id);

        if (!ngx_s3jobs_error_is_code(&said->key)) {
            said->key.len = 0;
        }

        if (!ngx_s3jobs_text_visible(&e->request_id)) {
            e->request_id.len = 0;
        }
    }

    code = ngx_s3jobs_error_bare(&said->key);

    kind = ngx_s3jobs_error_find(status, &code);

    e->status = kind->status;
    e->fault = kind->fault;
    e->refresh = kind->refresh;
    e->skewed = (kind == &ngx_s3jobs_error_clock);
    e->again = (kind->fault == NGX_S3JOBS_FAULT_BUSY
                || kind == &ngx_s3jobs_error_internal
                || status == 429 || status == 500 || status == 503);
    e->code = kind->code.len ? kind->code : code;
    e->message = kind->message;

    if (kind->fault == NGX_S3JOBS_FAULT_CLIENT && said->value.len) {
        e->message = said->value;
    }
}


static void
ngx_s3jobs_error_trim(ngx_s3jobs_error_text_t *t, ngx_str_t *s)
{
    s->data = t->data;
    s->len = t->len;

    ngx_s3jobs_text_clean(s);

    while (s->len && s->data[0] == ' ') {
        s->data++;
        s->len--;
    }

    while (s->len && s->data[s->len - 1] == ' ') {
        s->len--;
    }
}


static ngx_uint_t
ngx_s3jobs_error_is_code(ngx_str_t *s)
{
    return ngx_s3jobs_span(s->data, s->data + s->len, NGX_S3JOBS_CHARS_CODE)
           == s->len;
}


static ngx_s3jobs_error_kind_t *
ngx_s3jobs_error_find(ngx_uint_t status, ngx_str_t *code)
{
    const ngx_s3jobs_error_rule_t  *rule;

    if (code->len == 0) {
        return (status == 429 || status == 503)
               ? &ngx_s3jobs_error_unavailable : &ngx_s3jobs_error_unreadable;
    }

    for (rule = ngx_s3jobs_error_rules; rule->code.len; rule++) {
        if (rule->code.len == code->len
            && ngx_memcmp(rule->code.data, code->data, code->len) == 0)
        {
            break;
        }
    }

    return rule->kind;
}
