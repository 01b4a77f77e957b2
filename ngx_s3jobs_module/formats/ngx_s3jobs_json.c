
/*
 * Copyright (C) the ngx_s3jobs_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_s3jobs_json.h"


/*
 * Whether one of eight bytes is other than 0x20 to 0x7e, or " or \.  Nothing
 * is borrowed or carried from one byte to the next before that is so; 0x02
 * swaps " with a space.
 */

#define ngx_s3jobs_bytes(c)  (0x0101010101010101ULL * (c))

#define ngx_s3jobs_is_special(v)                                             \
    (((((v) ^ ngx_s3jobs_bytes(0x02)) - ngx_s3jobs_bytes(0x21))              \
      | (((v) ^ ngx_s3jobs_bytes('\\')) - ngx_s3jobs_bytes(1))               \
      | ((v) + ngx_s3jobs_bytes(1)))                                         \
     & ngx_s3jobs_bytes(0x80))


#define ngx_s3jobs_is_space(c)                                               \
    ((c) == ' ' || (c) == '\t' || (c) == '\r' || (c) == '\n')


static ngx_inline size_t ngx_s3jobs_json_plain(ngx_s3jobs_out_t *out,
    const u_char *p, size_t len);
static ngx_int_t ngx_s3jobs_json_other(ngx_s3jobs_out_t *out,
    const u_char *p, const u_char *last);
static ngx_int_t ngx_s3jobs_json_special(ngx_s3jobs_out_t *out,
    const u_char *p, ngx_int_t len);
static ngx_inline void ngx_s3jobs_json_trim(ngx_str_t *s);


ngx_int_t
ngx_s3jobs_out_write(ngx_s3jobs_out_t *out, const void *p, size_t len)
{
    size_t         n;
    const u_char  *s;

    s = p;

    while (len) {
        n = out->end - out->pos;

        if (len <= n) {
            out->pos = ngx_cpymem(out->pos, s, len);
            return NGX_OK;
        }

        if (n) {
            out->pos = ngx_cpymem(out->pos, s, n);
            s += n;
            len -= n;
        }

        if (out->more == NULL || out->more(out) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


ngx_int_t
ngx_s3jobs_json_escape(ngx_s3jobs_out_t *out, const u_char *p, size_t len)
{
    size_t  n;

    if (len == 0) {
        return NGX_OK;
    }

    n = ngx_s3jobs_json_plain(out, p, len);

    if (n == len) {
        return NGX_OK;
    }

    return ngx_s3jobs_json_other(out, p + n, p + len);
}


/* p is not plain, or there is no room */

static ngx_int_t
ngx_s3jobs_json_other(ngx_s3jobs_out_t *out, const u_char *p,
    const u_char *last)
{
    ngx_int_t  n;

    while (p < last) {

        if (out->pos == out->end) {
            if (out->more == NULL || out->more(out) != NGX_OK) {
                return NGX_ERROR;
            }

        } else {
            n = ngx_s3jobs_utf8_length(p, last);

            if (ngx_s3jobs_json_special(out, p, n) != NGX_OK) {
                return NGX_ERROR;
            }

            p += ngx_max(n, 1);
        }

        p += ngx_s3jobs_json_plain(out, p, last - p);
    }

    return NGX_OK;
}


/* copies what needs no escape, as far as there is room: how many bytes */

static ngx_inline size_t
ngx_s3jobs_json_plain(ngx_s3jobs_out_t *out, const u_char *p, size_t len)
{
    u_char        *d;
    size_t         n;
    uint64_t       v;
    const u_char  *s, *last;

    s = p;
    d = out->pos;

    n = out->end - out->pos;
    last = p + ngx_min(len, n);

    while (last - s >= 8) {
        ngx_memcpy(&v, s, 8);

        if (ngx_s3jobs_is_special(v)) {
            break;
        }

        ngx_memcpy(d, &v, 8);
        s += 8;
        d += 8;
    }

    if (s > p && last - s < 8) {

        /* the end, with some of what has been copied */

        ngx_memcpy(&v, last - 8, 8);

        if (!ngx_s3jobs_is_special(v)) {
            n = last - s;
            ngx_memcpy(d + n - 8, &v, 8);

            s += n;
            d += n;
        }
    }

    while (s < last && *s >= 0x20 && *s < 0x7f && *s != '"' && *s != '\\') {
        *d++ = *s++;
    }

    out->pos = d;

    return s - p;
}


/* a character of len bytes, if it is one */

static ngx_int_t
ngx_s3jobs_json_special(ngx_s3jobs_out_t *out, const u_char *p, ngx_int_t len)
{
    u_char               buf[6];
    ngx_uint_t           c;

    static const u_char  hex[] = "0123456789abcdef";
    static const u_char  name[] = "\bb\ff\nn\rr\tt\"\"\\\\";

    if (len <= 0) {
        return ngx_s3jobs_out_write(out, "\xef\xbf\xbd", 3);
    }

    if (len == 1) {
        for (c = 0; c < sizeof(name) - 1; c += 2) {
            if (*p == name[c]) {
                buf[0] = '\\';
                buf[1] = name[c + 1];

                return ngx_s3jobs_out_write(out, buf, 2);
            }
        }

        c = *p;

    } else if (len == 3 && p[0] == 0xe2 && p[1] == 0x80
               && (p[2] == 0xa8 || p[2] == 0xa9))
    {
        /* line ends in JavaScript before ECMAScript 2019 */
        c = 0x2000 | (p[2] & 0x3f);

    } else {
        return ngx_s3jobs_out_write(out, p, len);
    }

    buf[0] = '\\';
    buf[1] = 'u';
    buf[2] = hex[c >> 12];
    buf[3] = hex[c >> 8 & 0xf];
    buf[4] = hex[c >> 4 & 0xf];
    buf[5] = hex[c & 0xf];

    return ngx_s3jobs_out_write(out, buf, 6);
}


ngx_int_t
ngx_s3jobs_json_integer(ngx_str_t *s)
{
    u_char  *p, *last;

    ngx_s3jobs_json_trim(s);

    if (s->len == 0) {
        return NGX_DECLINED;
    }

    p = s->data;
    last = p + s->len;

    if (*p == '-') {
        p++;
    }

    if (p == last || (*p == '0' && last - p > 1)) {
        return NGX_ERROR;
    }

    while (p < last && *p >= '0' && *p <= '9') {
        p++;
    }

    return (p == last) ? NGX_OK : NGX_ERROR;
}


ngx_int_t
ngx_s3jobs_json_boolean(ngx_str_t *s)
{
    ngx_s3jobs_json_trim(s);

    if (s->len == 0) {
        return NGX_DECLINED;
    }

    if ((s->len == 4 && ngx_memcmp(s->data, "true", 4) == 0)
        || (s->len == 5 && ngx_memcmp(s->data, "false", 5) == 0))
    {
        return NGX_OK;
    }

    return NGX_ERROR;
}


static ngx_inline void
ngx_s3jobs_json_trim(ngx_str_t *s)
{
    while (s->len && ngx_s3jobs_is_space(s->data[0])) {
        s->data++;
        s->len--;
    }

    while (s->len && ngx_s3jobs_is_space(s->data[s->len - 1])) {
        s->len--;
    }
}


ngx_int_t
ngx_s3jobs_utf8_length(const u_char *p, const u_char *last)
{
    u_char     low, high;
    ngx_int_t  i, len;

    if (*p < 0x80) {
        return 1;
    }

    if (*p < 0xc2 || *p > 0xf4) {
        return 0;
    }

    len = (*p < 0xe0) ? 2 : (*p < 0xf0) ? 3 : 4;

    /* the second byte rules out overlong forms, surrogates, > U+10FFFF */

    low = (*p == 0xe0) ? 0xa0 : (*p == 0xf0) ? 0x90 : 0x80;
    high = (*p == 0xed) ? 0x9f : (*p == 0xf4) ? 0x8f : 0xbf;

    for (i = 1; i < len; i++) {

        if (p + i == last) {
            return NGX_AGAIN;
        }

        if (p[i] < low || p[i] > high) {
            return 0;
        }

        low = 0x80;
        high = 0xbf;
    }

    return len;
}
