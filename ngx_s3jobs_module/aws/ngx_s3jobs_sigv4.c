
/*
 * Copyright (C) the ngx_s3jobs_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include "ngx_s3jobs_sigv4.h"


#define NGX_S3JOBS_SHA256_BLOCK  64

#define NGX_S3JOBS_SIGV4_ALGORITHM  "AWS4-HMAC-SHA256"
#define NGX_S3JOBS_SIGV4_REQUEST    "aws4_request"

/* keys whose states are kept, a power of two: sources times regions */
#define NGX_S3JOBS_SIGV4_STATES  16


/* what HMAC has hashed once it knows its key (RFC 2104, section 4) */

typedef struct {
    ngx_uint_t   set;
    u_char       key[NGX_S3JOBS_SHA256_LEN];
    EVP_MD_CTX  *inner;
    EVP_MD_CTX  *outer;
} ngx_s3jobs_sigv4_state_t;


static ngx_int_t ngx_s3jobs_sigv4_context(EVP_MD_CTX **ctx);
static size_t ngx_s3jobs_sigv4_scope_length(ngx_s3jobs_sigv4_t *s);
static size_t ngx_s3jobs_sigv4_signed_length(ngx_s3jobs_sigv4_t *s);
static u_char *ngx_s3jobs_sigv4_digits(u_char *p, ngx_uint_t n,
    ngx_uint_t width);
static ngx_uint_t ngx_s3jobs_sigv4_too_long(ngx_s3jobs_sigv4_t *s);
static u_char *ngx_s3jobs_sigv4_canonical(u_char *p, ngx_s3jobs_sigv4_t *s,
    ngx_str_t *signed_headers);
static u_char *ngx_s3jobs_sigv4_line(u_char *p, ngx_str_t *line);
static u_char *ngx_s3jobs_sigv4_hex(u_char *p, u_char *digest);
static ngx_s3jobs_sigv4_state_t *ngx_s3jobs_sigv4_state(u_char *key);
static ngx_int_t ngx_s3jobs_sigv4_pad(EVP_MD_CTX *ctx, u_char *key,
    u_char pad);
static ngx_int_t ngx_s3jobs_sha256(u_char *digest, EVP_MD_CTX *begun,
    const u_char *data, size_t len);


/*
 * To copy a context that has begun costs OpenSSL 3 less than to begin one,
 * and a copy of one that has hashed the key of HMAC spares that block too.
 */

static EVP_MD_CTX                *ngx_s3jobs_sha256_begun;
static EVP_MD_CTX                *ngx_s3jobs_sha256_ctx;
static ngx_s3jobs_sigv4_state_t   ngx_s3jobs_sigv4_states[
                                                    NGX_S3JOBS_SIGV4_STATES];

static u_char  ngx_s3jobs_sigv4_hex_digits[256][2];


ngx_int_t
ngx_s3jobs_sigv4_init(void)
{
    EVP_MD         *sha256;
    ngx_uint_t      i;

    static u_char   hex[] = "0123456789abcdef";

    if (ngx_s3jobs_sha256_begun != NULL) {
        return NGX_OK;
    }

    for (i = 0; i < 256; i++) {
        ngx_s3jobs_sigv4_hex_digits[i][0] = hex[i >> 4];
        ngx_s3jobs_sigv4_hex_digits[i][1] = hex[i & 0xf];
    }

    if (ngx_s3jobs_sigv4_context(&ngx_s3jobs_sha256_ctx) != NGX_OK) {
        return NGX_ERROR;
    }

    for (i = 0; i < NGX_S3JOBS_SIGV4_STATES; i++) {
        if (ngx_s3jobs_sigv4_context(&ngx_s3jobs_sigv4_states[i].inner)
               != NGX_OK
            || ngx_s3jobs_sigv4_context(&ngx_s3jobs_sigv4_states[i].outer)
               != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    /* EVP_sha256() would be looked up anew whenever a hash begins */

    sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);

    if (sha256 == NULL
        || ngx_s3jobs_sigv4_context(&ngx_s3jobs_sha256_begun) != NGX_OK)
    {
        EVP_MD_free(sha256);
        return NGX_ERROR;
    }

    if (EVP_DigestInit_ex(ngx_s3jobs_sha256_begun, sha256, NULL) != 1) {
        EVP_MD_CTX_free(ngx_s3jobs_sha256_begun);
        ngx_s3jobs_sha256_begun = NULL;
    }

    /* the context holds it */

    EVP_MD_free(sha256);

    return ngx_s3jobs_sha256_begun ? NGX_OK : NGX_ERROR;
}


static ngx_int_t
ngx_s3jobs_sigv4_context(EVP_MD_CTX **ctx)
{
    if (*ctx == NULL) {
        *ctx = EVP_MD_CTX_new();
    }

    return *ctx ? NGX_OK : NGX_ERROR;
}


void
ngx_s3jobs_sigv4_forget(void)
{
    ngx_uint_t                 i;
    ngx_s3jobs_sigv4_state_t  *st;

    for (i = 0; i < NGX_S3JOBS_SIGV4_STATES; i++) {
        st = &ngx_s3jobs_sigv4_states[i];

        st->set = 0;

        OPENSSL_cleanse(st->key, sizeof(st->key));

        /* OpenSSL zeroes what it frees of a digest */

        (void) EVP_MD_CTX_reset(st->inner);
        (void) EVP_MD_CTX_reset(st->outer);
    }
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
    size_t      len;
    u_char      k[sizeof("AWS4") - 1 + NGX_S3JOBS_SIGV4_SECRET_MAX];
    ngx_str_t   step[4];
    ngx_uint_t  i;

    if (secret->len > NGX_S3JOBS_SIGV4_SECRET_MAX) {
        return NGX_ERROR;
    }

    len = sizeof("AWS4") - 1;
    ngx_memcpy(k, "AWS4", len);

    if (secret->len) {
        ngx_memcpy(k + len, secret->data, secret->len);
        len += secret->len;
    }

    step[0].len = sizeof("YYYYMMDD") - 1;
    step[0].data = date->data;
    step[1] = *region;
    step[2] = *service;
    ngx_str_set(&step[3], NGX_S3JOBS_SIGV4_REQUEST);

    for (i = 0; i < 4; i++) {
        if (HMAC(EVP_sha256(), k, (int) len, step[i].data, step[i].len, k,
                 NULL)
            == NULL)
        {
            break;
        }

        len = NGX_S3JOBS_SHA256_LEN;
    }

    ngx_memcpy(key, k, NGX_S3JOBS_SHA256_LEN);

    OPENSSL_cleanse(k, sizeof(k));

    return (i == 4) ? NGX_OK : NGX_ERROR;
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
    u_char                     buf[NGX_S3JOBS_SIGV4_CANONICAL_MAX], *last;
    u_char                     digest[NGX_S3JOBS_SHA256_LEN];
    ngx_str_t                  scope, names;
    ngx_uint_t                 i;
    ngx_s3jobs_sigv4_state_t  *st;

    if (ngx_s3jobs_sha256_begun == NULL || ngx_s3jobs_sigv4_too_long(s)) {
        return NULL;
    }

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

    last = ngx_s3jobs_sigv4_canonical(buf, s, &names);

    if (ngx_s3jobs_sha256(digest, ngx_s3jobs_sha256_begun, buf, last - buf)
        != NGX_OK)
    {
        return NULL;
    }

    last = ngx_cpymem(buf, NGX_S3JOBS_SIGV4_ALGORITHM "\n",
                      sizeof(NGX_S3JOBS_SIGV4_ALGORITHM "\n") - 1);
    last = ngx_s3jobs_sigv4_line(last, &s->date);
    last = ngx_s3jobs_sigv4_line(last, &scope);
    last = ngx_s3jobs_sigv4_hex(last, digest);

    st = ngx_s3jobs_sigv4_state(key);

    if (st == NULL
        || ngx_s3jobs_sha256(digest, st->inner, buf, last - buf) != NGX_OK
        || ngx_s3jobs_sha256(digest, st->outer, digest, sizeof(digest))
           != NGX_OK)
    {
        return NULL;
    }

    return ngx_s3jobs_sigv4_hex(p, digest);
}


/* the string to sign, without headers and query, is the shorter text */

static ngx_uint_t
ngx_s3jobs_sigv4_too_long(ngx_s3jobs_sigv4_t *s)
{
    size_t      len;
    ngx_uint_t  i;

    len = s->method.len + s->path.len + s->query.len
          + ngx_s3jobs_sigv4_scope_length(s) + s->payload_hash.len
          + sizeof(NGX_S3JOBS_SIGV4_ALGORITHM) + NGX_S3JOBS_DATE_LEN
          + NGX_S3JOBS_SHA256_HEX_LEN + sizeof("\n\n\n\n\n");

    /* each name twice, the second time among those that are signed */

    for (i = 0; i < s->nheaders; i++) {
        len += 2 * s->headers[i].key.len + s->headers[i].value.len
               + sizeof(":\n;") - 1;
    }

    return len > NGX_S3JOBS_SIGV4_CANONICAL_MAX;
}


static u_char *
ngx_s3jobs_sigv4_canonical(u_char *p, ngx_s3jobs_sigv4_t *s,
    ngx_str_t *signed_headers)
{
    ngx_uint_t  i;

    p = ngx_s3jobs_sigv4_line(p, &s->method);
    p = ngx_s3jobs_sigv4_line(p, &s->path);
    p = ngx_s3jobs_sigv4_line(p, &s->query);

    for (i = 0; i < s->nheaders; i++) {
        p = ngx_cpymem(p, s->headers[i].key.data, s->headers[i].key.len);
        *p++ = ':';
        p = ngx_s3jobs_sigv4_line(p, &s->headers[i].value);
    }

    *p++ = '\n';
    p = ngx_s3jobs_sigv4_line(p, signed_headers);

    return ngx_cpymem(p, s->payload_hash.data, s->payload_hash.len);
}


static u_char *
ngx_s3jobs_sigv4_line(u_char *p, ngx_str_t *line)
{
    if (line->len) {
        p = ngx_cpymem(p, line->data, line->len);
    }

    *p++ = '\n';

    return p;
}


ngx_int_t
ngx_s3jobs_sha256_hex(u_char *p, ngx_str_t *data)
{
    u_char  digest[NGX_S3JOBS_SHA256_LEN];

    if (ngx_s3jobs_sha256_begun == NULL
        || ngx_s3jobs_sha256(digest, ngx_s3jobs_sha256_begun, data->data,
                             data->len)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    (void) ngx_s3jobs_sigv4_hex(p, digest);

    return NGX_OK;
}


static u_char *
ngx_s3jobs_sigv4_hex(u_char *p, u_char *digest)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_S3JOBS_SHA256_LEN; i++) {
        p = ngx_cpymem(p, ngx_s3jobs_sigv4_hex_digits[digest[i]], 2);
    }

    return p;
}


/* keys are random bytes: the first one spreads them */

static ngx_s3jobs_sigv4_state_t *
ngx_s3jobs_sigv4_state(u_char *key)
{
    ngx_s3jobs_sigv4_state_t  *st;

    st = &ngx_s3jobs_sigv4_states[key[0] & (NGX_S3JOBS_SIGV4_STATES - 1)];

    if (st->set && ngx_memcmp(st->key, key, NGX_S3JOBS_SHA256_LEN) == 0) {
        return st;
    }

    st->set = 0;

    if (ngx_s3jobs_sigv4_pad(st->inner, key, 0x36) != NGX_OK
        || ngx_s3jobs_sigv4_pad(st->outer, key, 0x5c) != NGX_OK)
    {
        return NULL;
    }

    ngx_memcpy(st->key, key, NGX_S3JOBS_SHA256_LEN);
    st->set = 1;

    return st;
}


static ngx_int_t
ngx_s3jobs_sigv4_pad(EVP_MD_CTX *ctx, u_char *key, u_char pad)
{
    int         rc;
    u_char      block[NGX_S3JOBS_SHA256_BLOCK];
    ngx_uint_t  i;

    ngx_memset(block, pad, NGX_S3JOBS_SHA256_BLOCK);

    for (i = 0; i < NGX_S3JOBS_SHA256_LEN; i++) {
        block[i] ^= key[i];
    }

    rc = EVP_MD_CTX_copy_ex(ctx, ngx_s3jobs_sha256_begun)
         && EVP_DigestUpdate(ctx, block, NGX_S3JOBS_SHA256_BLOCK);

    OPENSSL_cleanse(block, sizeof(block));

    return rc ? NGX_OK : NGX_ERROR;
}


/* digest may be the data */

static ngx_int_t
ngx_s3jobs_sha256(u_char *digest, EVP_MD_CTX *begun, const u_char *data,
    size_t len)
{
    if (EVP_MD_CTX_copy_ex(ngx_s3jobs_sha256_ctx, begun) != 1
        || EVP_DigestUpdate(ngx_s3jobs_sha256_ctx, data, len) != 1
        || EVP_DigestFinal_ex(ngx_s3jobs_sha256_ctx, digest, NULL) != 1)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}
