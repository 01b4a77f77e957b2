
/*
 * Copyright (C) the ngx_s3jobs_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_s3jobs_module.h"
#include "ngx_http_s3jobs_filter.h"
#include "ngx_http_s3jobs_refresh.h"
#include "ngx_s3jobs_accept.h"


#define NGX_HTTP_S3JOBS_RETRY_AFTER_MAX  3600


static ngx_table_elt_t *ngx_http_s3jobs_next_header(ngx_list_part_t **part,
    ngx_uint_t *i, const char *name);
static ngx_uint_t ngx_http_s3jobs_header_is(ngx_table_elt_t *h,
    const char *name);
static ngx_str_t *ngx_http_s3jobs_find_header(ngx_http_request_t *r,
    const char *name);
static ngx_int_t ngx_http_s3jobs_add_header(ngx_http_request_t *r,
    const char *name, ngx_str_t *value);
static ngx_int_t ngx_http_s3jobs_set_error_headers(ngx_http_request_t *r,
    ngx_http_s3jobs_ctx_t *ctx);


static ngx_int_t  ngx_http_s3jobs_request_id_index;


void
ngx_http_s3jobs_own_error(ngx_http_request_t *r, ngx_http_s3jobs_ctx_t *ctx,
    ngx_uint_t status)
{
    if (ctx->error.status == status) {
        return;
    }

    ctx->error.status = status;
    ctx->error.code = *ngx_s3jobs_error_code(status);
    ctx->error.message = *ngx_s3jobs_error_title(status);

    ngx_str_null(&ctx->retry_after);
}


void
ngx_http_s3jobs_s3_error(ngx_http_request_t *r, ngx_http_s3jobs_ctx_t *ctx,
    ngx_s3jobs_error_reader_t *er)
{
    ngx_int_t      n;
    ngx_str_t     *value;
    ngx_uint_t     level, status;
    ngx_keyval_t   said;

    status = r->upstream->headers_in.status_n;

    ngx_http_s3jobs_drop_headers(r);

    ngx_s3jobs_error_classify(er, status, &ctx->error, &said);

    if (ctx->request_id.len == 0) {
        ctx->request_id = ctx->error.request_id;
    }

    if (ctx->error.refresh) {
        ngx_http_s3jobs_refresh_now(ctx->source, &ctx->key_id);
    }

    if (ctx->error.status == NGX_HTTP_SERVICE_UNAVAILABLE) {
        value = ngx_http_s3jobs_find_header(r, "retry-after");

        n = value ? ngx_atoi(value->data, value->len) : NGX_ERROR;

        if (n != NGX_ERROR && n <= NGX_HTTP_S3JOBS_RETRY_AFTER_MAX) {
            ctx->retry_after = *value;

        } else {
            ngx_str_set(&ctx->retry_after, "1");
        }
    }

    switch (ctx->error.fault) {

    case NGX_S3JOBS_FAULT_CLIENT:
        level = NGX_LOG_INFO;
        break;

    case NGX_S3JOBS_FAULT_BUSY:
        level = NGX_LOG_WARN;
        break;

    default:
        level = NGX_LOG_ERR;
    }

    ngx_log_error(level, r->connection->log, 0,
                  "S3 Control answered %ui \"%V\": \"%V\", request id \"%V\"",
                  status, &said.key, &said.value, &ctx->request_id);
}


void
ngx_http_s3jobs_bad_upstream_response(ngx_http_request_t *r,
    ngx_http_s3jobs_ctx_t *ctx)
{
    ngx_http_s3jobs_drop_headers(r);

    ctx->listed = 0;
    ctx->error.status = NGX_HTTP_BAD_GATEWAY;

    ngx_str_set(&ctx->error.code, "BadUpstreamResponse");
    ngx_str_set(&ctx->error.message,
                "S3 Control sent a document that is not a job listing.");
}


ngx_buf_t *
ngx_http_s3jobs_error_document(ngx_http_request_t *r,
    ngx_http_s3jobs_ctx_t *ctx)
{
    size_t                      len;
    ngx_buf_t                  *b;
    ngx_uint_t                  json;
    ngx_s3jobs_error_t         *e;
    ngx_http_variable_value_t  *vv;

    e = &ctx->error;
    e->request_id = ctx->request_id;

    if (e->request_id.len == 0) {
        vv = ngx_http_get_indexed_variable(r,
                                           ngx_http_s3jobs_request_id_index);

        if (vv && !vv->not_found) {
            e->request_id.data = vv->data;
            e->request_id.len = vv->len;
        }
    }

    json = ngx_http_s3jobs_json(r);

    len = json ? ngx_s3jobs_error_json_length(e)
               : ngx_s3jobs_error_xml_length(e);

    b = ngx_create_temp_buf(r->pool, len);
    if (b == NULL) {
        return NULL;
    }

    b->last = json ? ngx_s3jobs_error_json(b->pos, e)
                   : ngx_s3jobs_error_xml(b->pos, e);

    ngx_http_s3jobs_clear_headers(r);

    r->headers_out.status = e->status;
    r->headers_out.status_line.len = 0;
    r->headers_out.content_length_n = b->last - b->pos;

    if (json) {
        ngx_str_set(&r->headers_out.content_type, "application/problem+json");

    } else {
        ngx_str_set(&r->headers_out.content_type, "application/xml");
    }

    r->headers_out.content_type_len = r->headers_out.content_type.len;

    if (ngx_http_s3jobs_set_error_headers(r, ctx) != NGX_OK) {
        return NULL;
    }

    return b;
}


static ngx_int_t
ngx_http_s3jobs_set_error_headers(ngx_http_request_t *r,
    ngx_http_s3jobs_ctx_t *ctx)
{
    static ngx_str_t  allow = ngx_string("GET, HEAD");

    if (ctx->error.status == NGX_HTTP_NOT_ALLOWED
        && ngx_http_s3jobs_add_header(r, "Allow", &allow) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (ctx->retry_after.len
        && ngx_http_s3jobs_add_header(r, "Retry-After", &ctx->retry_after)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_http_s3jobs_add_vary(r);
}


void
ngx_http_s3jobs_clear_headers(ngx_http_request_t *r)
{
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


/* what came with S3's document is not meant for ours, but for AWS's ids */

void
ngx_http_s3jobs_drop_headers(ngx_http_request_t *r)
{
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    i = 0;
    part = &r->headers_out.headers.part;

    while ((h = ngx_http_s3jobs_next_header(&part, &i, NULL)) != NULL) {

        if (!ngx_http_s3jobs_header_is(h, "x-amz-request-id")
            && !ngx_http_s3jobs_header_is(h, "x-amz-id-2"))
        {
            h->hash = 0;
        }
    }

    r->headers_out.location = NULL;
}


static ngx_int_t
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


void
ngx_http_s3jobs_upstream_ids(ngx_http_request_t *r,
    ngx_http_s3jobs_ctx_t *ctx)
{
    ngx_str_t  *value;

    value = ngx_http_s3jobs_find_header(r, "x-amz-request-id");

    if (value) {
        ctx->request_id = *value;
    }
}


static ngx_str_t *
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


static ngx_uint_t
ngx_http_s3jobs_header_is(ngx_table_elt_t *h, const char *name)
{
    return h->key.len == ngx_strlen(name)
           && ngx_strcasecmp(h->key.data, (u_char *) name) == 0;
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

    if (slcf->json != NGX_HTTP_S3JOBS_JSON_ACCEPT) {
        return slcf->json == NGX_HTTP_S3JOBS_JSON_ON;
    }

    /* r->headers_in.accept may be only one of several lines */

    ngx_memzero(&accept, sizeof(ngx_s3jobs_accept_t));

    i = 0;
    part = &r->headers_in.headers.part;

    while ((h = ngx_http_s3jobs_next_header(&part, &i, "accept")) != NULL) {
        ngx_s3jobs_accept_parse(&accept, &h->value);
    }

    return ngx_s3jobs_accept_json(&accept);
}


ngx_int_t
ngx_http_s3jobs_error_init(ngx_conf_t *cf)
{
    static ngx_str_t  name = ngx_string("request_id");

    ngx_http_s3jobs_request_id_index = ngx_http_get_variable_index(cf, &name);

    return ngx_http_s3jobs_request_id_index == NGX_ERROR ? NGX_ERROR : NGX_OK;
}
