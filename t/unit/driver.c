
/*
 * Copyright (C) the ngx_s3jobs_module authors
 */


/*
 * The pure layer for test_pure_botocore.py: one call per line of standard
 * input, a name and hexadecimal fields ("-" is an empty one), one line of
 * standard output each.
 *
 *     query ARGS                   ok CANONICAL | declined NAME TEXT
 *     sign METHOD PATH QUERY HASH DATE REGION SERVICE ID SECRET NAME VALUE...
 *                                  ok AUTHORIZATION
 *     date SECONDS                 ok DATE
 *     sha256 DATA                  ok HEX
 *     endpoint ACCOUNT REGION FLAGS
 *                                  ok HOST SUFFIX FIPS
 *     account, region, host TEXT   ok 1 | ok 0
 *     profile TEXT PROFILE         ok ID SECRET TOKEN | declined TEXT
 *                                  | error LINE TEXT
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_s3jobs_query.h"
#include "ngx_s3jobs_sigv4.h"
#include "ngx_s3jobs_endpoint.h"
#include "ngx_s3jobs_url.h"
#include "ngx_s3jobs_profile.h"


#define MAX_FIELDS  64


typedef struct {
    const char   *name;
    ngx_uint_t    min;
    void        (*run)(ngx_str_t *f, ngx_uint_t n);
} command_t;


static void
die(const char *why)
{
    fprintf(stderr, "driver: %s\n", why);
    exit(2);
}


/* memory of exactly its size, so that ASan sees the first byte too many */

static u_char *
get(size_t size)
{
    u_char  *p;

    p = malloc(size ? size : 1);

    if (p == NULL) {
        die("no memory");
    }

    return p;
}


static void
put(const void *data, size_t len)
{
    size_t  i;

    printf(len ? " " : " -");

    for (i = 0; i < len; i++) {
        printf("%02x", ((const u_char *) data)[i]);
    }
}


static ngx_uint_t
number(ngx_str_t *f)
{
    char  text[32];

    if (f->len >= sizeof(text)) {
        die("bad number");
    }

    memcpy(text, f->data, f->len);
    text[f->len] = '\0';

    return strtoull(text, NULL, 10);
}


static void
run_query(ngx_str_t *f, ngx_uint_t n)
{
    u_char                    *p;
    size_t                     len;
    ngx_s3jobs_query_t         q;
    ngx_s3jobs_query_error_t   err;

    if (ngx_s3jobs_query_parse(&f[0], &q, &err) != NGX_OK) {
        printf("declined");
        put(err.name.data, err.name.len);
        put(err.text.data, err.text.len);
        return;
    }

    len = ngx_s3jobs_query_length(&q);
    p = get(len);

    if (ngx_s3jobs_query_write(p, &q) != p + len) {
        die("query length");
    }

    printf("ok");
    put(p, len);
    free(p);
}


static void
run_sign(ngx_str_t *f, ngx_uint_t n)
{
    u_char              *p, *key;
    size_t               len;
    ngx_uint_t           i;
    ngx_keyval_t         headers[MAX_FIELDS];
    ngx_s3jobs_sigv4_t   s;

    s.method = f[0];
    s.path = f[1];
    s.query = f[2];
    s.payload_hash = f[3];
    s.date = f[4];
    s.region = f[5];
    s.service = f[6];
    s.headers = headers;
    s.nheaders = (n - 9) / 2;

    for (i = 0; i < s.nheaders; i++) {
        headers[i].key = f[9 + i * 2];
        headers[i].value = f[10 + i * 2];
    }

    key = get(NGX_S3JOBS_SHA256_LEN);

    if (ngx_s3jobs_sigv4_key(key, &f[8], &s.date, &s.region, &s.service)
        != NGX_OK)
    {
        die("key");
    }

    len = ngx_s3jobs_sigv4_length(&s, &f[7]);
    p = get(len);

    if (ngx_s3jobs_sigv4_sign(p, &s, &f[7], key) != p + len) {
        die("authorization length");
    }

    printf("ok");
    put(p, len);
    free(p);
    free(key);
}


static void
run_date(ngx_str_t *f, ngx_uint_t n)
{
    u_char  *p;

    p = get(NGX_S3JOBS_DATE_LEN);

    ngx_s3jobs_sigv4_date(p, number(&f[0]));

    printf("ok");
    put(p, NGX_S3JOBS_DATE_LEN);
    free(p);
}


static void
run_sha256(ngx_str_t *f, ngx_uint_t n)
{
    u_char  *p;

    p = get(NGX_S3JOBS_SHA256_HEX_LEN);

    if (ngx_s3jobs_sha256_hex(p, &f[0]) != NGX_OK) {
        die("sha256");
    }

    printf("ok");
    put(p, NGX_S3JOBS_SHA256_HEX_LEN);
    free(p);
}


static void
run_endpoint(ngx_str_t *f, ngx_uint_t n)
{
    u_char     *p;
    ngx_str_t  *suffix;

    p = get(NGX_S3JOBS_ENDPOINT_MAX);

    printf("ok");
    put(p, ngx_s3jobs_endpoint_write(p, &f[0], &f[1], number(&f[2])) - p);
    free(p);

    suffix = ngx_s3jobs_region_suffix(&f[1]);
    put(suffix->data, suffix->len);

    printf(" %d", (int) ngx_s3jobs_region_fips(&f[1]));
}


static void
run_account(ngx_str_t *f, ngx_uint_t n)
{
    printf("ok %d", (int) ngx_s3jobs_account_valid(&f[0]));
}


static void
run_region(ngx_str_t *f, ngx_uint_t n)
{
    printf("ok %d", (int) ngx_s3jobs_region_valid(&f[0]));
}


static void
run_host(ngx_str_t *f, ngx_uint_t n)
{
    printf("ok %d", (int) ngx_s3jobs_host_valid(&f[0]));
}


static void
run_profile(ngx_str_t *f, ngx_uint_t n)
{
    const char                *err;
    ngx_uint_t                 line;
    ngx_s3jobs_credentials_t   c;

    switch (ngx_s3jobs_credentials_profile(&f[0], &f[1], &c, &err, &line)) {

    case NGX_OK:

        if (ngx_s3jobs_credentials_check(&c) != NULL) {
            die("credentials that do not check");
        }

        printf("ok");
        put(c.access_key_id.data, c.access_key_id.len);
        put(c.secret_access_key.data, c.secret_access_key.len);
        put(c.session_token.data, c.session_token.len);
        return;

    case NGX_DECLINED:
        printf("declined");
        break;

    default:
        printf("error %d", (int) line);
    }

    put(err, strlen(err));
}


static const command_t  commands[] = {
    { "query", 1, run_query },
    { "sign", 11, run_sign },
    { "date", 1, run_date },
    { "sha256", 1, run_sha256 },
    { "endpoint", 3, run_endpoint },
    { "account", 1, run_account },
    { "region", 1, run_region },
    { "host", 1, run_host },
    { "profile", 2, run_profile },
    { NULL, 0, NULL }
};


static void
field(ngx_str_t *f, const char *hex)
{
    size_t    i;
    unsigned  c;

    f->len = (strcmp(hex, "-") == 0) ? 0 : strlen(hex) / 2;
    f->data = get(f->len);

    for (i = 0; i < f->len; i++) {
        if (sscanf(hex + i * 2, "%2x", &c) != 1) {
            die("bad field");
        }

        f->data[i] = (u_char) c;
    }
}


int
main(void)
{
    char             *line, *name, *p;
    size_t            size;
    ngx_str_t         fields[MAX_FIELDS];
    ngx_uint_t        i, n;
    const command_t  *c;

    if (ngx_s3jobs_sigv4_init() != NGX_OK) {
        die("init");
    }

    (void) setvbuf(stdout, NULL, _IOLBF, 0);

    line = NULL;
    size = 0;

    while (getline(&line, &size, stdin) != -1) {
        name = strtok(line, " \n");

        for (n = 0; (p = strtok(NULL, " \n")) != NULL; n++) {
            if (n == MAX_FIELDS) {
                die("too many fields");
            }

            field(&fields[n], p);
        }

        for (c = commands; c->name; c++) {
            if (name && strcmp(c->name, name) == 0) {
                break;
            }
        }

        if (c->name == NULL || n < c->min) {
            die("unknown command");
        }

        c->run(fields, n);
        printf("\n");

        for (i = 0; i < n; i++) {
            free(fields[i].data);
        }
    }

    free(line);

    return 0;
}
