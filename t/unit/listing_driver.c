
/*
 * Copyright (C) the ngx_s3jobs_module authors
 */


/*
 * Converts documents for t/test_listing_botocore.py.  Reads requests from
 * standard input, each a line "MODE N LENGTH\n" and a document of LENGTH
 * bytes, and answers each with a line "RC LENGTH MEMORY\n" and LENGTH bytes.
 *
 * MODE says how the document is fed: "whole"; "step", N bytes at a time;
 * "split", in two pieces, the first of N bytes; "all", at every split in two
 * and one byte at a time, all of which must give the same answer as the
 * whole; "random", in pieces whose sizes come from the seed N; "repeat",
 * whole, where the document is HEAD \0 MIDDLE \0 TAIL with MIDDLE repeated N
 * times and never in memory at once; "error", status N, to the error reader.
 *
 * RC is that of ngx_s3jobs_listing_finish(), or of feed if that fails: 0,
 * -5 for a broken document (the answer is then what had been written, a NUL
 * and the reason), or 1 if two ways to feed differed.  MEMORY is how much
 * more of the heap was in use than before, in bytes, at its peak.
 *
 * The documents are those of ListJobs; with an argument "job", DescribeJob.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <stdio.h>
#include "ngx_s3jobs_error.h"
#include "ngx_s3jobs_listing.h"
#include "ngx_s3jobs_sax.h"


/* of ASan, with which it is always built */
size_t __sanitizer_get_current_allocated_bytes(void);


typedef struct {
    u_char       *data;
    size_t        len;
    size_t        size;
    ngx_uint_t    drop;
} driver_buf_t;


typedef struct {
    ngx_s3jobs_listing_t  *listing;
    ngx_s3jobs_out_t       out;
    driver_buf_t           buf;
    u_char                 small[61];
    size_t                 base;
    size_t                 peak;
    ngx_int_t              rc;
} driver_run_t;


static const ngx_s3jobs_document_t  *driver_document = &ngx_s3jobs_list_jobs;


static void
driver_append(driver_buf_t *b, const void *p, size_t len)
{
    if (b->drop || len == 0) {
        return;
    }

    if (b->len + len > b->size) {
        b->size = 2 * (b->len + len);
        b->data = realloc(b->data, b->size);
        if (b->data == NULL) {
            abort();
        }
    }

    memcpy(b->data + b->len, p, len);
    b->len += len;
}


static ngx_int_t
driver_more(ngx_s3jobs_out_t *out)
{
    driver_run_t *run = out->data;

    driver_append(&run->buf, run->small, out->pos - run->small);

    out->pos = run->small;
    out->end = run->small + sizeof(run->small);

    return NGX_OK;
}


static void
driver_begin(driver_run_t *run, ngx_uint_t drop)
{
    memset(run, 0, sizeof(driver_run_t));

    run->buf.drop = drop;
    run->out.pos = run->small;
    run->out.end = run->small + sizeof(run->small);
    run->out.more = driver_more;
    run->out.data = run;

    run->base = __sanitizer_get_current_allocated_bytes();
    run->listing = ngx_s3jobs_listing_create(driver_document, &run->out);
    if (run->listing == NULL) {
        abort();
    }
}


static void
driver_feed(driver_run_t *run, const u_char *p, size_t len)
{
    size_t  heap;

    if (run->rc == NGX_OK) {
        run->rc = ngx_s3jobs_listing_feed(run->listing, p, len);
    }

    if (run->buf.drop) {
        heap = __sanitizer_get_current_allocated_bytes();
        run->peak = ngx_max(run->peak, heap - run->base);
    }
}


static void
driver_end(driver_run_t *run)
{
    const char  *error;

    if (run->rc == NGX_OK) {
        run->rc = ngx_s3jobs_listing_finish(run->listing);
    }

    driver_more(&run->out);

    if (run->rc != NGX_OK) {
        error = ngx_s3jobs_listing_error(run->listing);
        driver_append(&run->buf, "", 1);
        driver_append(&run->buf, error, strlen(error));
    }

    ngx_s3jobs_listing_destroy(run->listing);
}


static void
driver_answer(ngx_int_t rc, const void *p, size_t len, size_t memory)
{
    printf("%d %zu %zu\n", (int) rc, len, memory);
    fwrite(p, 1, len, stdout);
    fflush(stdout);
}


static void
driver_pieces(driver_run_t *run, const u_char *doc, size_t len, size_t first,
    size_t step, unsigned seed)
{
    u_char  *piece;
    size_t   n;

    driver_begin(run, 0);

    for (n = first; len; len -= n, doc += n, n = step) {

        if (seed) {
            seed = seed * 1103515245 + 12345;
            n = (seed >> 16) % 61;
        }

        n = ngx_min(n, len);

        /* a block of its own, so that a read past its end is found */

        piece = malloc(n);
        memcpy(piece, doc, n);
        driver_feed(run, piece, n);
        free(piece);
    }

    driver_end(run);
}


static int
driver_same(driver_run_t *whole, const u_char *doc, size_t len, size_t first,
    size_t step)
{
    int           same;
    driver_run_t  run;

    driver_pieces(&run, doc, len, first, step, 0);

    same = run.rc == whole->rc
           && run.buf.len == whole->buf.len
           && memcmp(run.buf.data, whole->buf.data, run.buf.len) == 0;

    free(run.buf.data);

    return same;
}


static void
driver_all(const u_char *doc, size_t len)
{
    size_t        i;
    driver_run_t  whole;

    driver_pieces(&whole, doc, len, len, len, 0);

    if (!driver_same(&whole, doc, len, 1, 1)) {
        whole.rc = 1;
    }

    for (i = 0; i < len && whole.rc != 1; i++) {
        if (!driver_same(&whole, doc, len, i, len)) {
            whole.rc = 1;
        }
    }

    driver_answer(whole.rc, whole.buf.data, whole.buf.len, 0);
    free(whole.buf.data);
}


static void
driver_repeat(const u_char *doc, size_t n)
{
    size_t         i;
    driver_run_t   run;
    const u_char  *middle, *tail;

    middle = doc + strlen((char *) doc) + 1;
    tail = middle + strlen((char *) middle) + 1;

    driver_begin(&run, 1);
    driver_feed(&run, doc, strlen((char *) doc));

    for (i = 0; i < n && run.rc == NGX_OK; i++) {
        driver_feed(&run, middle, strlen((char *) middle));
    }

    driver_feed(&run, tail, strlen((char *) tail));
    run.buf.drop = 0;
    driver_end(&run);

    driver_answer(run.rc, run.buf.data, run.buf.len, run.peak);
    free(run.buf.data);
}


static void
driver_error(const u_char *doc, size_t len, ngx_uint_t status)
{
    u_char                     *p, *buf;
    ngx_keyval_t                said;
    ngx_s3jobs_error_t          e;
    ngx_s3jobs_error_reader_t  *er;

    er = ngx_s3jobs_error_reader_create();
    if (er == NULL) {
        abort();
    }

    ngx_s3jobs_error_reader_feed(er, doc, len);
    ngx_s3jobs_error_classify(er, status, &e, &said);

    buf = malloc(2 * ngx_s3jobs_error_size(&e) + 1);

    p = ngx_s3jobs_error_json(buf, &e);
    *p++ = '\0';
    p = ngx_s3jobs_error_xml(p, &e);

    driver_answer(0, buf, p - buf, 0);

    free(buf);
    ngx_s3jobs_error_reader_destroy(er);
}


int
main(int argc, char **argv)
{
    char           mode[16];
    u_char        *doc;
    size_t         len, n;
    driver_run_t   run;

    if (argc > 1 && strcmp(argv[1], "job") == 0) {
        driver_document = &ngx_s3jobs_describe_job;
    }

    ngx_s3jobs_sax_init();

    while (scanf("%15s %zu %zu", mode, &n, &len) == 3) {

        doc = calloc(1, len + 1);

        if (doc == NULL || getchar() != '\n'
            || fread(doc, 1, len, stdin) != len)
        {
            return 1;
        }

        if (strcmp(mode, "all") == 0) {
            driver_all(doc, len);

        } else if (strcmp(mode, "repeat") == 0) {
            driver_repeat(doc, n);

        } else if (strcmp(mode, "error") == 0) {
            driver_error(doc, len, n);

        } else {
            if (strcmp(mode, "split") == 0) {
                driver_pieces(&run, doc, len, n, len, 0);

            } else if (strcmp(mode, "step") == 0) {
                driver_pieces(&run, doc, len, n, n, 0);

            } else if (strcmp(mode, "random") == 0) {
                driver_pieces(&run, doc, len, 0, 0, (unsigned) n | 1);

            } else {
                driver_pieces(&run, doc, len, len, len, 0);
            }

            driver_answer(run.rc, run.buf.data, run.buf.len, 0);
            free(run.buf.data);
        }

        free(doc);
    }

    return 0;
}
