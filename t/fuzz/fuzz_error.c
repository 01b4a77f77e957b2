
/*
 * Copyright (C) the ngx_s3jobs_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <jansson.h>
#include <libxml/parser.h>
#include "ngx_s3jobs_error.h"
#include "ngx_s3jobs_sax.h"


/*
 * The first byte gives a status, the second one the size of the pieces, the
 * others are a document.  Whatever it is, what the client gets is JSON and
 * XML; and so it is if those bytes were S3's message themselves.
 */


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);


static void
is_string(json_t *json, const char *name)
{
    if (!json_is_string(json_object_get(json, name))) {
        abort();
    }
}


static void
render(ngx_s3jobs_error_t *e)
{
    size_t         len;
    u_char        *p;
    json_t        *json;
    xmlDocPtr      doc;
    json_error_t   error;

    p = malloc(ngx_s3jobs_error_size(e));
    if (p == NULL) {
        abort();
    }

    len = ngx_s3jobs_error_json(p, e) - p;

    json = json_loadb((char *) p, len,
                      JSON_REJECT_DUPLICATES|JSON_ALLOW_NUL, &error);
    if (json == NULL) {
        abort();
    }

    is_string(json, "code");
    is_string(json, "detail");
    is_string(json, "title");

    json_decref(json);
    len = ngx_s3jobs_error_xml(p, e) - p;

    doc = xmlReadMemory((char *) p, (int) len, NULL, NULL, XML_PARSE_NONET);
    if (doc == NULL) {
        abort();
    }

    xmlFreeDoc(doc);
    free(p);
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
    size_t                      n, left;
    ngx_uint_t                  status;
    ngx_keyval_t                said;
    ngx_s3jobs_error_t          e;
    const uint8_t              *p;
    ngx_s3jobs_error_reader_t  *er;

    if (size < 2) {
        return 0;
    }

    er = ngx_s3jobs_error_reader_create();
    if (er == NULL) {
        abort();
    }

    status = 300 + data[0];
    n = 1 + data[1];

    for (p = data + 2, left = size - 2; left; p += n, left -= n) {
        n = ngx_min(n, left);
        ngx_s3jobs_error_reader_feed(er, p, n);
    }

    ngx_s3jobs_error_classify(er, status, &e, &said);

    if ((e.status != 400 && e.status != 403 && e.status != 502
         && e.status != 503)
        || e.code.len == 0 || e.code.len > NGX_S3JOBS_CODE_MAX
        || e.message.len == 0 || e.message.len > NGX_S3JOBS_MESSAGE_MAX
        || e.request_id.len > NGX_S3JOBS_REQUEST_ID_MAX)
    {
        abort();
    }

    render(&e);

    ngx_s3jobs_error_reader_destroy(er);

    /* what is no document at all */

    e.message.data = (u_char *) data;
    e.message.len = size;

    e.code.data = (u_char *) data + size / 2;
    e.code.len = size - size / 2;

    ngx_str_null(&e.request_id);

    render(&e);

    return 0;
}
