
/*
 * Copyright (C) the ngx_s3jobs_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_s3jobs_module.h"


static ngx_int_t ngx_http_s3jobs_identity_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_s3jobs_string_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_s3jobs_signed_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_s3jobs_sha256_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_s3jobs_number_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_s3jobs_expires_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);


/*
 * None is cacheable: subrequests share r->variables, and two of them may be
 * for two accounts.
 */

static ngx_http_variable_t  ngx_http_s3jobs_vars[] = {

    { ngx_string("s3jobs_account"), NULL, ngx_http_s3jobs_identity_variable,
      offsetof(ngx_http_s3jobs_loc_conf_t, account),
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("s3jobs_region"), NULL, ngx_http_s3jobs_identity_variable,
      offsetof(ngx_http_s3jobs_loc_conf_t, region),
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("s3jobs_host"), NULL, ngx_http_s3jobs_string_variable,
      offsetof(ngx_http_s3jobs_ctx_t, host),
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("s3jobs_date"), NULL, ngx_http_s3jobs_signed_variable,
      offsetof(ngx_http_s3jobs_ctx_t, date),
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("s3jobs_content_sha256"), NULL,
      ngx_http_s3jobs_sha256_variable, 0,
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("s3jobs_security_token"), NULL,
      ngx_http_s3jobs_signed_variable,
      offsetof(ngx_http_s3jobs_ctx_t, token),
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("s3jobs_cache_key"), NULL, ngx_http_s3jobs_string_variable,
      offsetof(ngx_http_s3jobs_ctx_t, cache_key),
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("s3jobs_authorization"), NULL,
      ngx_http_s3jobs_signed_variable,
      offsetof(ngx_http_s3jobs_ctx_t, authorization),
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("s3jobs_error"), NULL, ngx_http_s3jobs_string_variable,
      offsetof(ngx_http_s3jobs_ctx_t, error.code),
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("s3jobs_request_id"), NULL, ngx_http_s3jobs_string_variable,
      offsetof(ngx_http_s3jobs_ctx_t, request_id),
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("s3jobs_jobs"), NULL, ngx_http_s3jobs_number_variable,
      offsetof(ngx_http_s3jobs_ctx_t, jobs),
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("s3jobs_pages"), NULL, ngx_http_s3jobs_number_variable,
      offsetof(ngx_http_s3jobs_ctx_t, pages),
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("s3jobs_credentials_expires"), NULL,
      ngx_http_s3jobs_expires_variable, 0,
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

      ngx_http_null_variable
};


ngx_int_t
ngx_http_s3jobs_add_variables(ngx_conf_t *cf)
{
    ngx_http_variable_t  *var, *v;

    for (v = ngx_http_s3jobs_vars; v->name.len; v++) {
        var = ngx_http_add_variable(cf, &v->name, v->flags);
        if (var == NULL) {
            return NGX_ERROR;
        }

        var->get_handler = v->get_handler;
        var->data = v->data;
    }

    return NGX_OK;
}


/*
 * $s3jobs_account and $s3jobs_region have a value in any phase, so that
 * limit_req_zone, say, can use them.
 */

static ngx_int_t
ngx_http_s3jobs_identity_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_str_t                    value;
    ngx_uint_t                   account;
    ngx_http_s3jobs_ctx_t       *ctx;
    ngx_http_complex_value_t    *cv;
    ngx_http_s3jobs_loc_conf_t  *slcf;

    account = (data == offsetof(ngx_http_s3jobs_loc_conf_t, account));

    ctx = ngx_http_s3jobs_get_ctx(r);

    if (ctx && ctx->ready) {
        value = account ? ctx->account : ctx->region;

    } else {
        slcf = ngx_http_get_module_loc_conf(r, ngx_http_s3jobs_module);

        cv = *(ngx_http_complex_value_t **) ((char *) slcf + data);

        if (!slcf->enable || cv == NULL) {
            v->not_found = 1;
            return NGX_OK;
        }

        if (ngx_http_complex_value(r, cv, &value) != NGX_OK) {
            return NGX_ERROR;
        }

        if (account ? !ngx_s3jobs_account_valid(&value)
                    : !ngx_s3jobs_region_valid(&value))
        {
            v->not_found = 1;
            return NGX_OK;
        }
    }

    v->len = value.len;
    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;
    v->data = value.data;

    return NGX_OK;
}


static ngx_int_t
ngx_http_s3jobs_string_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_str_t              *s;
    ngx_http_s3jobs_ctx_t  *ctx;

    ctx = ngx_http_s3jobs_get_ctx(r);

    if (ctx == NULL) {
        v->not_found = 1;
        return NGX_OK;
    }

    s = (ngx_str_t *) ((char *) ctx + data);

    if (s->len == 0) {
        v->not_found = 1;
        return NGX_OK;
    }

    v->len = s->len;
    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;
    v->data = s->data;

    return NGX_OK;
}


/* the signature is made when nginx builds the request upstream */

static ngx_int_t
ngx_http_s3jobs_signed_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_http_s3jobs_signed(r);

    return ngx_http_s3jobs_string_variable(r, v, data);
}


static ngx_int_t
ngx_http_s3jobs_sha256_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    v->len = NGX_S3JOBS_SHA256_HEX_LEN;
    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;
    v->data = (u_char *) NGX_S3JOBS_EMPTY_SHA256;

    return NGX_OK;
}


static ngx_int_t
ngx_http_s3jobs_number_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    u_char                 *p;
    ngx_http_s3jobs_ctx_t  *ctx;

    ctx = ngx_http_s3jobs_get_ctx(r);

    if (ctx == NULL || !ctx->listed) {
        v->not_found = 1;
        return NGX_OK;
    }

    p = ngx_pnalloc(r->pool, NGX_INT_T_LEN);
    if (p == NULL) {
        return NGX_ERROR;
    }

    v->len = ngx_sprintf(p, "%ui", *(ngx_uint_t *) ((char *) ctx + data)) - p;
    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;
    v->data = p;

    return NGX_OK;
}


/* in seconds, of the credentials that sign this request */

static ngx_int_t
ngx_http_s3jobs_expires_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    u_char                 *p;
    ngx_http_s3jobs_ctx_t  *ctx;

    ctx = ngx_http_s3jobs_get_ctx(r);

    if (ctx == NULL || !ctx->ready || ctx->expires == 0) {
        v->not_found = 1;
        return NGX_OK;
    }

    p = ngx_pnalloc(r->pool, NGX_TIME_T_LEN);
    if (p == NULL) {
        return NGX_ERROR;
    }

    v->len = ngx_sprintf(p, "%T", ngx_max(ctx->expires - ngx_time(), 0)) - p;
    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;
    v->data = p;

    return NGX_OK;
}
