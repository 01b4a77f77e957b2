
/*
 * Copyright (C) the ngx_s3jobs_module authors
 */


#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <ngx_config.h>
#include <ngx_core.h>
#include <openssl/crypto.h>
#include <openssl/hmac.h>
#include "ngx_s3jobs_sigv4.h"


#define DATE    "20260102T030405Z"
#define REGION  "us-east-1"
#define SECRET  "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
#define HOST    "123456789012.s3-control.us-east-1.amazonaws.com"


typedef struct {
    const char  *query;
    const char  *signature;
} worked_t;


typedef struct {
    time_t       t;
    const char  *date;
} date_t;


static const worked_t  worked[] = {
    { "", "0c587a1f6eae9027e2a6093eb63e5da2e64e54a8e7af9d53c8eb956f70a8263e" },
    { "jobStatuses=Active&jobStatuses=Complete&maxResults=1000",
      "f4c257e4cfbe5aad0cab6d8def51e0c04229e5c5f1aa3682c0df87bd8ffce179" },
    { "nextToken=Ab0%2B%2F%3D%3A%3F%23%24%25%26%27%28%29%2A%2C-.%3B%3C%3E%40"
      "%5B%5C%5D%5E_",
      "cbc55820955c50dae0b255aa0a6a9acbf645d6f40b4003a71fec3bfeac852b5b" },
    { NULL, NULL }
};


static const date_t  dates[] = {
    { 0, "19700101T000000Z" },
    { 59, "19700101T000059Z" },
    { 3599, "19700101T005959Z" },
    { 86399, "19700101T235959Z" },
    { 86400, "19700102T000000Z" },
    { 951782399, "20000228T235959Z" },
    { 951782400, "20000229T000000Z" },
    { 951868800, "20000301T000000Z" },
    { 1709164800, "20240229T000000Z" },
    { 1767225599, "20251231T235959Z" },
    { 1767225600, "20260101T000000Z" },
    { 1767323045, "20260102T030405Z" },
    { 2147483648LL, "20380119T031408Z" },
    { 4107542399LL, "21000228T235959Z" },
    { 4107542400LL, "21000301T000000Z" },
    { 253402300799LL, "99991231T235959Z" },
    { 0, NULL }
};


static ngx_uint_t  allocations, released, fail_at;


static ngx_uint_t
fails(void)
{
    return ++allocations == fail_at;
}


static void *
count_malloc(size_t n, const char *file, int line)
{
    return fails() ? NULL : malloc(n);
}


static void *
count_realloc(void *p, size_t n, const char *file, int line)
{
    return fails() ? NULL : realloc(p, n);
}


static void
count_free(void *p, const char *file, int line)
{
    released += (p != NULL);
    free(p);
}


static void
set(ngx_str_t *s, const char *text)
{
    s->len = strlen(text);
    s->data = (u_char *) text;
}


static void
prepare(ngx_s3jobs_sigv4_t *s, ngx_keyval_t *headers, const char *query,
    const char *token)
{
    set(&s->method, "GET");
    set(&s->path, "/v20180820/jobs");
    set(&s->query, query);
    set(&s->payload_hash, NGX_S3JOBS_EMPTY_SHA256);
    set(&s->date, DATE);
    set(&s->region, REGION);
    set(&s->service, "s3");

    set(&headers[0].key, "host");
    set(&headers[0].value, HOST);
    set(&headers[1].key, "x-amz-account-id");
    set(&headers[1].value, "123456789012");
    set(&headers[2].key, "x-amz-content-sha256");
    set(&headers[2].value, NGX_S3JOBS_EMPTY_SHA256);
    set(&headers[3].key, "x-amz-date");
    set(&headers[3].value, DATE);

    s->headers = headers;
    s->nheaders = 4;

    if (token) {
        set(&headers[4].key, "x-amz-security-token");
        set(&headers[4].value, token);
        s->nheaders = 5;
    }
}


static char *
sign(ngx_s3jobs_sigv4_t *s, u_char *key)
{
    u_char     *p, *last;
    size_t      len;
    ngx_str_t   id;

    set(&id, "AKIDEXAMPLE");

    len = ngx_s3jobs_sigv4_length(s, &id);

    p = malloc(len + 1);
    assert_non_null(p);

    last = ngx_s3jobs_sigv4_sign(p, s, &id, key);
    assert_ptr_equal(last, p + len);
    *last = '\0';

    return (char *) p;
}


static void
derive(u_char *key, const char *secret)
{
    ngx_str_t  s, date, region, service;

    set(&s, secret);
    set(&date, DATE);
    set(&region, REGION);
    set(&service, "s3");

    assert_int_equal(ngx_s3jobs_sigv4_key(key, &s, &date, &region, &service),
                     NGX_OK);
}


static void
hmac(u_char *out, const void *key, size_t len, const char *text)
{
    unsigned  n;

    assert_non_null(HMAC(EVP_sha256(), key, len, (const u_char *) text,
                         strlen(text), out, &n));
}


/* what the RFC and AWS say, in OpenSSL's own one-shot calls */

static void
reference_key(u_char *key, const char *secret)
{
    char  aws4[512];

    snprintf(aws4, sizeof(aws4), "AWS4%s", secret);

    hmac(key, aws4, strlen(aws4), "20260102");
    hmac(key, key, 32, REGION);
    hmac(key, key, 32, "s3");
    hmac(key, key, 32, "aws4_request");
}


static void
reference_signature(char *out, const char *query, const char *token,
    u_char *key)
{
    char      *request, text[512];
    u_char     digest[32];
    unsigned   i, n;

    request = malloc(2048 + strlen(query) + strlen(token));
    assert_non_null(request);

    sprintf(request, "GET\n/v20180820/jobs\n%s\nhost:%s\n"
            "x-amz-account-id:123456789012\nx-amz-content-sha256:%s\n"
            "x-amz-date:%s\nx-amz-security-token:%s\n\n"
            "host;x-amz-account-id;x-amz-content-sha256;x-amz-date;"
            "x-amz-security-token\n%s",
            query, HOST, NGX_S3JOBS_EMPTY_SHA256, DATE, token,
            NGX_S3JOBS_EMPTY_SHA256);

    EVP_Digest(request, strlen(request), digest, &n, EVP_sha256(), NULL);
    free(request);

    n = sprintf(text, "AWS4-HMAC-SHA256\n%s\n20260102/%s/s3/aws4_request\n",
                DATE, REGION);

    for (i = 0; i < 32; i++) {
        n += sprintf(text + n, "%02x", digest[i]);
    }

    hmac(digest, key, 32, text);

    for (i = 0; i < 32; i++) {
        sprintf(out + i * 2, "%02x", digest[i]);
    }
}


/* the first test: nothing is initialised yet */

static void
test_no_init(void **state)
{
    u_char               key[32], buf[1024];
    ngx_str_t            id, data;
    ngx_keyval_t         headers[5];
    ngx_s3jobs_sigv4_t   s;

    memset(key, 1, sizeof(key));

    prepare(&s, headers, "", NULL);
    set(&id, "AKIDEXAMPLE");
    set(&data, "abc");

    assert_null(ngx_s3jobs_sigv4_sign(buf, &s, &id, key));
    assert_int_equal(ngx_s3jobs_sha256_hex(buf, &data), NGX_ERROR);
}


static void
test_init(void **state)
{
    assert_int_equal(ngx_s3jobs_sigv4_init(), NGX_OK);
    assert_int_equal(ngx_s3jobs_sigv4_init(), NGX_OK);
}


static void
test_worked(void **state)
{
    char                *out, expected[1024];
    u_char               key[32];
    const worked_t      *w;
    ngx_keyval_t         headers[5];
    ngx_s3jobs_sigv4_t   s;

    static const u_char  derived[] = {
        0x80, 0x0c, 0xaa, 0x73, 0xb7, 0x36, 0x76, 0xf2,
        0x85, 0xe7, 0xd2, 0xe8, 0xc7, 0xfc, 0xb1, 0xe6,
        0xf8, 0x81, 0x5b, 0x32, 0xc9, 0x95, 0x0c, 0x0f,
        0x62, 0x1c, 0x2e, 0x2c, 0xac, 0xf3, 0x88, 0x5e
    };

    derive(key, SECRET);
    assert_memory_equal(key, derived, sizeof(derived));

    for (w = worked; w->query; w++) {
        prepare(&s, headers, w->query, NULL);
        out = sign(&s, key);

        sprintf(expected, "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260102/"
                "us-east-1/s3/aws4_request, SignedHeaders=host;"
                "x-amz-account-id;x-amz-content-sha256;x-amz-date, "
                "Signature=%s", w->signature);

        assert_string_equal(out, expected);
        free(out);
    }
}


/* a secret of every length up to well over a block, as HMAC() has it */

static void
test_secret_lengths(void **state)
{
    char      secret[256];
    size_t    n;
    u_char    key[32], expected[32];

    for (n = 0; n < 200; n++) {
        memset(secret, 'a' + n % 26, n);
        secret[n] = '\0';

        derive(key, secret);
        reference_key(expected, secret);

        assert_memory_equal(key, expected, sizeof(key));
    }
}


static void
test_secret_too_long(void **state)
{
    u_char     key[32], secret[NGX_S3JOBS_SIGV4_SECRET_MAX + 1];
    ngx_str_t  s, date, region, service;

    memset(secret, 's', sizeof(secret));
    set(&date, DATE);
    set(&region, REGION);
    set(&service, "s3");

    s.data = secret;
    s.len = sizeof(secret);

    assert_int_equal(ngx_s3jobs_sigv4_key(key, &s, &date, &region, &service),
                     NGX_ERROR);

    s.len--;

    assert_int_equal(ngx_s3jobs_sigv4_key(key, &s, &date, &region, &service),
                     NGX_OK);
}


static void
check_signature(ngx_s3jobs_sigv4_t *s, const char *query, const char *token,
    u_char *key)
{
    char  *out, signature[65];

    out = sign(s, key);

    reference_signature(signature, query, token, key);
    assert_string_equal(out + strlen(out) - 64, signature);

    free(out);
}


static void
test_lengths(void **state)
{
    char                *token, *query;
    size_t               n;
    u_char               key[32];
    ngx_keyval_t         headers[5];
    ngx_s3jobs_sigv4_t   s;

    derive(key, SECRET);

    for (n = 0; n < 1300; n++) {
        token = malloc(n + 1);
        query = malloc(1300 - n);
        assert_non_null(token);
        assert_non_null(query);

        memset(token, 't', n);
        token[n] = '\0';
        memset(query, 'q', 1299 - n);
        query[1299 - n] = '\0';

        prepare(&s, headers, query, token);
        check_signature(&s, query, token, key);

        free(token);
        free(query);
    }
}


/* the longest that ListJobs can have, and one that is too long to lay out */

static void
test_longest(void **state)
{
    char                *token, *query;
    u_char               key[32], buf[1024];
    ngx_str_t            id;
    ngx_keyval_t         headers[5];
    ngx_s3jobs_sigv4_t   s;

    derive(key, SECRET);
    set(&id, "AKIDEXAMPLE");

    query = malloc(4096);
    token = malloc(NGX_S3JOBS_SIGV4_CANONICAL_MAX + 1);
    assert_non_null(query);
    assert_non_null(token);

    memset(query, 'q', 4095);
    query[4095] = '\0';
    memset(token, 't', NGX_S3JOBS_SIGV4_CANONICAL_MAX);
    token[8192] = '\0';

    prepare(&s, headers, query, token);
    check_signature(&s, query, token, key);

    token[8192] = 't';
    token[NGX_S3JOBS_SIGV4_CANONICAL_MAX] = '\0';

    prepare(&s, headers, query, token);
    assert_null(ngx_s3jobs_sigv4_sign(buf, &s, &id, key));

    free(query);
    free(token);
}


/* more keys than states are kept, in an order in which they come back */

static void
test_many_keys(void **state)
{
    u_char               keys[40][32];
    ngx_uint_t           i;
    ngx_keyval_t         headers[5];
    ngx_s3jobs_sigv4_t   s;

    for (i = 0; i < 40 * 32; i++) {
        keys[i / 32][i % 32] = (u_char) (i % 32 == 0 ? i / 32 : i * i);
    }

    prepare(&s, headers, "maxResults=10", "token");

    for (i = 0; i < 400; i++) {
        if (i == 200) {
            ngx_s3jobs_sigv4_forget();
        }

        check_signature(&s, "maxResults=10", "token", keys[i * i % 40]);
        check_signature(&s, "maxResults=10", "token", keys[i * i % 40]);
    }
}


/*
 * OpenSSL 3 allocates the state of a digest whenever one begins: three for a
 * signature, one for a hash.
 */

static void
test_allocations(void **state)
{
    u_char               key[32], buf[1024];
    ngx_str_t            id, data;
    ngx_uint_t           i, before, frees;
    ngx_keyval_t         headers[5];
    ngx_s3jobs_sigv4_t   s;

    derive(key, SECRET);
    prepare(&s, headers, "maxResults=10", "token");
    set(&id, "AKIDEXAMPLE");
    set(&data, "abc");

    assert_non_null(ngx_s3jobs_sigv4_sign(buf, &s, &id, key));
    assert_int_not_equal(allocations, 0);

    before = allocations;
    frees = released;

    for (i = 0; i < 100; i++) {
        assert_non_null(ngx_s3jobs_sigv4_sign(buf, &s, &id, key));
        assert_int_equal(ngx_s3jobs_sha256_hex(buf, &data), NGX_OK);
    }

    assert_int_equal(allocations - before, released - frees);
    assert_in_range(allocations - before, 0, 100 * (3 + 1));
}


/* a signature is right, or there is none */

static void
test_allocation_fails(void **state)
{
    u_char               key[32], other[32], *end, buf[1024];
    ngx_str_t            id;
    ngx_uint_t           n, failed;
    ngx_keyval_t         headers[5];
    ngx_s3jobs_sigv4_t   s;

    derive(key, SECRET);

    /* a key whose state stands in the same place */

    memcpy(other, key, sizeof(other));
    other[31] ^= 1;

    prepare(&s, headers, "maxResults=10", "token");
    set(&id, "AKIDEXAMPLE");

    failed = 0;

    for (n = 1; ; n++) {
        ngx_s3jobs_sigv4_forget();

        check_signature(&s, "maxResults=10", "token", other);

        allocations = 0;
        fail_at = n;

        end = ngx_s3jobs_sigv4_sign(buf, &s, &id, key);

        fail_at = 0;

        check_signature(&s, "maxResults=10", "token", other);
        check_signature(&s, "maxResults=10", "token", key);

        if (end) {
            break;
        }

        failed++;
    }

    /*
     * two states of the key, and three copies; later versions of OpenSSL
     * make them where the old ones are, and allocate nothing
     */

    if (OPENSSL_VERSION_NUMBER < 0x30500000L || failed) {
        assert_in_range(failed, 5, 20);
    }
}


static void
test_date(void **state)
{
    char           *p;
    time_t          t;
    const date_t   *d;
    struct tm       tm;
    char            text[64];

    p = malloc(NGX_S3JOBS_DATE_LEN);
    assert_non_null(p);

    for (d = dates; d->date; d++) {
        ngx_s3jobs_sigv4_date((u_char *) p, d->t);
        assert_memory_equal(p, d->date, NGX_S3JOBS_DATE_LEN);
    }

    /* two days of every week until the year 9999 */

    for (t = 0; t < 253402300799LL; t += 3 * 86400 + 43201) {
        assert_non_null(gmtime_r(&t, &tm));
        assert_int_equal(strftime(text, sizeof(text), "%Y%m%dT%H%M%SZ", &tm),
                         NGX_S3JOBS_DATE_LEN);

        ngx_s3jobs_sigv4_date((u_char *) p, t);
        assert_memory_equal(p, text, NGX_S3JOBS_DATE_LEN);
    }

    free(p);
}


static void
test_sha256(void **state)
{
    u_char     *p;
    ngx_str_t   data;

    p = malloc(NGX_S3JOBS_SHA256_HEX_LEN);
    assert_non_null(p);

    ngx_str_null(&data);
    assert_int_equal(ngx_s3jobs_sha256_hex(p, &data), NGX_OK);
    assert_memory_equal(p, NGX_S3JOBS_EMPTY_SHA256, NGX_S3JOBS_SHA256_HEX_LEN);

    set(&data, "abc");
    assert_int_equal(ngx_s3jobs_sha256_hex(p, &data), NGX_OK);
    assert_memory_equal(p, "ba7816bf8f01cfea414140de5dae2223"
                           "b00361a396177a9cb410ff61f20015ad",
                        NGX_S3JOBS_SHA256_HEX_LEN);

    free(p);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_no_init),
        cmocka_unit_test(test_init),
        cmocka_unit_test(test_worked),
        cmocka_unit_test(test_secret_lengths),
        cmocka_unit_test(test_secret_too_long),
        cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_longest),
        cmocka_unit_test(test_many_keys),
        cmocka_unit_test(test_allocations),
        cmocka_unit_test(test_allocation_fails),
        cmocka_unit_test(test_date),
        cmocka_unit_test(test_sha256)
    };

    if (CRYPTO_set_mem_functions(count_malloc, count_realloc, count_free)
        != 1)
    {
        return 1;
    }

    return cmocka_run_group_tests(tests, NULL, NULL);
}
