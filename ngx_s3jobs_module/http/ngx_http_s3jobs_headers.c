
/*
 * Copyright (C) the ngx_s3jobs_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_s3jobs_module.h"
#include "ngx_http_s3jobs_headers.h"
#include "ngx_s3jobs_accept.h"
#include "ngx_s3jobs_text.h"


static ngx_table_elt_t *ngx_http_s3jobs_next_header(ngx_list_part_t **part,
    ngx_uint_t *i, const char *name);
static ngx_uint_t ngx_http_s3jobs_is_id(ngx_table_elt_t *h);
static ngx_uint_t ngx_http_s3jobs_header_in(ngx_table_elt_t *h,
    const ngx_str_t *names);


static const ngx_str_t  ngx_http_s3jobs_ids[] = {
    ngx_string("x-amz-request-id"),
    ngx_string("x-amz-id-2"),
    ngx_null_string
};


static const ngx_str_t  ngx_http_s3jobs_metadata[] = {
    ngx_string("content-digest"),
    ngx_string("content-disposition"),
    ngx_string("content-language"),
    ngx_string("content-location"),
    ngx_string("content-md5"),
    ngx_string("content-range"),
    ngx_string("digest"),
    ngx_string("repr-digest"),
    ngx_string("signature"),
    ngx_string("signature-input"),
    ngx_string("x-amz-checksum-"),
    ngx_null_string
};


ngx_str_t *
ngx_http_s3jobs_find_header(ngx_http_request_t *r, const char *name)
{
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    i = 0;
    part = &r->upstream->headers_in.headers.part;

    h = ngx_http_s3jobs_next_header(&part, &i, name);

    return h ? &h->value : NULL;
}


void
ngx_http_s3jobs_upstream_ids(ngx_http_request_t *r,
    ngx_http_s3jobs_ctx_t *ctx)
{
    ngx_str_t        *id;
    ngx_uint_t        i, visible, hidden;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    i = 0;
    id = NULL;
    hidden = 0;
    part = &r->upstream->headers_in.headers.part;

    while ((h = ngx_http_s3jobs_next_header(&part, &i, NULL)) != NULL) {

        if (!ngx_http_s3jobs_is_id(h)) {
            continue;
        }

        visible = ngx_s3jobs_text_visible(&h->value);
        hidden |= !visible;

        if (id == NULL && h->key.len == ngx_http_s3jobs_ids[0].len) {
            id = &h->value;

            if (visible && id->len <= NGX_S3JOBS_REQUEST_ID_MAX) {
                ctx->request_id = *id;
            }
        }
    }

    if (!hidden) {
        return;
    }

    i = 0;
    part = &r->headers_out.headers.part;

    while ((h = ngx_http_s3jobs_next_header(&part, &i, NULL)) != NULL) {
        if (ngx_http_s3jobs_header_in(h, ngx_http_s3jobs_ids)
            && !ngx_s3jobs_text_visible(&h->value))
        {
            h->hash = 0;
        }
    }
}


/* nginx has the names of S3's headers in lower case, too */

static ngx_uint_t
ngx_http_s3jobs_is_id(ngx_table_elt_t *h)
{
    const ngx_str_t  *name;

    for (name = ngx_http_s3jobs_ids; name->len; name++) {
        if (h->key.len == name->len
            && ngx_memcmp(h->lowcase_key, name->data, name->len) == 0)
        {
            return 1;
        }
    }

    return 0;
}


void
ngx_http_s3jobs_drop_all_headers(ngx_http_request_t *r)
{
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    i = 0;
    part = &r->headers_out.headers.part;

    while ((h = ngx_http_s3jobs_next_header(&part, &i, NULL)) != NULL) {
        h->hash = 0;
    }
}


void
ngx_http_s3jobs_drop_headers(ngx_http_request_t *r)
{
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    i = 0;
    part = &r->headers_out.headers.part;

    while ((h = ngx_http_s3jobs_next_header(&part, &i, NULL)) != NULL) {

        if (!ngx_http_s3jobs_header_in(h, ngx_http_s3jobs_ids)) {
            h->hash = 0;
        }
    }

    r->headers_out.location = NULL;
}


void
ngx_http_s3jobs_clear_headers(ngx_http_request_t *r)
{
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    i = 0;
    part = &r->headers_out.headers.part;

    while ((h = ngx_http_s3jobs_next_header(&part, &i, NULL)) != NULL) {
        if (ngx_http_s3jobs_header_in(h, ngx_http_s3jobs_metadata)) {
            h->hash = 0;
        }
    }

    ngx_http_clear_content_length(r);
    ngx_http_clear_accept_ranges(r);
    ngx_http_clear_last_modified(r);
    ngx_http_clear_etag(r);

    if (r->headers_out.content_encoding) {
        r->headers_out.content_encoding->hash = 0;
        r->headers_out.content_encoding = NULL;
    }

    r->headers_out.content_type_lowcase = NULL;
    ngx_str_null(&r->headers_out.charset);
}


ngx_int_t
ngx_http_s3jobs_add_header(ngx_http_request_t *r, const char *name,
    ngx_str_t *value)
{
    ngx_table_elt_t  *h;

    h = ngx_list_push(&r->headers_out.headers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    /* since 1.23.0 an element has a link to the next one of its name */

    ngx_memzero(h, sizeof(ngx_table_elt_t));

    h->hash = 1;
    h->key.data = (u_char *) name;
    h->key.len = ngx_strlen(name);
    h->value = *value;

    return NGX_OK;
}


ngx_int_t
ngx_http_s3jobs_add_vary(ngx_http_request_t *r)
{
    ngx_http_s3jobs_loc_conf_t  *slcf;

    static ngx_str_t  accept = ngx_string("Accept");

    slcf = ngx_http_get_module_loc_conf(r, ngx_http_s3jobs_module);

    if (slcf->json != NGX_HTTP_S3JOBS_JSON_ACCEPT) {
        return NGX_OK;
    }

    return ngx_http_s3jobs_add_header(r, "Vary", &accept);
}


ngx_uint_t
ngx_http_s3jobs_json(ngx_http_request_t *r)
{
    ngx_uint_t                   i;
    ngx_list_part_t             *part;
    ngx_table_elt_t             *h;
    ngx_s3jobs_accept_t          accept;
    ngx_http_s3jobs_loc_conf_t  *slcf;

    slcf = ngx_http_get_module_loc_conf(r, ngx_http_s3jobs_module);

    if (slcf->merge == NULL && slcf->json != NGX_HTTP_S3JOBS_JSON_ACCEPT) {
        return slcf->json == NGX_HTTP_S3JOBS_JSON_ON;
    }

    /* r->headers_in.accept may be only one of several lines */

    ngx_memzero(&accept, sizeof(ngx_s3jobs_accept_t));

    i = 0;
    part = &r->headers_in.headers.part;

    while ((h = ngx_http_s3jobs_next_header(&part, &i, "accept")) != NULL) {
        ngx_s3jobs_accept_parse(&accept, &h->value);
    }

    if (slcf->merge) {

        /* there is no XML, so it must be all that the client takes */

        return accept.json_weight > 0 || accept.xml_weight == 0;
    }

    return ngx_s3jobs_accept_json(&accept);
}


/* goes on with a list; the name is in lower case, NULL: any */

static ngx_table_elt_t *
ngx_http_s3jobs_next_header(ngx_list_part_t **part, ngx_uint_t *i,
    const char *name)
{
    ngx_table_elt_t  *h;

    for ( ;; ) {

        if (*i >= (*part)->nelts) {
            if ((*part)->next == NULL) {
                return NULL;
            }

            *part = (*part)->next;
            *i = 0;
            continue;
        }

        h = (ngx_table_elt_t *) (*part)->elts + (*i)++;

        if (name == NULL || ngx_http_s3jobs_header_is(h, name)) {
            return h;
        }
    }
}


/* a name of the table that ends with "-" stands for all that begin so */

static ngx_uint_t
ngx_http_s3jobs_header_in(ngx_table_elt_t *h, const ngx_str_t *names)
{
    u_char  c;

    if (h->key.len == 0) {
        return 0;
    }

    c = ngx_tolower(h->key.data[0]);

    for ( /* void */ ; names->len; names++) {

        if (names->data[0] == c
            && (h->key.len == names->len
                || (h->key.len > names->len
                    && names->data[names->len - 1] == '-'))
            && ngx_strncasecmp(h->key.data, names->data, names->len) == 0)
        {
            return 1;
        }
    }

    return 0;
}


ngx_uint_t
ngx_http_s3jobs_header_is(ngx_table_elt_t *h, const char *name)
{
    return h->key.len != 0
           && ngx_tolower(h->key.data[0]) == *name
           && h->key.len == ngx_strlen(name)
           && ngx_strcasecmp(h->key.data, (u_char *) name) == 0;
}
