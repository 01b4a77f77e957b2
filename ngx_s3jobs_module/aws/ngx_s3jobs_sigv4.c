
/*
 * Copyright (C) the ngx_s3jobs_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <openssl/evp.h>
#include <openssl/crypto.h>
#include "ngx_s3jobs_sigv4.h"


#define NGX_S3JOBS_SHA256_BLOCK  64

#define NGX_S3JOBS_SIGV4_ALGORITHM  "AWS4-HMAC-SHA256"
#define NGX_S3JOBS_SIGV4_REQUEST    "aws4_request"


/*
 * What is hashed is gathered in whole blocks: a call of EVP_DigestUpdate()
 * costs as much as half a block, and a request has some forty short pieces.
 */

typedef struct {
    u_char     *pos;
    ngx_int_t   rc;
    u_char      digest[NGX_S3JOBS_SHA256_LEN];
    u_char      buf[8 * NGX_S3JOBS_SHA256_BLOCK];
} ngx_s3jobs_sha256_t;


static size_t ngx_s3jobs_sigv4_scope_length(ngx_s3jobs_sigv4_t *s);
static size_t ngx_s3jobs_sigv4_signed_length(ngx_s3jobs_sigv4_t *s);
static u_char *ngx_s3jobs_sigv4_digits(u_char *p, ngx_uint_t n,
    ngx_uint_t width);
static void ngx_s3jobs_sigv4_canonical(ngx_s3jobs_sha256_t *sha,
    ngx_s3jobs_sigv4_t *s, ngx_str_t *signed_headers);
static u_char *ngx_s3jobs_sigv4_hex(u_char *p, u_char *digest);
static void ngx_s3jobs_hmac_start(ngx_s3jobs_sha256_t *sha, u_char *key,
    size_t len);
static void ngx_s3jobs_hmac_end(ngx_s3jobs_sha256_t *sha, u_char *key,
    size_t len, u_char *digest);
static void ngx_s3jobs_hmac_pad(ngx_s3jobs_sha256_t *sha, u_char *key,
    size_t len, u_char pad);
static void ngx_s3jobs_sha256_start(ngx_s3jobs_sha256_t *sha);
static void ngx_s3jobs_sha256_add(ngx_s3jobs_sha256_t *sha, const void *p,
    size_t len);
static void ngx_s3jobs_sha256_add_line(ngx_s3jobs_sha256_t *sha,
    ngx_str_t *line);
static void ngx_s3jobs_sha256_flush(ngx_s3jobs_sha256_t *sha, const void *p,
    size_t len);
static void ngx_s3jobs_sha256_end(ngx_s3jobs_sha256_t *sha, u_char *digest);


static const EVP_MD  *ngx_s3jobs_sha256;
static EVP_MD_CTX    *ngx_s3jobs_sha256_ctx;


ngx_int_t
ngx_s3jobs_sigv4_init(void)
{
    EVP_MD_CTX  *ctx;

    if (ngx_s3jobs_sha256_ctx != NULL) {
        return NGX_OK;
    }

    if (ngx_s3jobs_sha256 == NULL) {

        /* EVP_sha256() would be looked up anew by every EVP_DigestInit_ex() */

        ngx_s3jobs_sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);

        if (ngx_s3jobs_sha256 == NULL) {
            return NGX_ERROR;
        }
    }

    ctx = EVP_MD_CTX_new();

    if (ctx == NULL) {
        return NGX_ERROR;
    }

    /* what the context needs is allocated here */

    if (EVP_DigestInit_ex(ctx, ngx_s3jobs_sha256, NULL) != 1) {
        EVP_MD_CTX_free(ctx);
        return NGX_ERROR;
    }

    ngx_s3jobs_sha256_ctx = ctx;

    return NGX_OK;
}


void
ngx_s3jobs_sigv4_date(u_char *p, time_t t)
{
    ngx_uint_t  sec, days, cycle, year, yday, month, mday;

    sec = (ngx_uint_t) (t % 86400);

    /*
     * years begin in March, so that a leap day ends one, and are counted in
     * cycles of 400 from the year 0; 719468 days are from 0000-03-01 to 1970
     */

    days = (ngx_uint_t) (t / 86400) + 719468;
    cycle = days / 146097;
    days %= 146097;
    year = (days - days / 1460 + days / 36524 - days / 146096) / 365;
    yday = days - (year * 365 + year / 4 - year / 100);
    month = (yday * 5 + 2) / 153;
    mday = yday - (month * 153 + 2) / 5 + 1;

    year += cycle * 400;

    if (month < 10) {
        month += 3;

    } else {
        month -= 9;
        year++;
    }

    p = ngx_s3jobs_sigv4_digits(p, year, 4);
    p = ngx_s3jobs_sigv4_digits(p, month, 2);
    p = ngx_s3jobs_sigv4_digits(p, mday, 2);
    *p++ = 'T';
    p = ngx_s3jobs_sigv4_digits(p, sec / 3600, 2);
    p = ngx_s3jobs_sigv4_digits(p, sec / 60 % 60, 2);
    p = ngx_s3jobs_sigv4_digits(p, sec % 60, 2);
    *p = 'Z';
}


static u_char *
ngx_s3jobs_sigv4_digits(u_char *p, ngx_uint_t n, ngx_uint_t width)
{
    u_char  *last;

    last = p + width;

    for (p = last; width; width--) {
        *--p = (u_char) ('0' + n % 10);
        n /= 10;
    }

    return last;
}


ngx_int_t
ngx_s3jobs_sigv4_key(u_char key[NGX_S3JOBS_SHA256_LEN], ngx_str_t *secret,
    ngx_str_t *date, ngx_str_t *region, ngx_str_t *service)
{
    size_t               len;
    u_char               k[NGX_S3JOBS_SHA256_BLOCK], *p;
    ngx_str_t            step[4];
    ngx_uint_t           i;
    ngx_s3jobs_sha256_t  sha;

    sha.rc = NGX_OK;

    len = sizeof("AWS4") - 1 + secret->len;

    if (len <= NGX_S3JOBS_SHA256_BLOCK) {
        p = ngx_cpymem(k, "AWS4", sizeof("AWS4") - 1);

        if (secret->len) {
            ngx_memcpy(p, secret->data, secret->len);
        }

    } else {

        /* RFC 2104: a key longer than a block is replaced by its hash */

        ngx_s3jobs_sha256_start(&sha);
        ngx_s3jobs_sha256_add(&sha, "AWS4", sizeof("AWS4") - 1);
        ngx_s3jobs_sha256_add(&sha, secret->data, secret->len);
        ngx_s3jobs_sha256_end(&sha, k);

        len = NGX_S3JOBS_SHA256_LEN;
    }

    step[0].len = sizeof("YYYYMMDD") - 1;
    step[0].data = date->data;
    step[1] = *region;
    step[2] = *service;
    ngx_str_set(&step[3], NGX_S3JOBS_SIGV4_REQUEST);

    for (i = 0; i < 4; i++) {
        ngx_s3jobs_hmac_start(&sha, k, len);
        ngx_s3jobs_sha256_add(&sha, step[i].data, step[i].len);
        ngx_s3jobs_hmac_end(&sha, k, len, k);

        len = NGX_S3JOBS_SHA256_LEN;
    }

    ngx_memcpy(key, k, NGX_S3JOBS_SHA256_LEN);

    /* the last state of the context is the key itself */

    ngx_s3jobs_sha256_start(&sha);

    OPENSSL_cleanse(k, sizeof(k));
    OPENSSL_cleanse(sha.digest, sizeof(sha.digest));
    OPENSSL_cleanse(sha.buf, sizeof(sha.buf));

    return sha.rc;
}


size_t
ngx_s3jobs_sigv4_length(ngx_s3jobs_sigv4_t *s, ngx_str_t *key_id)
{
    return sizeof(NGX_S3JOBS_SIGV4_ALGORITHM " Credential=/") - 1
           + key_id->len + ngx_s3jobs_sigv4_scope_length(s)
           + sizeof(", SignedHeaders=") - 1 + ngx_s3jobs_sigv4_signed_length(s)
           + sizeof(", Signature=") - 1 + NGX_S3JOBS_SHA256_HEX_LEN;
}


static size_t
ngx_s3jobs_sigv4_scope_length(ngx_s3jobs_sigv4_t *s)
{
    return sizeof("YYYYMMDD///" NGX_S3JOBS_SIGV4_REQUEST) - 1
           + s->region.len + s->service.len;
}


static size_t
ngx_s3jobs_sigv4_signed_length(ngx_s3jobs_sigv4_t *s)
{
    size_t      len;
    ngx_uint_t  i;

    len = s->nheaders ? s->nheaders - 1 : 0;

    for (i = 0; i < s->nheaders; i++) {
        len += s->headers[i].key.len;
    }

    return len;
}


u_char *
ngx_s3jobs_sigv4_sign(u_char *p, ngx_s3jobs_sigv4_t *s, ngx_str_t *key_id,
    u_char key[NGX_S3JOBS_SHA256_LEN])
{
    u_char               digest[NGX_S3JOBS_SHA256_LEN];
    u_char               hex[NGX_S3JOBS_SHA256_HEX_LEN];
    ngx_str_t            scope, names;
    ngx_uint_t           i;
    ngx_s3jobs_sha256_t  sha;

    p = ngx_cpymem(p, NGX_S3JOBS_SIGV4_ALGORITHM " Credential=",
                   sizeof(NGX_S3JOBS_SIGV4_ALGORITHM " Credential=") - 1);
    p = ngx_cpymem(p, key_id->data, key_id->len);
    *p++ = '/';

    scope.data = p;

    p = ngx_cpymem(p, s->date.data, sizeof("YYYYMMDD") - 1);
    *p++ = '/';
    p = ngx_cpymem(p, s->region.data, s->region.len);
    *p++ = '/';
    p = ngx_cpymem(p, s->service.data, s->service.len);
    p = ngx_cpymem(p, "/" NGX_S3JOBS_SIGV4_REQUEST,
                   sizeof("/" NGX_S3JOBS_SIGV4_REQUEST) - 1);

    scope.len = p - scope.data;

    p = ngx_cpymem(p, ", SignedHeaders=", sizeof(", SignedHeaders=") - 1);

    names.data = p;

    for (i = 0; i < s->nheaders; i++) {
        if (i) {
            *p++ = ';';
        }

        p = ngx_cpymem(p, s->headers[i].key.data, s->headers[i].key.len);
    }

    names.len = p - names.data;

    p = ngx_cpymem(p, ", Signature=", sizeof(", Signature=") - 1);

    sha.rc = NGX_OK;

    ngx_s3jobs_sha256_start(&sha);
    ngx_s3jobs_sigv4_canonical(&sha, s, &names);
    ngx_s3jobs_sha256_end(&sha, digest);

    (void) ngx_s3jobs_sigv4_hex(hex, digest);

    ngx_s3jobs_hmac_start(&sha, key, NGX_S3JOBS_SHA256_LEN);
    ngx_s3jobs_sha256_add(&sha, NGX_S3JOBS_SIGV4_ALGORITHM "\n",
                          sizeof(NGX_S3JOBS_SIGV4_ALGORITHM "\n") - 1);
    ngx_s3jobs_sha256_add_line(&sha, &s->date);
    ngx_s3jobs_sha256_add_line(&sha, &scope);
    ngx_s3jobs_sha256_add(&sha, hex, sizeof(hex));
    ngx_s3jobs_hmac_end(&sha, key, NGX_S3JOBS_SHA256_LEN, digest);

    OPENSSL_cleanse(sha.digest, sizeof(sha.digest));
    OPENSSL_cleanse(sha.buf, sizeof(sha.buf));

    if (sha.rc != NGX_OK) {
        ngx_memset(p, '0', NGX_S3JOBS_SHA256_HEX_LEN);
        return NULL;
    }

    return ngx_s3jobs_sigv4_hex(p, digest);
}


static void
ngx_s3jobs_sigv4_canonical(ngx_s3jobs_sha256_t *sha, ngx_s3jobs_sigv4_t *s,
    ngx_str_t *signed_headers)
{
    ngx_uint_t  i;

    ngx_s3jobs_sha256_add_line(sha, &s->method);
    ngx_s3jobs_sha256_add_line(sha, &s->path);
    ngx_s3jobs_sha256_add_line(sha, &s->query);

    for (i = 0; i < s->nheaders; i++) {
        ngx_s3jobs_sha256_add(sha, s->headers[i].key.data,
                              s->headers[i].key.len);
        ngx_s3jobs_sha256_add(sha, ":", 1);
        ngx_s3jobs_sha256_add_line(sha, &s->headers[i].value);
    }

    ngx_s3jobs_sha256_add(sha, "\n", 1);
    ngx_s3jobs_sha256_add_line(sha, signed_headers);
    ngx_s3jobs_sha256_add(sha, s->payload_hash.data, s->payload_hash.len);
}


ngx_int_t
ngx_s3jobs_sha256_hex(u_char *p, ngx_str_t *data)
{
    u_char               digest[NGX_S3JOBS_SHA256_LEN];
    ngx_s3jobs_sha256_t  sha;

    sha.rc = NGX_OK;

    ngx_s3jobs_sha256_start(&sha);
    ngx_s3jobs_sha256_add(&sha, data->data, data->len);
    ngx_s3jobs_sha256_end(&sha, digest);

    if (sha.rc != NGX_OK) {
        return NGX_ERROR;
    }

    (void) ngx_s3jobs_sigv4_hex(p, digest);

    /* an STS request body may hold a token */

    OPENSSL_cleanse(sha.buf, sizeof(sha.buf));

    return NGX_OK;
}


static u_char *
ngx_s3jobs_sigv4_hex(u_char *p, u_char *digest)
{
    ngx_uint_t     i;

    static u_char  hex[] = "0123456789abcdef";

    for (i = 0; i < NGX_S3JOBS_SHA256_LEN; i++) {
        *p++ = hex[digest[i] >> 4];
        *p++ = hex[digest[i] & 0xf];
    }

    return p;
}


static void
ngx_s3jobs_hmac_start(ngx_s3jobs_sha256_t *sha, u_char *key, size_t len)
{
    ngx_s3jobs_sha256_start(sha);
    ngx_s3jobs_hmac_pad(sha, key, len, 0x36);
}


/* digest may be the key itself */

static void
ngx_s3jobs_hmac_end(ngx_s3jobs_sha256_t *sha, u_char *key, size_t len,
    u_char *digest)
{
    ngx_s3jobs_sha256_end(sha, sha->digest);

    ngx_s3jobs_sha256_start(sha);
    ngx_s3jobs_hmac_pad(sha, key, len, 0x5c);
    ngx_s3jobs_sha256_add(sha, sha->digest, NGX_S3JOBS_SHA256_LEN);
    ngx_s3jobs_sha256_end(sha, digest);
}


static void
ngx_s3jobs_hmac_pad(ngx_s3jobs_sha256_t *sha, u_char *key, size_t len,
    u_char pad)
{
    size_t  i;

    for (i = 0; i < len; i++) {
        sha->buf[i] = key[i] ^ pad;
    }

    ngx_memset(&sha->buf[len], pad, NGX_S3JOBS_SHA256_BLOCK - len);

    sha->pos = sha->buf + NGX_S3JOBS_SHA256_BLOCK;
}


static void
ngx_s3jobs_sha256_start(ngx_s3jobs_sha256_t *sha)
{
    sha->pos = sha->buf;

    if (ngx_s3jobs_sha256_ctx == NULL
        || EVP_DigestInit_ex(ngx_s3jobs_sha256_ctx, ngx_s3jobs_sha256, NULL)
           != 1)
    {
        sha->rc = NGX_ERROR;
    }
}


static void
ngx_s3jobs_sha256_add(ngx_s3jobs_sha256_t *sha, const void *p, size_t len)
{
    if (len > (size_t) (sha->buf + sizeof(sha->buf) - sha->pos)) {
        ngx_s3jobs_sha256_flush(sha, sha->buf, sha->pos - sha->buf);
        sha->pos = sha->buf;

        if (len > sizeof(sha->buf)) {
            ngx_s3jobs_sha256_flush(sha, p, len);
            return;
        }
    }

    if (len) {
        sha->pos = ngx_cpymem(sha->pos, p, len);
    }
}


static void
ngx_s3jobs_sha256_add_line(ngx_s3jobs_sha256_t *sha, ngx_str_t *line)
{
    ngx_s3jobs_sha256_add(sha, line->data, line->len);
    ngx_s3jobs_sha256_add(sha, "\n", 1);
}


static void
ngx_s3jobs_sha256_flush(ngx_s3jobs_sha256_t *sha, const void *p, size_t len)
{
    if (sha->rc == NGX_OK
        && EVP_DigestUpdate(ngx_s3jobs_sha256_ctx, p, len) != 1)
    {
        sha->rc = NGX_ERROR;
    }
}


static void
ngx_s3jobs_sha256_end(ngx_s3jobs_sha256_t *sha, u_char *digest)
{
    ngx_s3jobs_sha256_flush(sha, sha->buf, sha->pos - sha->buf);

    if (sha->rc != NGX_OK
        || EVP_DigestFinal_ex(ngx_s3jobs_sha256_ctx, digest, NULL) != 1)
    {
        sha->rc = NGX_ERROR;
        ngx_memzero(digest, NGX_S3JOBS_SHA256_LEN);
    }
}
