
/*
 * Copyright (C) the ngx_s3jobs_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <libxml/parser.h>
#include "ngx_s3jobs_text.h"


/*
 * The first two bytes say where the others are cut.  As a text for a log they
 * have no control character and are clean the second time; as a document
 * their root has the name that libxml2 finds, and what is said of the first
 * half holds for the whole.
 */


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


#define check(x)  if (!(x)) { __builtin_trap(); }


static void
check_clean(u_char *p, size_t len)
{
    size_t      i;
    ngx_str_t   s;
    ngx_uint_t  visible;

    s.data = p;
    s.len = len;
    visible = len > 0;

    for (i = 0; i < len; i++) {
        visible = visible && p[i] > 0x20 && p[i] < 0x7f;
    }

    check(ngx_s3jobs_text_visible(&s) == visible);

    ngx_s3jobs_text_clean(&s);
    check(s.len <= len);

    for (i = 0; i < s.len; i++) {
        check(s.data[i] >= 0x20 && s.data[i] != 0x7f);
    }

    len = s.len;
    ngx_s3jobs_text_clean(&s);
    check(s.len == len);
}


/* the local name, whether or not its prefix was declared */

static void
check_name(const u_char *p, size_t len, ngx_int_t rc, ngx_str_t *name)
{
    xmlDocPtr    doc;
    const char  *root, *colon;

    doc = xmlReadMemory((char *) p, len, NULL, "UTF-8",
                        XML_PARSE_NONET|XML_PARSE_NOERROR
                        |XML_PARSE_NOWARNING);
    if (doc == NULL) {
        return;
    }

    if (xmlGetIntSubset(doc) == NULL) {
        root = (char *) xmlDocGetRootElement(doc)->name;
        colon = strrchr(root, ':');
        root = colon ? colon + 1 : root;

        check(rc == (*root ? NGX_OK : NGX_DECLINED));
        check(rc != NGX_OK || (name->len == strlen(root)
                               && memcmp(name->data, root, name->len) == 0));
    }

    xmlFreeDoc(doc);
}


static void
check_root(const u_char *p, size_t len, size_t cut)
{
    u_char     *half;
    ngx_int_t   rc, first;
    ngx_str_t   name, early;

    rc = ngx_s3jobs_text_root(p, len, &name);

    check(rc == NGX_OK || rc == NGX_AGAIN || rc == NGX_DECLINED);

    half = malloc(cut);
    if (half == NULL) {
        abort();
    }

    memcpy(half, p, cut);
    first = ngx_s3jobs_text_root(half, cut, &early);

    check(first == NGX_AGAIN || first == rc);
    check(first != NGX_OK || (early.len == name.len && memcmp(early.data,
                                              name.data, name.len) == 0));
    free(half);

    check_name(p, len, rc, &name);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t   len;
    u_char  *copy;

    if (size < 2) {
        return 0;
    }

    len = size - 2;

    copy = malloc(len);
    if (copy == NULL) {
        abort();
    }

    memcpy(copy, data + 2, len);

    check_root(copy, len, (data[0] * 256 + data[1]) % (len + 1));
    check_clean(copy, len);

    free(copy);

    return 0;
}
