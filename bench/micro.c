
/*
 * Copyright (C) the ngx_s3jobs_module authors
 */


/*
 * The pure layer's two costs, signing and converting, beside what they stand
 * on: bare SHA-256 compressions, and libxml2's push parser with handlers that
 * do nothing.
 *
 *     micro time ROUNDS DOCUMENT ...
 *     micro count NAME REPEAT [DOCUMENT]
 *     micro print NAME [DOCUMENT]
 *
 * "time" runs everything in turn, ROUNDS times, and prints a line of names
 * and, for each round, a line of nanoseconds of processor time per operation.
 * The names of conversions are "ours:" and "libxml2:" before the name of the
 * file.  "count" runs one of them, REPEAT times inside of bench_measured(),
 * for callgrind.  "print" writes what is made, to be checked by somebody
 * else.
 *
 * Names: sign, sign_token (a session token of 800 bytes), sha256 (64
 * compressions), convert, libxml2.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <libxml/parser.h>
#include <openssl/evp.h>
#include <time.h>
#include "ngx_s3jobs_listing.h"
#include "ngx_s3jobs_sax.h"
#include "ngx_s3jobs_sigv4.h"


#define BENCH_DOCUMENTS     16
#define BENCH_SPAN          1000000       /* of one measurement, in ns */
#define BENCH_FEED          4096          /* as the body filter feeds */
#define BENCH_COMPRESSIONS  64


typedef struct bench_s  bench_t;

struct bench_s {
    const char    *name;
    void         (*run)(bench_t *b);
    const char    *file;
    u_char        *doc;
    size_t         len;
    FILE          *print;
    ngx_uint_t     repeat;
};


static void bench_sign(bench_t *b);
static void bench_sign_token(bench_t *b);
static void bench_sha256(bench_t *b);
static void bench_convert(bench_t *b);
static void bench_libxml2(bench_t *b);

/* callgrind counts what happens in here; gcc must not inline or clone it */
void bench_measured(bench_t *b, ngx_uint_t n)
    __attribute__((noinline, noclone));


static const bench_t  bench_all[] = {
    { "sign", bench_sign, NULL, NULL, 0, NULL, 0 },
    { "sign_token", bench_sign_token, NULL, NULL, 0, NULL, 0 },
    { "sha256", bench_sha256, NULL, NULL, 0, NULL, 0 },
    { "convert", bench_convert, NULL, NULL, 0, NULL, 0 },
    { "libxml2", bench_libxml2, NULL, NULL, 0, NULL, 0 },
    { NULL, NULL, NULL, NULL, 0, NULL, 0 }
};


static u_char  bench_key[NGX_S3JOBS_SHA256_LEN];
static u_char  bench_token[800];
static u_char  bench_piece[16384];

static ngx_str_t  bench_key_id = ngx_string("AKIDEXAMPLE");
static ngx_str_t  bench_secret =
    ngx_string("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY");

static ngx_keyval_t  bench_headers[] = {
    { ngx_string("host"),
      ngx_string("123456789012.s3-control.us-east-1.amazonaws.com") },
    { ngx_string("x-amz-account-id"), ngx_string("123456789012") },
    { ngx_string("x-amz-content-sha256"),
      ngx_string(NGX_S3JOBS_EMPTY_SHA256) },
    { ngx_string("x-amz-date"), ngx_string("20260102T030405Z") },
    { ngx_string("x-amz-security-token"),
      { sizeof(bench_token), bench_token } }
};

static ngx_s3jobs_sigv4_t  bench_request = {
    ngx_string("GET"),
    ngx_string("/v20180820/jobs"),
    ngx_string("jobStatuses=Active&maxResults=100"),
    bench_headers,
    4,
    ngx_string(NGX_S3JOBS_EMPTY_SHA256),
    ngx_string("20260102T030405Z"),
    ngx_string("us-east-1"),
    ngx_string("s3")
};


static void
bench_die(const char *why)
{
    fprintf(stderr, "micro: %s\n", why);
    exit(1);
}


static void
bench_sign_headers(bench_t *b, ngx_uint_t n)
{
    size_t   len;
    u_char  *last, buf[1024];

    bench_request.nheaders = n;

    len = ngx_s3jobs_sigv4_length(&bench_request, &bench_key_id);

    if (len > sizeof(buf)) {
        bench_die("an Authorization header that is too long");
    }

    last = ngx_s3jobs_sigv4_sign(buf, &bench_request, &bench_key_id,
                                 bench_key);

    if (last != buf + len) {
        bench_die("signing failed");
    }

    if (b->print) {
        fwrite(buf, 1, len, b->print);
    }
}


static void
bench_sign(bench_t *b)
{
    bench_sign_headers(b, 4);
}


static void
bench_sign_token(bench_t *b)
{
    bench_sign_headers(b, 5);
}


static void
bench_sha256(bench_t *b)
{
    static u_char       data[BENCH_COMPRESSIONS * 64];
    static EVP_MD_CTX  *ctx;

    if (ctx == NULL) {
        ctx = EVP_MD_CTX_new();

        if (ctx == NULL || EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) != 1) {
            bench_die("no SHA-256");
        }
    }

    if (EVP_DigestUpdate(ctx, data, sizeof(data)) != 1) {
        bench_die("hashing failed");
    }
}


static ngx_int_t
bench_more(ngx_s3jobs_out_t *out)
{
    bench_t *b = out->data;

    if (b->print) {
        fwrite(bench_piece, 1, out->pos - bench_piece, b->print);
    }

    out->pos = bench_piece;
    out->end = bench_piece + sizeof(bench_piece);

    return NGX_OK;
}


static void
bench_convert(bench_t *b)
{
    size_t                 n, i;
    ngx_int_t              rc;
    ngx_s3jobs_out_t       out;
    ngx_s3jobs_listing_t  *l;

    out.pos = bench_piece;
    out.end = bench_piece + sizeof(bench_piece);
    out.more = bench_more;
    out.data = b;

    l = ngx_s3jobs_listing_create(&ngx_s3jobs_list_jobs, &out);
    if (l == NULL) {
        bench_die("no memory");
    }

    rc = NGX_OK;

    for (i = 0; i < b->len && rc == NGX_OK; i += n) {
        n = ngx_min(b->len - i, BENCH_FEED);
        rc = ngx_s3jobs_listing_feed(l, b->doc + i, n);
    }

    if (rc != NGX_OK || ngx_s3jobs_listing_finish(l) != NGX_OK) {
        bench_die(ngx_s3jobs_listing_error(l));
    }

    (void) bench_more(&out);

    ngx_s3jobs_listing_destroy(l);
}


static void
bench_on_start(void *data, const xmlChar *name, const xmlChar *prefix,
    const xmlChar *uri, int nspaces, const xmlChar **spaces, int nattrs,
    int ndefaults, const xmlChar **attrs)
{
}


static void
bench_on_end(void *data, const xmlChar *name, const xmlChar *prefix,
    const xmlChar *uri)
{
}


static void
bench_on_text(void *data, const xmlChar *text, int len)
{
}


static void
bench_libxml2(bench_t *b)
{
    size_t            n, i;
    xmlSAXHandler     h;
    xmlParserCtxtPtr  ctxt;

    ngx_memzero(&h, sizeof(xmlSAXHandler));

    h.initialized = XML_SAX2_MAGIC;
    h.startElementNs = bench_on_start;
    h.endElementNs = bench_on_end;
    h.characters = bench_on_text;
    h.ignorableWhitespace = bench_on_text;
    h.cdataBlock = bench_on_text;

    ctxt = xmlCreatePushParserCtxt(&h, NULL, NULL, 0, NULL);
    if (ctxt == NULL) {
        bench_die("no memory");
    }

    for (i = 0; i < b->len; i += n) {
        n = ngx_min(b->len - i, BENCH_FEED);

        if (xmlParseChunk(ctxt, (char *) b->doc + i, (int) n, 0) != 0) {
            bench_die("libxml2 found the document broken");
        }
    }

    if (xmlParseChunk(ctxt, NULL, 0, 1) != 0) {
        bench_die("libxml2 found the document broken");
    }

    xmlFreeParserCtxt(ctxt);
}


static double
bench_now(void)
{
    struct timespec  ts;

    (void) clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);

    return ts.tv_sec * 1e9 + ts.tv_nsec;
}


void
bench_measured(bench_t *b, ngx_uint_t n)
{
    while (n--) {
        b->run(b);
    }
}


static void
bench_read(bench_t *b, const char *file)
{
    long   len;
    FILE  *f;

    f = fopen(file, "rb");

    if (f == NULL || fseek(f, 0, SEEK_END) != 0 || (len = ftell(f)) < 0) {
        perror(file);
        exit(1);
    }

    rewind(f);

    b->file = strrchr(file, '/') ? strrchr(file, '/') + 1 : file;
    b->len = len;
    b->doc = malloc(len + 1);

    if (b->doc == NULL || fread(b->doc, 1, len, f) != b->len) {
        bench_die("cannot read the document");
    }

    fclose(f);
}


static bench_t
bench_find(const char *name, const char *file)
{
    bench_t     b;
    ngx_uint_t  i;

    for (i = 0; bench_all[i].name; i++) {
        if (strcmp(bench_all[i].name, name) == 0) {
            break;
        }
    }

    if (bench_all[i].name == NULL) {
        bench_die("no such name");
    }

    b = bench_all[i];

    if (file) {
        bench_read(&b, file);

    } else if (b.run == bench_convert || b.run == bench_libxml2) {
        bench_die("a document is needed");
    }

    return b;
}


/* how often one measurement repeats it; warms up, too */

static void
bench_calibrate(bench_t *b)
{
    double  start, span;

    for (b->repeat = 1; /* void */ ; b->repeat *= 2) {
        start = bench_now();
        bench_measured(b, b->repeat);
        span = bench_now() - start;

        if (span > BENCH_SPAN / 2) {
            return;
        }
    }
}


static void
bench_time(ngx_uint_t rounds, char **files, ngx_uint_t nfiles)
{
    double      start;
    bench_t     all[3 + 2 * BENCH_DOCUMENTS];
    ngx_uint_t  i, n;

    if (nfiles > BENCH_DOCUMENTS) {
        bench_die("too many documents");
    }

    all[0] = bench_find("sign", NULL);
    all[1] = bench_find("sign_token", NULL);
    all[2] = bench_find("sha256", NULL);
    n = 3;

    for (i = 0; i < nfiles; i++) {
        all[n++] = bench_find("convert", files[i]);
        all[n++] = bench_find("libxml2", files[i]);
    }

    for (i = 0; i < n; i++) {
        bench_calibrate(&all[i]);

        printf("%s%s%s", i ? "\t" : "", all[i].file
                   ? (all[i].run == bench_convert ? "ours:" : "libxml2:") : "",
               all[i].file ? all[i].file : all[i].name);
    }

    printf("\n");

    while (rounds--) {
        for (i = 0; i < n; i++) {
            start = bench_now();
            bench_measured(&all[i], all[i].repeat);

            printf("%s%.2f", i ? "\t" : "",
                   (bench_now() - start) / all[i].repeat);
        }

        printf("\n");
        fflush(stdout);
    }
}


int
main(int argc, char **argv)
{
    bench_t    b;
    ngx_str_t  date;

    ngx_s3jobs_sax_init();

    ngx_memset(bench_token, 'T', sizeof(bench_token));

    date = bench_request.date;

    if (ngx_s3jobs_sigv4_init() != NGX_OK
        || ngx_s3jobs_sigv4_key(bench_key, &bench_secret, &date,
                                &bench_request.region, &bench_request.service)
           != NGX_OK)
    {
        bench_die("no SHA-256");
    }

    if (argc >= 4 && strcmp(argv[1], "time") == 0) {
        bench_time(strtoul(argv[2], NULL, 10), &argv[3], argc - 3);
        return 0;
    }

    if (argc >= 4 && strcmp(argv[1], "count") == 0) {
        b = bench_find(argv[2], argv[4]);

        /* once before, for what is made once per process */

        b.run(&b);
        bench_measured(&b, strtoul(argv[3], NULL, 10));
        return 0;
    }

    if (argc >= 3 && strcmp(argv[1], "print") == 0) {
        b = bench_find(argv[2], argv[3]);
        b.print = stdout;
        b.run(&b);
        return 0;
    }

    bench_die("time ROUNDS DOCUMENT ..., count NAME REPEAT [DOCUMENT],"
              " or print NAME [DOCUMENT]");

    return 1;
}
