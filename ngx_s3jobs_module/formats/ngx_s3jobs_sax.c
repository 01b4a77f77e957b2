
/*
 * Copyright (C) the ngx_s3jobs_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <libxml/parser.h>
#include <libxml/xmlerror.h>
#include <openssl/crypto.h>
#include "ngx_s3jobs_json.h"
#include "ngx_s3jobs_sax.h"


#ifndef LIBXML_SAX1_ENABLED
#error libxml2 was built without its SAX1 interface
#endif


/* libxml2's heap grows with the pieces that it gets */
#define NGX_S3JOBS_SAX_BLOCK   4096

/* what is cut by the end of a block and longer is for libxml2 */
#define NGX_S3JOBS_SAX_CARRY   1024

/* a short cut that fails so often in a row is no longer tried */
#define NGX_S3JOBS_SAX_MISSES  8

/* a power of two; AWS documents have some twenty different names */
#define NGX_S3JOBS_SAX_NAMES   64


typedef struct {
    const xmlChar                   *name;
    const u_char                    *local;
    size_t                           len;
} ngx_s3jobs_sax_name_t;


struct ngx_s3jobs_sax_s {
    xmlParserCtxtPtr                 ctxt;
    ngx_s3jobs_sax_name_t           *names;       /* made with it */
    const ngx_s3jobs_sax_handler_t  *handler;
    void                            *data;
    const char                      *reason;
    ngx_uint_t                       depth;
    size_t                           len;         /* of the block */
    size_t                           carry;       /* of it, seen before */
    size_t                           fill;        /* of it, since then */
    size_t                           used;        /* at most */

    size_t                           given;       /* to libxml2 */
    size_t                           blanks;      /* of it, at its end */
    size_t                           edge;        /* of it, to the last tag */
    ngx_uint_t                       misses;

    unsigned                         started:1;
    unsigned                         finished:1;
    unsigned                         failed:1;
    unsigned                         root:1;
    unsigned                         cr:1;        /* was the last byte */
    unsigned                         mute:1;
    unsigned                         open:1;      /* '<' was given last */
    unsigned                         take:1;

    /* not zeroed at first */

    char                             error[128];
    u_char                           block[NGX_S3JOBS_SAX_TEXT_MAX
                                           + NGX_S3JOBS_SAX_ZEROS];
};


_Static_assert(NGX_S3JOBS_SAX_TEXT_MAX
               >= NGX_S3JOBS_SAX_BLOCK + NGX_S3JOBS_SAX_CARRY + 3,
               "a block, what was carried, and the start of a character");


static void ngx_s3jobs_sax_silent(void *data, const char *fmt, ...);
static ngx_int_t ngx_s3jobs_sax_open(ngx_s3jobs_sax_t *sax);
static ngx_int_t ngx_s3jobs_sax_parse(ngx_s3jobs_sax_t *sax);
static ngx_int_t ngx_s3jobs_sax_work(ngx_s3jobs_sax_t *sax,
    ngx_s3jobs_sax_text_t *t);
static ngx_int_t ngx_s3jobs_sax_take(ngx_s3jobs_sax_t *sax,
    ngx_s3jobs_sax_text_t *t);
static ngx_int_t ngx_s3jobs_sax_give(ngx_s3jobs_sax_t *sax, u_char *p,
    size_t len, int terminate);
static ngx_int_t ngx_s3jobs_sax_replay(ngx_s3jobs_sax_t *sax);
static ngx_int_t ngx_s3jobs_sax_limits(ngx_s3jobs_sax_t *sax);
static ngx_int_t ngx_s3jobs_sax_edge(ngx_s3jobs_sax_t *sax, size_t behind);
static size_t ngx_s3jobs_sax_consumed(ngx_s3jobs_sax_t *sax);
static ngx_int_t ngx_s3jobs_sax_prolog(ngx_s3jobs_sax_t *sax);
static ngx_int_t ngx_s3jobs_sax_encoding(ngx_s3jobs_sax_t *sax);
static void ngx_s3jobs_sax_line_ends(ngx_s3jobs_sax_t *sax);
static ngx_int_t ngx_s3jobs_sax_utf8(ngx_s3jobs_sax_t *sax, size_t *len);
static size_t ngx_s3jobs_sax_ascii(u_char *p, u_char *last);
static void ngx_s3jobs_sax_malformed(void *data, const char *fmt, ...);
static void ngx_s3jobs_sax_doctype(void *data, const xmlChar *name,
    const xmlChar *public_id, const xmlChar *system_id);
static void ngx_s3jobs_sax_start(void *data, const xmlChar *name,
    const xmlChar **attrs);
static ngx_inline void ngx_s3jobs_sax_element(ngx_s3jobs_sax_t *sax,
    ngx_s3jobs_sax_name_t *n);
static void ngx_s3jobs_sax_new_name(ngx_s3jobs_sax_t *sax,
    ngx_s3jobs_sax_name_t *n, const xmlChar *name);
static void ngx_s3jobs_sax_text(void *data, const xmlChar *text, int len);
static void ngx_s3jobs_sax_end(void *data, const xmlChar *name);


void
ngx_s3jobs_sax_init(void)
{
    xmlInitParser();
    xmlSetGenericErrorFunc(NULL, ngx_s3jobs_sax_silent);
}


static void
ngx_s3jobs_sax_silent(void *data, const char *fmt, ...)
{
}


ngx_s3jobs_sax_t *
ngx_s3jobs_sax_create(const ngx_s3jobs_sax_handler_t *handler, void *data)
{
    ngx_s3jobs_sax_t  *sax;

    sax = malloc(sizeof(ngx_s3jobs_sax_t));
    if (sax == NULL) {
        return NULL;
    }

    ngx_memzero(sax, offsetof(ngx_s3jobs_sax_t, error));

    sax->handler = handler;
    sax->data = data;
    sax->take = (handler->take != NULL);

    if (!sax->take && ngx_s3jobs_sax_open(sax) != NGX_OK) {
        free(sax->names);
        free(sax);
        return NULL;
    }

    return sax;
}


static ngx_int_t
ngx_s3jobs_sax_open(ngx_s3jobs_sax_t *sax)
{
    xmlSAXHandler  h;

    sax->names = calloc(NGX_S3JOBS_SAX_NAMES, sizeof(ngx_s3jobs_sax_name_t));

    if (sax->names == NULL) {
        return NGX_ERROR;
    }

    sax->error[0] = '\0';

    ngx_memzero(&h, sizeof(xmlSAXHandler));

    /* not XML_SAX2_MAGIC: SAX1 takes a tenth less */

    h.initialized = 1;
    h.internalSubset = ngx_s3jobs_sax_doctype;
    h.startElement = ngx_s3jobs_sax_start;
    h.endElement = ngx_s3jobs_sax_end;
    h.characters = ngx_s3jobs_sax_text;
    h.ignorableWhitespace = ngx_s3jobs_sax_text;
    h.cdataBlock = ngx_s3jobs_sax_text;
    h.error = ngx_s3jobs_sax_malformed;

    sax->ctxt = xmlCreatePushParserCtxt(&h, sax, NULL, 0, NULL);

    if (sax->ctxt == NULL) {
        return NGX_ERROR;
    }

    /* a declared encoding could make iconv load a file */

    xmlCtxtUseOptions(sax->ctxt, XML_PARSE_NONET|XML_PARSE_IGNORE_ENC);

    return NGX_OK;
}


void
ngx_s3jobs_sax_destroy(ngx_s3jobs_sax_t *sax)
{
    if (sax == NULL) {
        return;
    }

    if (sax->ctxt) {
        xmlFreeParserCtxt(sax->ctxt);

        /* libxml2 keeps a copy of the last error, with the document's words */

        xmlResetLastError();
    }

    if (sax->handler->take == NULL) {

        /* a document of STS holds secrets, a listing does not */

        OPENSSL_cleanse(sax->block, ngx_max(sax->used, sax->len));
    }

    free(sax->names);
    free(sax);
}


ngx_int_t
ngx_s3jobs_sax_feed(ngx_s3jobs_sax_t *sax, const u_char *p, size_t len)
{
    size_t  n;

    while (len && sax->reason == NULL) {

        n = ngx_min(len, NGX_S3JOBS_SAX_BLOCK - sax->fill);

        ngx_memcpy(sax->block + sax->len, p, n);
        sax->len += n;
        sax->fill += n;
        p += n;
        len -= n;

        if (sax->fill == NGX_S3JOBS_SAX_BLOCK) {
            (void) ngx_s3jobs_sax_parse(sax);
        }
    }

    return (sax->reason == NULL) ? NGX_OK : NGX_ERROR;
}


ngx_int_t
ngx_s3jobs_sax_finish(ngx_s3jobs_sax_t *sax)
{
    if (sax->reason == NULL && !sax->finished) {
        sax->finished = 1;

        if (ngx_s3jobs_sax_parse(sax) == NGX_OK
            && sax->ctxt
            && (!sax->root || sax->depth != 0))
        {
            ngx_s3jobs_sax_refuse(sax, "document cut short");
        }
    }

    return (sax->reason == NULL) ? NGX_OK : NGX_ERROR;
}


const u_char *
ngx_s3jobs_sax_keep(ngx_s3jobs_sax_t *sax, const u_char *text, size_t len)
{
    return xmlDictLookup(sax->ctxt->dict, text, (int) len);
}


ngx_uint_t
ngx_s3jobs_sax_failed(ngx_s3jobs_sax_t *sax)
{
    return sax->failed;
}


const char *
ngx_s3jobs_sax_error(ngx_s3jobs_sax_t *sax)
{
    return sax->reason;
}


void
ngx_s3jobs_sax_refuse(ngx_s3jobs_sax_t *sax, const char *reason)
{
    if (sax->reason) {
        return;
    }

    sax->reason = reason;

    /* and yet it goes on, finding nothing wrong, with what it has read */

    if (sax->ctxt) {
        xmlStopParser(sax->ctxt);
    }
}


/*
 * Blocks are the same wherever their bytes go in the end, so that a document
 * is refused for the same reason.
 */

static ngx_int_t
ngx_s3jobs_sax_parse(ngx_s3jobs_sax_t *sax)
{
    size_t                 n, len;
    u_char                 rest[NGX_S3JOBS_SAX_ZEROS];
    ngx_s3jobs_sax_text_t  t;

    if (!sax->started) {
        sax->started = 1;

        if (ngx_s3jobs_sax_prolog(sax) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    ngx_s3jobs_sax_line_ends(sax);

    if (ngx_s3jobs_sax_utf8(sax, &len) != NGX_OK) {

        /* what libxml2 would have been given with the last block */

        if (sax->carry
            && ngx_s3jobs_sax_give(sax, sax->block, sax->carry, 0) != NGX_OK)
        {
            return NGX_ERROR;
        }

        ngx_s3jobs_sax_refuse(sax, "not UTF-8");
        return NGX_ERROR;
    }

    /* the start of a character gives way to the zeros */

    n = sax->len - len;
    ngx_memcpy(rest, sax->block + len, n);
    ngx_memzero(sax->block + len, NGX_S3JOBS_SAX_ZEROS);

    sax->used = ngx_max(sax->used, len + n);

    t.pos = sax->block;
    t.last = sax->block + len;
    t.whole = (sax->ctxt == NULL);
    t.open = 0;
    t.done = 0;
    t.stop = 0;

    if (ngx_s3jobs_sax_work(sax, &t) != NGX_OK) {
        return NGX_ERROR;
    }

    if (sax->finished && (sax->ctxt || !t.done)
        && ngx_s3jobs_sax_give(sax, t.last, 0, 1) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (sax->ctxt && ngx_s3jobs_sax_limits(sax) != NGX_OK) {
        return NGX_ERROR;
    }

    sax->carry = t.last - t.pos;
    sax->len = sax->carry + n;
    sax->fill = 0;

    ngx_memmove(sax->block, t.pos, sax->carry);
    ngx_memcpy(sax->block + sax->carry, rest, n);

    return NGX_OK;
}


/* what is left behind t->pos is to be seen with the next block */

static ngx_int_t
ngx_s3jobs_sax_work(ngx_s3jobs_sax_t *sax, ngx_s3jobs_sax_text_t *t)
{
    size_t     n;
    ngx_int_t  rc;

    while (t->pos < t->last) {

        n = t->last - t->pos;

        if (sax->take) {
            rc = ngx_s3jobs_sax_take(sax, t);

            if (rc != NGX_DECLINED) {
                return (rc == NGX_ERROR) ? NGX_ERROR : NGX_OK;
            }

            n = t->last - t->pos;

            if (sax->take) {
                t->open = sax->open;
                n = sax->handler->border(sax->data, t);
                sax->take = !t->stop;
            }
        }

        if (ngx_s3jobs_sax_give(sax, t->pos, n, 0) != NGX_OK) {
            return NGX_ERROR;
        }

        t->pos += n;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_s3jobs_sax_take(ngx_s3jobs_sax_t *sax, ngx_s3jobs_sax_text_t *t)
{
    u_char     *p;
    ngx_int_t   rc;

    p = t->pos;
    t->whole = (sax->ctxt == NULL);

    rc = NGX_DECLINED;

    if (t->whole || sax->edge == sax->given - sax->blanks) {

        rc = sax->handler->take(sax->data, t);

        if (sax->reason) {
            return NGX_ERROR;
        }

        if (rc == NGX_AGAIN
            && (sax->finished || t->last - t->pos > NGX_S3JOBS_SAX_CARRY))
        {
            rc = NGX_DECLINED;
        }
    }

    if (t->pos != p) {
        sax->misses = 0;

    } else if (rc == NGX_DECLINED
               && ++sax->misses == NGX_S3JOBS_SAX_MISSES)
    {
        sax->take = 0;
    }

    return rc;
}


static ngx_int_t
ngx_s3jobs_sax_give(ngx_s3jobs_sax_t *sax, u_char *p, size_t len,
    int terminate)
{
    int      rc;
    u_char  *last;

    if (sax->ctxt == NULL && ngx_s3jobs_sax_replay(sax) != NGX_OK) {
        return NGX_ERROR;
    }

    sax->given += len;

    rc = xmlParseChunk(sax->ctxt, (char *) p, (int) len, terminate);

    if (sax->reason) {
        return NGX_ERROR;
    }

    if (rc != XML_ERR_OK || !sax->ctxt->wellFormed) {
        ngx_s3jobs_sax_refuse(sax, *sax->error ? sax->error
                                               : "XML is not well-formed");
        return NGX_ERROR;
    }

    if (sax->take) {
        last = p + len;

        while (last > p && (last[-1] == ' ' || last[-1] == '\n'
                            || last[-1] == '\t'))
        {
            last--;
        }

        sax->blanks = p + len - last + ((last == p) ? sax->blanks : 0);
        sax->open = (len && p[len - 1] == '<');
    }

    return NGX_OK;
}


static ngx_int_t
ngx_s3jobs_sax_replay(ngx_s3jobs_sax_t *sax)
{
    u_char  buf[NGX_S3JOBS_SAX_REPLAY_MAX];
    size_t  len;

    if (ngx_s3jobs_sax_open(sax) != NGX_OK) {
        sax->failed = 1;
        ngx_s3jobs_sax_refuse(sax, "no memory for the parser");
        return NGX_ERROR;
    }

    len = sax->handler->replay(sax->data, buf) - buf;

    if (len == 0) {
        return NGX_OK;
    }

    sax->mute = 1;

    if (ngx_s3jobs_sax_give(sax, buf, len, 0) != NGX_OK) {
        return NGX_ERROR;
    }

    sax->mute = 0;

    return NGX_OK;
}


static ngx_int_t
ngx_s3jobs_sax_limits(ngx_s3jobs_sax_t *sax)
{
    size_t             names;
    xmlParserInputPtr  input;

    input = sax->ctxt->input;

    if (input->end - input->cur > NGX_S3JOBS_SAX_MARKUP_MAX) {
        ngx_s3jobs_sax_refuse(sax, "too long a tag or comment");
        return NGX_ERROR;
    }

    names = xmlDictGetUsage(sax->ctxt->dict);

    if (names > NGX_S3JOBS_SAX_NAMES_MAX) {
        ngx_s3jobs_sax_refuse(sax, "too many different names");
        return NGX_ERROR;
    }

    /* libxml2 has to see them all */

    if (names > NGX_S3JOBS_SAX_NAMES_MAX / 8) {
        sax->take = 0;
    }

    return NGX_OK;
}


/*
 * A tag ends so far behind what libxml2 has read.  That it has handled all
 * that it was given but for white space is so if, and only if, the last tag
 * ends where the white space begins.  NGX_DECLINED: not for the handler.
 */

static ngx_int_t
ngx_s3jobs_sax_edge(ngx_s3jobs_sax_t *sax, size_t behind)
{
    if (sax->depth <= 2) {
        sax->edge = ngx_s3jobs_sax_consumed(sax) + behind;
    }

    return sax->mute ? NGX_DECLINED : NGX_OK;
}


static size_t
ngx_s3jobs_sax_consumed(ngx_s3jobs_sax_t *sax)
{
#if (LIBXML_VERSION >= 21500)

    unsigned long  pos;

    /* bytes of UTF-8, which the document is in; deprecated is the other one */

    return xmlCtxtGetInputPosition(sax->ctxt, 0, NULL, NULL, NULL, &pos) == 0
           ? pos : 0;

#else

    return xmlByteConsumed(sax->ctxt);

#endif
}


static ngx_int_t
ngx_s3jobs_sax_prolog(ngx_s3jobs_sax_t *sax)
{
    u_char  c;

    if (sax->len >= 3 && ngx_memcmp(sax->block, "\xef\xbb\xbf", 3) == 0) {
        sax->len -= 3;
        ngx_memmove(sax->block, sax->block + 3, sax->len);
    }

    if (sax->len == 0) {
        ngx_s3jobs_sax_refuse(sax, "document is empty");
        return NGX_ERROR;
    }

    c = sax->block[0];

    if (c != '<' && c != ' ' && c != '\t' && c != '\r' && c != '\n') {
        ngx_s3jobs_sax_refuse(sax, "not an XML document");
        return NGX_ERROR;
    }

    return ngx_s3jobs_sax_encoding(sax);
}


/*
 * Whether the XML declaration names another encoding than ours; whether it
 * is well-formed is for libxml2 to say.
 */

static ngx_int_t
ngx_s3jobs_sax_encoding(ngx_s3jobs_sax_t *sax)
{
    size_t                  len;
    u_char                 *p, *end, *last, *value, quote;
    ngx_uint_t              i;

    static const ngx_str_t  names[] = {
        ngx_string("utf-8"),
        ngx_string("us-ascii"),
        ngx_null_string
    };

    p = sax->block;
    last = p + sax->len;

    if (sax->len < 6 || ngx_memcmp(p, "<?xml", 5) != 0 || p[5] > ' ') {
        return NGX_OK;
    }

    p += 6;

    for (end = p; end < last && *end != '?'; end++) { /* void */ }

    if (end == last) {
        ngx_s3jobs_sax_refuse(sax, "no end of the XML declaration");
        return NGX_ERROR;
    }

    while (end - p >= 8 && ngx_memcmp(p, "encoding", 8) != 0) {
        p++;
    }

    if (end - p < 8) {
        return NGX_OK;
    }

    while (p < end && *p != '"' && *p != '\'') {
        p++;
    }

    if (p == end) {
        ngx_s3jobs_sax_refuse(sax, "no encoding in quotes");
        return NGX_ERROR;
    }

    quote = *p++;
    value = p;

    while (p < end && *p != quote) {
        *p = ngx_tolower(*p);
        p++;
    }

    len = p - value;

    for (i = 0; names[i].len; i++) {
        if (names[i].len == len
            && ngx_memcmp(names[i].data, value, len) == 0)
        {
            return NGX_OK;
        }
    }

    ngx_s3jobs_sax_refuse(sax, "encoding is not UTF-8");
    return NGX_ERROR;
}


/* XML 1.0, section 2.11; libxml2 leaves CDATA sections as they are */

static void
ngx_s3jobs_sax_line_ends(ngx_s3jobs_sax_t *sax)
{
    u_char  *p, *d, *last;

    d = sax->block + sax->carry;
    last = sax->block + sax->len;

    if (!sax->cr && memchr(d, '\r', last - d) == NULL) {
        return;
    }

    for (p = d; p < last; p++) {

        if (*p == '\n' && sax->cr) {
            sax->cr = 0;
            continue;
        }

        sax->cr = (*p == '\r');
        *d++ = sax->cr ? '\n' : *p;
    }

    sax->len = d - sax->block;
}


/*
 * How much of the block is UTF-8; at most the last character is left over.
 * Without this check libxml2 guesses at encodings, and takes NUL for the end
 * of its buffer.
 */

static ngx_int_t
ngx_s3jobs_sax_utf8(ngx_s3jobs_sax_t *sax, size_t *len)
{
    u_char     *p, *last;
    ngx_int_t   n;

    p = sax->block + sax->carry;
    last = sax->block + sax->len;

    if (memchr(p, '\0', last - p)) {
        return NGX_ERROR;
    }

    while (p < last) {

        if (*p < 0x80) {
            p += ngx_s3jobs_sax_ascii(p, last);
            continue;
        }

        n = ngx_s3jobs_utf8_length(p, last);

        if (n == NGX_AGAIN && !sax->finished) {
            break;
        }

        if (n <= 0) {
            return NGX_ERROR;
        }

        p += n;
    }

    *len = p - sax->block;

    return NGX_OK;
}


static size_t
ngx_s3jobs_sax_ascii(u_char *p, u_char *last)
{
    u_char    *s;
    uint64_t   v, w, x, y;

    for (s = p; last - s >= 64; s += 64) {
        ngx_memcpy(&v, s, 8);
        ngx_memcpy(&w, s + 8, 8);
        ngx_memcpy(&x, s + 16, 8);
        ngx_memcpy(&y, s + 24, 8);

        v |= w | x | y;

        ngx_memcpy(&w, s + 32, 8);
        ngx_memcpy(&x, s + 40, 8);
        ngx_memcpy(&y, s + 48, 8);

        v |= w | x | y;

        ngx_memcpy(&w, s + 56, 8);

        if ((v | w) & 0x8080808080808080ULL) {
            break;
        }
    }

    for ( /* void */ ; last - s >= 8; s += 8) {
        ngx_memcpy(&v, s, 8);

        if (v & 0x8080808080808080ULL) {
            break;
        }
    }

    while (s < last && *s < 0x80) {
        s++;
    }

    return s - p;
}


/*
 * The first error is the reason: how many more libxml2 finds depends on the
 * pieces that it gets.  So do lines, since it has not seen them all.
 */

static void
ngx_s3jobs_sax_malformed(void *data, const char *fmt, ...)
{
    ngx_s3jobs_sax_t *sax = data;

    char            *p, *last;
    const char      *message;
    const xmlError  *err;

    p = sax->error;

    if (*p) {
        return;
    }

    err = xmlCtxtGetLastError(sax->ctxt);
    message = (err && err->message) ? err->message : "";

    last = p + sizeof(sax->error) - 1;

    while (p < last && *message && *message != '\n') {

        if (ngx_strncmp(message, " line ", 6) == 0) {
            message += 6;
            message += strspn(message, "0123456789");
            continue;
        }

        *p++ = (*message >= ' ' && *message < 0x7f) ? *message : '?';
        message++;
    }

    *p = '\0';
}


static void
ngx_s3jobs_sax_doctype(void *data, const xmlChar *name,
    const xmlChar *public_id, const xmlChar *system_id)
{
    ngx_s3jobs_sax_t *sax = data;

    ngx_s3jobs_sax_refuse(sax, "DOCTYPE is not allowed");
}


/* libxml2 has each name once, so that its address will do to find it */

static void
ngx_s3jobs_sax_start(void *data, const xmlChar *name, const xmlChar **attrs)
{
    ngx_s3jobs_sax_t *sax = data;

    ngx_s3jobs_sax_name_t  *n;

    if (sax->reason) {
        return;
    }

    n = &sax->names[((uintptr_t) name >> 2) & (NGX_S3JOBS_SAX_NAMES - 1)];

    if (n->name == name) {
        ngx_s3jobs_sax_element(sax, n);

    } else {
        ngx_s3jobs_sax_new_name(sax, n, name);
    }
}


static ngx_inline void
ngx_s3jobs_sax_element(ngx_s3jobs_sax_t *sax, ngx_s3jobs_sax_name_t *n)
{
    if (++sax->depth > NGX_S3JOBS_SAX_DEPTH_MAX) {
        ngx_s3jobs_sax_refuse(sax, "elements nested too deeply");
        return;
    }

    if ((sax->take || sax->mute) && ngx_s3jobs_sax_edge(sax, 1) != NGX_OK) {
        return;
    }

    sax->handler->start(sax->data, n->local, n->len);
}


static void
ngx_s3jobs_sax_new_name(ngx_s3jobs_sax_t *sax, ngx_s3jobs_sax_name_t *n,
    const xmlChar *name)
{
    size_t         len;
    const char    *colon;
    const u_char  *local;

    colon = strrchr((char *) name, ':');
    local = colon ? (u_char *) colon + 1 : name;
    len = ngx_strlen(local);

    if (len == 0 || len > NGX_S3JOBS_SAX_NAME_MAX) {
        ngx_s3jobs_sax_refuse(sax, "bad element name");
        return;
    }

    n->name = name;
    n->local = local;
    n->len = len;

    sax->root = 1;

    ngx_s3jobs_sax_element(sax, n);
}


static void
ngx_s3jobs_sax_text(void *data, const xmlChar *text, int len)
{
    ngx_s3jobs_sax_t *sax = data;

    if (sax->reason || len == 0) {
        return;
    }

    sax->handler->text(sax->data, text, len);
}


static void
ngx_s3jobs_sax_end(void *data, const xmlChar *name)
{
    ngx_s3jobs_sax_t *sax = data;

    if (sax->reason) {
        return;
    }

    sax->depth--;

    if ((sax->take || sax->mute) && ngx_s3jobs_sax_edge(sax, 0) != NGX_OK) {
        return;
    }

    sax->handler->end(sax->data);
}
