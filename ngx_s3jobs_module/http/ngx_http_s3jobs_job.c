
/*
 * Copyright (C) the ngx_s3jobs_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_s3jobs_module.h"


/* of a job id, in bytes; of what is told of one that is none */
#define NGX_HTTP_S3JOBS_JOB_MIN   5
#define NGX_HTTP_S3JOBS_JOB_MAX   36
#define NGX_HTTP_S3JOBS_JOB_TOLD  64


static ngx_int_t ngx_http_s3jobs_job_refuse(ngx_http_request_t *r,
    ngx_http_s3jobs_ctx_t *ctx, const char *what, ngx_str_t *value,
    const char *text);
static ngx_uint_t ngx_http_s3jobs_job_valid(ngx_str_t *id);


ngx_int_t
ngx_http_s3jobs_job(ngx_http_request_t *r, ngx_http_s3jobs_ctx_t *ctx)
{
    u_char                      *p, *last;
    ngx_str_t                    name;
    ngx_http_s3jobs_loc_conf_t  *slcf;

    slcf = ngx_http_get_module_loc_conf(r, ngx_http_s3jobs_module);

    if (ngx_http_complex_value(r, slcf->job, &ctx->job) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (!ngx_http_s3jobs_job_valid(&ctx->job)) {
        return ngx_http_s3jobs_job_refuse(r, ctx, "job id", &ctx->job,
                   "must be 5 to 36 of the characters A-Z a-z 0-9 _ and -");
    }

    last = r->args.data + r->args.len;

    for (p = r->args.data; p < last && *p == '&'; p++) { /* void */ }

    if (p == last) {
        return NGX_OK;
    }

    name.data = p;

    while (p < last && *p != '=' && *p != '&') {
        p++;
    }

    name.len = p - name.data;

    return ngx_http_s3jobs_job_refuse(r, ctx, "argument", &name,
                                      "is unknown, a job takes none");
}


static ngx_int_t
ngx_http_s3jobs_job_refuse(ngx_http_request_t *r, ngx_http_s3jobs_ctx_t *ctx,
    const char *what, ngx_str_t *value, const char *text)
{
    u_char     *p;
    ngx_str_t   told;

    told.data = value->data;
    told.len = ngx_min(value->len, NGX_HTTP_S3JOBS_JOB_TOLD);

    ngx_http_s3jobs_printable(r, &told);

    p = ngx_pnalloc(r->pool, ngx_strlen(what) + told.len + ngx_strlen(text)
                             + sizeof(" \"\" "));
    if (p == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    (void) ngx_sprintf(p, "%s \"%V\" %s%Z", what, &told, text);

    ngx_log_error(NGX_LOG_INFO, r->connection->log, 0, "client sent %s", p);

    return ngx_http_s3jobs_reject(r, ctx, NGX_HTTP_BAD_REQUEST,
                                  "InvalidRequest", (char *) p);
}


static ngx_uint_t
ngx_http_s3jobs_job_valid(ngx_str_t *id)
{
    u_char  c;
    size_t  i;

    if (id->len < NGX_HTTP_S3JOBS_JOB_MIN || id->len > NGX_HTTP_S3JOBS_JOB_MAX)
    {
        return 0;
    }

    for (i = 0; i < id->len; i++) {
        c = id->data[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
              || (c >= '0' && c <= '9') || c == '_' || c == '-'))
        {
            return 0;
        }
    }

    return 1;
}
