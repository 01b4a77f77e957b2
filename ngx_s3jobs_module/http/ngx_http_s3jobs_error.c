
/*
 * Copyright (C) the ngx_s3jobs_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_s3jobs_module.h"
#include "ngx_http_s3jobs_count.h"
#include "ngx_http_s3jobs_error.h"
#include "ngx_http_s3jobs_headers.h"
#include "ngx_http_s3jobs_retry.h"
#include "ngx_http_s3jobs_refresh.h"


#define NGX_HTTP_S3JOBS_RETRY_AFTER_MAX  3600


static ngx_int_t ngx_http_s3jobs_set_error_headers(ngx_http_request_t *r,
    ngx_http_s3jobs_ctx_t *ctx);


static ngx_int_t  ngx_http_s3jobs_request_id_index;


void
ngx_http_s3jobs_own_error(ngx_http_request_t *r, ngx_http_s3jobs_ctx_t *ctx,
    ngx_uint_t status)
{
    if (ctx->error.status == status || ctx->refused) {
        return;
    }

    ctx->error.status = status;
    ctx->error.code = *ngx_s3jobs_error_code(status);
    ctx->error.message = *ngx_s3jobs_error_title(status);

    ngx_str_null(&ctx->retry_after);
}


ngx_int_t
ngx_http_s3jobs_s3_error(ngx_http_request_t *r, ngx_http_s3jobs_ctx_t *ctx,
    ngx_s3jobs_error_reader_t *er, ngx_uint_t last)
{
    ngx_int_t      n;
    ngx_str_t     *value;
    ngx_uint_t     level, status;
    ngx_keyval_t   said;

    status = r->upstream->headers_in.status_n;

    ngx_http_s3jobs_drop_headers(r);

    ngx_s3jobs_error_classify(er, status, &ctx->error, &said);

    ngx_http_s3jobs_count_error(ctx->filter, &said.key);

    if (ctx->request_id.len == 0) {
        ctx->request_id = ctx->error.request_id;
    }

    if (ctx->error.refresh
#if (NGX_HTTP_CACHE)
        && !r->cached
#endif
       )
    {
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

    if (!last && ngx_http_s3jobs_retry(r, ctx)) {
        ngx_log_error(NGX_LOG_INFO, r->connection->log, 0,
                      "S3 Control answered %ui \"%V\", asked again, "
                      "request id \"%V\"",
                      status, &said.key, &ctx->request_id);
        return NGX_AGAIN;
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

    return NGX_OK;
}


void
ngx_http_s3jobs_bad_upstream_response(ngx_http_request_t *r,
    ngx_http_s3jobs_ctx_t *ctx)
{
    ngx_http_s3jobs_drop_headers(r);

    ctx->listed = 0;
    ctx->error.status = NGX_HTTP_BAD_GATEWAY;

    ngx_str_set(&ctx->error.code, "BadUpstreamResponse");

    if (ctx->job.len) {
        ngx_str_set(&ctx->error.message,
                    "S3 Control sent a document that describes no job.");

    } else {
        ngx_str_set(&ctx->error.message,
                    "S3 Control sent a document that is not a job listing.");
    }
}


ngx_buf_t *
ngx_http_s3jobs_error_document(ngx_http_request_t *r,
    ngx_http_s3jobs_ctx_t *ctx)
{
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

    b = ngx_create_temp_buf(r->pool, ngx_s3jobs_error_size(e));
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


ngx_int_t
ngx_http_s3jobs_error_init(ngx_conf_t *cf)
{
    static ngx_str_t  name = ngx_string("request_id");

    ngx_http_s3jobs_request_id_index = ngx_http_get_variable_index(cf, &name);

    return ngx_http_s3jobs_request_id_index == NGX_ERROR ? NGX_ERROR : NGX_OK;
}
