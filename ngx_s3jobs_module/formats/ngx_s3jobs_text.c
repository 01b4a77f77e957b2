
/*
 * Copyright (C) the ngx_s3jobs_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_s3jobs_json.h"
#include "ngx_s3jobs_text.h"


static ngx_uint_t ngx_s3jobs_text_hidden(const u_char *p, ngx_int_t n);
static ngx_int_t ngx_s3jobs_text_begins(const u_char *p, const u_char *last,
    const char *s);
static const u_char *ngx_s3jobs_text_after(const u_char *p,
    const u_char *last, const char *s);


void
ngx_s3jobs_text_clean(ngx_str_t *s)
{
    u_char     *p, *to, *last;
    ngx_int_t   n;

    to = s->data;
    last = s->data + s->len;

    for (p = s->data; p < last; p += n) {

        if (*p >= 0x20 && *p < 0x7f) {
            *to++ = *p;
            n = 1;
            continue;
        }

        n = ngx_s3jobs_utf8_length(p, last);

        if (n <= 0) {
            n = 1;
        }

        if (ngx_s3jobs_text_hidden(p, n)) {
            *to++ = ' ';
            continue;
        }

        ngx_memmove(to, p, n);
        to += n;
    }

    s->len = to - s->data;
}


static ngx_uint_t
ngx_s3jobs_text_hidden(const u_char *p, ngx_int_t n)
{
    if (n == 1) {
        return p[0] < 0x20 || p[0] == 0x7f;
    }

    if (n == 2) {

        /* U+0080 to U+009F, U+061C */

        return (p[0] == 0xc2 && p[1] < 0xa0)
               || (p[0] == 0xd8 && p[1] == 0x9c);
    }

    if (n != 3 || p[0] != 0xe2) {
        return 0;
    }

    /* U+200E, U+200F, U+2028 to U+202E; U+2066 to U+2069 */

    return (p[1] == 0x80 && (p[2] == 0x8e || p[2] == 0x8f
                             || (p[2] >= 0xa8 && p[2] <= 0xae)))
           || (p[1] == 0x81 && p[2] >= 0xa6 && p[2] <= 0xa9);
}


ngx_uint_t
ngx_s3jobs_text_visible(ngx_str_t *s)
{
    u_char    *p, *last;
    uint64_t   v;

    p = s->data;
    last = p + s->len;

    /* ids are long: eight bytes at a time, while none is out of 0x21..0x7e */

    for ( /* void */ ; last - p >= 8; p += 8) {
        ngx_memcpy(&v, p, 8);

        if (((v - 0x2121212121212121ULL) | (v + 0x0101010101010101ULL) | v)
            & 0x8080808080808080ULL)
        {
            return 0;
        }
    }

    for ( /* void */ ; p < last; p++) {
        if (*p <= 0x20 || *p >= 0x7f) {
            return 0;
        }
    }

    return s->len != 0;
}


ngx_int_t
ngx_s3jobs_text_root(const u_char *p, size_t len, ngx_str_t *name)
{
    ngx_int_t      rc;
    const u_char  *last;

    last = p + len;

    rc = ngx_s3jobs_text_begins(p, last, "\xef\xbb\xbf");

    if (rc == NGX_AGAIN) {
        return NGX_AGAIN;
    }

    if (rc == NGX_OK) {
        p += 3;
    }

    for ( ;; ) {

        while (p < last
               && (*p == ' ' || *p == '\t' || *p == '\r' || *p == '\n'))
        {
            p++;
        }

        if (ngx_s3jobs_text_begins(p, last, "<?") == NGX_OK) {
            p = ngx_s3jobs_text_after(p + 2, last, "?>");

        } else if (ngx_s3jobs_text_begins(p, last, "<!--") == NGX_OK) {
            p = ngx_s3jobs_text_after(p + 4, last, "-->");

        } else {
            break;
        }

        if (p == NULL) {
            return NGX_AGAIN;
        }
    }

    if (ngx_s3jobs_text_begins(p, last, "<!--") == NGX_AGAIN) {
        return NGX_AGAIN;
    }

    if (*p++ != '<') {
        return NGX_DECLINED;
    }

    name->data = (u_char *) p;

    for ( /* void */ ; p < last; p++) {

        switch (*p) {

        case ':':
            name->data = (u_char *) p + 1;
            continue;

        case ' ':
        case '\t':
        case '\r':
        case '\n':
        case '/':
        case '>':
            name->len = p - name->data;
            return name->len ? NGX_OK : NGX_DECLINED;

        case '!':
        case '<':
        case '&':
            return NGX_DECLINED;
        }
    }

    return NGX_AGAIN;
}


/* NGX_AGAIN: so far it does, and ends */

static ngx_int_t
ngx_s3jobs_text_begins(const u_char *p, const u_char *last, const char *s)
{
    for ( /* void */ ; *s; s++, p++) {

        if (p == last) {
            return NGX_AGAIN;
        }

        if (*p != (u_char) *s) {
            return NGX_DECLINED;
        }
    }

    return NGX_OK;
}


static const u_char *
ngx_s3jobs_text_after(const u_char *p, const u_char *last, const char *s)
{
    for ( /* void */ ; (p = memchr(p, *s, last - p)) != NULL; p++) {
        if (ngx_s3jobs_text_begins(p, last, s) == NGX_OK) {
            return p + ngx_strlen(s);
        }
    }

    return NULL;
}
