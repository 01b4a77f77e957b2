
/*
 * Copyright (C) the ngx_s3jobs_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <jansson.h>
#include "ngx_s3jobs_listing.h"
#include "ngx_s3jobs_sax.h"


/*
 * The first byte says how large the pieces are and, by its highest bit, what
 * is read: ListJobs or DescribeJob; the others are a document.  What is
 * written is JSON if the document is good, and else is none; it does not
 * depend on the pieces, nor on whether a listing is put together from a part.
 */


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);


typedef struct {
    u_char     *data;
    size_t      len;
    size_t      size;
    u_char      piece[128];
    size_t      room;
    ngx_int_t   rc;
} sink_t;


static ngx_int_t
more(ngx_s3jobs_out_t *out)
{
    sink_t *sink = out->data;

    size_t  n;

    n = out->pos - sink->piece;

    if (sink->len + n > sink->size) {
        sink->size = 2 * (sink->len + n);
        sink->data = realloc(sink->data, sink->size);

        if (sink->data == NULL) {
            abort();
        }
    }

    if (n) {
        memcpy(sink->data + sink->len, sink->piece, n);
        sink->len += n;
    }

    out->pos = sink->piece;
    out->end = sink->piece + sink->room;

    return NGX_OK;
}


static void
convert(sink_t *sink, const ngx_s3jobs_document_t *document,
    const uint8_t *data, size_t size, size_t step)
{
    size_t                 n;
    u_char                *piece;
    ngx_s3jobs_out_t       out;
    ngx_s3jobs_listing_t  *l;

    memset(sink, 0, sizeof(sink_t));
    sink->room = ngx_min(step, sizeof(sink->piece));

    out.pos = sink->piece;
    out.end = sink->piece;
    out.more = more;
    out.data = sink;

    l = ngx_s3jobs_listing_create(document, &out);
    if (l == NULL) {
        abort();
    }

    while (size && sink->rc == NGX_OK) {
        n = ngx_min(size, step);

        piece = malloc(n);
        if (piece == NULL) {
            abort();
        }

        memcpy(piece, data, n);
        sink->rc = ngx_s3jobs_listing_feed(l, piece, n);
        free(piece);

        data += n;
        size -= n;
    }

    if (sink->rc == NGX_OK) {
        sink->rc = ngx_s3jobs_listing_finish(l);
    }

    if (sink->rc == NGX_ERROR
        || (sink->rc == NGX_OK) != (ngx_s3jobs_listing_error(l) == NULL))
    {
        abort();
    }

    more(&out);

    ngx_s3jobs_listing_destroy(l);
}


/* as whole listings are: of one page, whose token is not followed */

static void
put_together(sink_t *sink, const uint8_t *data, size_t size)
{
    ngx_str_t              text;
    ngx_s3jobs_out_t       out;
    ngx_s3jobs_listing_t  *l;

    memset(sink, 0, sizeof(sink_t));
    sink->room = sizeof(sink->piece);

    out.pos = sink->piece;
    out.end = sink->piece;
    out.more = more;
    out.data = sink;

    l = ngx_s3jobs_listing_create(&ngx_s3jobs_list_jobs, &out);
    if (l == NULL) {
        abort();
    }

    text.len = 0;
    ngx_s3jobs_listing_part(l, &text);

    ngx_s3jobs_out_write(&out, "{\"Jobs\":[", 9);

    sink->rc = ngx_s3jobs_listing_feed(l, data, size);

    if (sink->rc == NGX_OK) {
        sink->rc = ngx_s3jobs_listing_complete(l);
    }

    ngx_s3jobs_out_write(&out, "]", 1);

    text = ngx_s3jobs_listing_rest(l);
    ngx_s3jobs_out_write(&out, text.data, text.len);

    text = ngx_s3jobs_listing_token(l);

    if (text.data) {
        ngx_s3jobs_out_write(&out, ",\"NextToken\":\"", 14);
        ngx_s3jobs_json_escape(&out, text.data, text.len);
        ngx_s3jobs_out_write(&out, "\"", 1);
    }

    ngx_s3jobs_out_write(&out, "}", 1);
    more(&out);

    ngx_s3jobs_listing_destroy(l);
}


static int
is_json(sink_t *sink, const ngx_s3jobs_document_t *document)
{
    json_t        *json;
    json_error_t   error;

    json = json_loadb((char *) sink->data, sink->len,
                      JSON_REJECT_DUPLICATES|JSON_DECODE_INT_AS_REAL
                      |JSON_ALLOW_NUL, &error);

    if (json == NULL) {
        return json_error_code(&error) == json_error_numeric_overflow;
    }

    if (document == &ngx_s3jobs_list_jobs
        ? !json_is_array(json_object_get(json, "Jobs"))
        : !json_is_object(json_object_get(json, "Job")))
    {
        abort();
    }

    json_decref(json);

    return 1;
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
    sink_t                        whole, pieces;
    const ngx_s3jobs_document_t  *document;

    if (size == 0) {
        return 0;
    }

    document = (data[0] & 0x80) ? &ngx_s3jobs_describe_job
                                : &ngx_s3jobs_list_jobs;

    convert(&whole, document, data + 1, size - 1, size);
    convert(&pieces, document, data + 1, size - 1, 1 + data[0] % 64);

    if (whole.rc != pieces.rc
        || whole.len != pieces.len
        || (whole.len && memcmp(whole.data, pieces.data, whole.len) != 0))
    {
        abort();
    }

    if (whole.rc == NGX_OK ? !is_json(&whole, document)
                           : whole.len && is_json(&whole, document))
    {
        abort();
    }

    free(pieces.data);

    if (document == &ngx_s3jobs_list_jobs) {
        put_together(&pieces, data + 1, size - 1);

        if (whole.rc != pieces.rc
            || (whole.rc == NGX_OK
                && (whole.len != pieces.len
                    || memcmp(whole.data, pieces.data, whole.len) != 0)))
        {
            abort();
        }

        free(pieces.data);
    }

    free(whole.data);

    return 0;
}
