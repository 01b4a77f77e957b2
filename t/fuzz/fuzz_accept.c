
/*
 * Copyright (C) the ngx_s3jobs_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_s3jobs_accept.h"


/*
 * The input as an Accept header, which must give weights; and as what stands
 * in a quoted string of one, which must make no difference.
 */


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static void
parse(ngx_s3jobs_accept_t *a, const u_char *p, size_t len)
{
    ngx_str_t  value;

    value.len = len;
    value.data = malloc(len);

    if (value.data == NULL) {
        abort();
    }

    memcpy(value.data, p, len);
    ngx_s3jobs_accept_parse(a, &value);

    free(value.data);
}


static void
check_quoted(const uint8_t *data, size_t size)
{
    size_t               i;
    u_char              *buf, *p;
    ngx_s3jobs_accept_t  a;

    static const char  head[] = "text/xml;q=0.25, application/json;v=\"";
    static const char  tail[] = "\" ;q=0.5, */*;q=0.75";

    buf = malloc(sizeof(head) + 2 * size + sizeof(tail));
    if (buf == NULL) {
        abort();
    }

    p = ngx_cpymem(buf, head, sizeof(head) - 1);

    for (i = 0; i < size; i++) {
        if (data[i] == '"' || data[i] == '\\') {
            *p++ = '\\';
        }

        *p++ = data[i];
    }

    p = ngx_cpymem(p, tail, sizeof(tail) - 1);

    memset(&a, 0, sizeof(a));
    parse(&a, buf, p - buf);

    if (a.json_weight != 500 || a.json_match != 3
        || a.xml_weight != 250 || a.xml_match != 3)
    {
        abort();
    }

    free(buf);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ngx_s3jobs_accept_t  a;

    memset(&a, 0, sizeof(a));
    parse(&a, data, size);

    if (a.json_weight > 1000 || a.xml_weight > 1000
        || a.json_match > 3 || a.xml_match > 3
        || (a.json_weight && a.json_match == 0)
        || (a.xml_weight && a.xml_match == 0)
        || ngx_s3jobs_accept_json(&a) > (a.json_weight > 0))
    {
        abort();
    }

    check_quoted(data, size);

    return 0;
}
