
/*
 * Copyright (C) the ngx_s3jobs_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_s3jobs_listing.h"
#include "ngx_s3jobs_sax.h"


/*
 * A listing with the short cut of ngx_s3jobs_plain.c and by libxml2 alone:
 * the verdict, the JSON and the number of jobs are the same.  Where a text
 * breaks off, it depends on where libxml2's own buffers begin how much of it
 * is handed out before, and which of two errors comes first: there one JSON
 * may go on further.  The first two bytes say how much white space comes
 * before the document, so that its bytes meet the ends of blocks.
 */


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);


#define ROOM  (1 << 20)


typedef struct {
    u_char       json[ROOM];
    size_t       len;
    ngx_int_t    rc;
    ngx_uint_t   jobs;
    char         reason[160];
} result_t;


static result_t  ours, alone;


static void
convert(result_t *r, ngx_uint_t plain, const u_char *p, size_t len)
{
    const char             *reason;
    ngx_s3jobs_out_t        out;
    ngx_s3jobs_listing_t   *l;
    ngx_s3jobs_document_t   document;

    document = ngx_s3jobs_list_jobs;
    document.plain = plain;

    memset(&out, 0, sizeof(out));
    out.pos = r->json;
    out.end = r->json + ROOM;

    l = ngx_s3jobs_listing_create(&document, &out);
    if (l == NULL) {
        abort();
    }

    r->rc = ngx_s3jobs_listing_feed(l, p, len);

    if (r->rc == NGX_OK) {
        r->rc = ngx_s3jobs_listing_finish(l);
    }

    reason = ngx_s3jobs_listing_error(l);

    r->len = out.pos - r->json;
    r->jobs = ngx_s3jobs_listing_jobs(l);
    snprintf(r->reason, sizeof(r->reason), "%s", reason ? reason : "");

    ngx_s3jobs_listing_destroy(l);
}


int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
    ngx_s3jobs_sax_init();
    return 0;
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t   blanks, len;
    u_char  *doc;

    if (size < 2) {
        return 0;
    }

    blanks = data[0] % 17 * 256 + data[1];
    blanks = (data[0] & 0x80) ? blanks : 0;

    doc = malloc(blanks + size);
    if (doc == NULL) {
        abort();
    }

    memset(doc, ' ', blanks);
    memcpy(doc + blanks, data + 2, size - 2);

    convert(&ours, 1, doc, blanks + size - 2);
    convert(&alone, 0, doc, blanks + size - 2);

    free(doc);

    len = ngx_min(ours.len, alone.len);

    if (ours.rc != alone.rc || ours.jobs != alone.jobs
        || (ours.rc == NGX_OK && ours.len != alone.len)
        || memcmp(ours.json, alone.json, len) != 0
        || (ours.reason[0] == '\0') != (alone.reason[0] == '\0'))
    {
        abort();
    }

    return 0;
}
