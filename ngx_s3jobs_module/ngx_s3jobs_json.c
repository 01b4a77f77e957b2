
/*
 * Copyright (C) the ngx_s3jobs_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_s3jobs_json.h"


#define ngx_s3jobs_bytes(c)  (0x0101010101010101ULL * (c))


static size_t ngx_s3jobs_json_plain(const u_char *p, size_t len);
static ngx_int_t ngx_s3jobs_json_special(ngx_s3jobs_out_t *out,
    const u_char *p, size_t len);


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
    size_t         n;
    ngx_int_t      size;
    const u_char  *last;

    last = p + len;

    for ( ;; ) {
        n = ngx_s3jobs_json_plain(p, last - p);

        if (ngx_s3jobs_out_write(out, p, n) != NGX_OK) {
            return NGX_ERROR;
        }

        p += n;

        if (p == last) {
            return NGX_OK;
        }

        size = ngx_s3jobs_utf8_length(p, last);

        if (size <= 0) {
            if (ngx_s3jobs_out_write(out, "\xef\xbf\xbd", 3) != NGX_OK) {
                return NGX_ERROR;
            }

            p++;
            continue;
        }

        if (ngx_s3jobs_json_special(out, p, size) != NGX_OK) {
            return NGX_ERROR;
        }

        p += size;
    }
}


/* how many bytes from p need no look: 0x20 to 0x7e but for " and \ */

static size_t
ngx_s3jobs_json_plain(const u_char *p, size_t len)
{
    uint64_t       v;
    const u_char  *s, *last;

    s = p;
    last = p + len;

    while (last - s >= 8) {
        ngx_memcpy(&v, s, 8);

        /* no borrow or carry leaves a byte unless some byte is special */

        if (((v - ngx_s3jobs_bytes(0x20))
             | ((v ^ ngx_s3jobs_bytes('"')) - ngx_s3jobs_bytes(1))
             | ((v ^ ngx_s3jobs_bytes('\\')) - ngx_s3jobs_bytes(1))
             | (v + ngx_s3jobs_bytes(1))
             | v)
            & ngx_s3jobs_bytes(0x80))
        {
            break;
        }

        s += 8;
    }

    while (s < last
           && *s >= 0x20 && *s < 0x7f && *s != '"' && *s != '\\')
    {
        s++;
    }

    return s - p;
}


static ngx_int_t
ngx_s3jobs_json_special(ngx_s3jobs_out_t *out, const u_char *p, size_t len)
{
    u_char               buf[6];
    ngx_uint_t           c;

    static const u_char  hex[] = "0123456789abcdef";
    static const u_char  name[] = "\bb\ff\nn\rr\tt\"\"\\\\";

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
