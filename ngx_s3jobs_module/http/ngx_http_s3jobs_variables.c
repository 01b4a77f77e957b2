
/*
 * Copyright (C) the ngx_s3jobs_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_s3jobs_module.h"
#include "ngx_s3jobs_query.h"


static ngx_int_t ngx_http_s3jobs_identity_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_s3jobs_identity(ngx_http_request_t *r,
    size_t offset, ngx_str_t *value);
static ngx_int_t ngx_http_s3jobs_key_variable(ngx_http_request_t *r,
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

    { ngx_string("s3jobs_cache_key"), NULL, ngx_http_s3jobs_key_variable, 0,
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

    { ngx_string("s3jobs_tries"), NULL, ngx_http_s3jobs_number_variable,
      offsetof(ngx_http_s3jobs_ctx_t, requests),
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
    ngx_int_t                    rc;
    ngx_str_t                    value;
    ngx_http_s3jobs_loc_conf_t  *slcf;

    slcf = ngx_http_get_module_loc_conf(r, ngx_http_s3jobs_module);

    rc = slcf->enable ? ngx_http_s3jobs_identity(r, data, &value)
                      : NGX_DECLINED;

    if (rc == NGX_ERROR) {
        return NGX_ERROR;
    }

    if (rc == NGX_DECLINED) {
        v->not_found = 1;
        return NGX_OK;
    }

    v->len = value.len;
    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;
    v->data = value.data;

    return NGX_OK;
}


/* NGX_DECLINED: there is none that is valid */

static ngx_int_t
ngx_http_s3jobs_identity(ngx_http_request_t *r, size_t offset,
    ngx_str_t *value)
{
    ngx_uint_t                   account;
    ngx_http_s3jobs_ctx_t       *ctx;
    ngx_http_complex_value_t    *cv;
    ngx_http_s3jobs_loc_conf_t  *slcf;

    account = (offset == offsetof(ngx_http_s3jobs_loc_conf_t, account));

    ctx = ngx_http_s3jobs_get_ctx(r);

    if (ctx && ctx->ready) {
        *value = account ? ctx->account : ctx->region;
        return NGX_OK;
    }

    slcf = ngx_http_get_module_loc_conf(r, ngx_http_s3jobs_module);

    cv = *(ngx_http_complex_value_t **) ((char *) slcf + offset);

    if (cv == NULL) {
        return NGX_DECLINED;
    }

    if (ngx_http_complex_value(r, cv, value) != NGX_OK) {
        return NGX_ERROR;
    }

    return (account ? ngx_s3jobs_account_valid(value)
                    : ngx_s3jobs_region_valid(value)) ? NGX_OK : NGX_DECLINED;
}


/*
 * Elsewhere it names the listing that the request asks for, in the same way,
 * so that a balancer can send it to the cache that has it.
 */

static ngx_int_t
ngx_http_s3jobs_key_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    u_char                    *p;
    ngx_int_t                  rc;
    ngx_str_t                  account, region;
    ngx_s3jobs_query_t         q;
    ngx_http_s3jobs_ctx_t     *ctx;
    ngx_s3jobs_query_error_t   err;

    ctx = ngx_http_s3jobs_get_ctx(r);

    if (ctx) {
        return ngx_http_s3jobs_string_variable(r, v,
                                 offsetof(ngx_http_s3jobs_ctx_t, cache_key));
    }

    rc = ngx_http_s3jobs_identity(r, offsetof(ngx_http_s3jobs_loc_conf_t,
                                              account), &account);

    if (rc == NGX_OK) {
        rc = ngx_http_s3jobs_identity(r, offsetof(ngx_http_s3jobs_loc_conf_t,
                                                  region), &region);
    }

    if (rc == NGX_ERROR) {
        return NGX_ERROR;
    }

    if (rc != NGX_OK || ngx_s3jobs_query_parse(&r->args, &q, &err) != NGX_OK) {
        v->not_found = 1;
        return NGX_OK;
    }

    p = ngx_pnalloc(r->pool, account.len + 1 + region.len + 1
                             + ngx_s3jobs_query_length(&q));
    if (p == NULL) {
        return NGX_ERROR;
    }

    v->data = p;
    p = ngx_http_s3jobs_key_write(p, &account, &region);
    p = ngx_s3jobs_query_write(p, &q);

    v->len = p - v->data;
    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;

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

    if (ctx == NULL
        || (data == offsetof(ngx_http_s3jobs_ctx_t, requests)
            ? ctx->requests == 0 : !ctx->listed))
    {
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
