
/*
 * Copyright (C) the ngx_s3jobs_module authors
 */


/*
 * The first byte chooses the format.  Credentials that are taken are ones
 * that can be used, and a refusal can be printed.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_s3jobs_credentials_doc.h"
#include "ngx_s3jobs_sax.h"


int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
    ngx_s3jobs_sax_init();

    return 0;
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t                         i;
    ngx_int_t                      rc;
    ngx_str_t                      text;
    ngx_uint_t                     required;
    ngx_s3jobs_credentials_doc_t   doc;

    if (size == 0) {
        return 0;
    }

    text.len = size - 1;
    text.data = (u_char *) data + 1;

    (void) ngx_s3jobs_parse_time(&text);

    required = (data[0] & 2) ? NGX_S3JOBS_DOC_TEMPORARY : 0;

    rc = (data[0] & 1) ? ngx_s3jobs_credentials_json(&text, required, &doc)
                       : ngx_s3jobs_credentials_xml(&text, required, &doc);

    switch (rc) {

    case NGX_OK:
        if (ngx_s3jobs_credentials_check(&doc.credentials)
            || (required && (doc.credentials.expires == 0
                             || doc.credentials.session_token.len == 0)))
        {
            abort();
        }

        break;

    case NGX_DECLINED:
        if (doc.code.len == 0) {
            abort();
        }

        for (i = 0; i < doc.message.len; i++) {
            if (doc.message.data[i] < 0x20 || doc.message.data[i] > 0x7e) {
                abort();
            }
        }

        break;

    default:
        if (doc.error == NULL) {
            abort();
        }
    }

    return 0;
}
