
/*
 * Copyright (C) the ngx_s3jobs_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_md5.h>

#include "ngx_http_s3jobs_store.h"


static ngx_int_t ngx_http_s3jobs_set_provider(ngx_conf_t *cf,
    ngx_http_s3jobs_source_t *source, ngx_str_t *name);
static ngx_int_t ngx_http_s3jobs_set_param(ngx_conf_t *cf,
    ngx_http_s3jobs_source_t *source, ngx_str_t *v);
static ngx_int_t ngx_http_s3jobs_check_params(ngx_conf_t *cf,
    ngx_http_s3jobs_source_t *source);
static ngx_int_t ngx_http_s3jobs_resolve_source(ngx_conf_t *cf,
    ngx_http_s3jobs_sources_t *ss, ngx_http_s3jobs_source_t *source);
static void ngx_http_s3jobs_set_id(ngx_http_s3jobs_source_t *source);


/* in the order of ngx_http_s3jobs_param_e */

static ngx_str_t  ngx_http_s3jobs_params[] = {
    ngx_string("path"),
    ngx_string("profile"),
    ngx_string("uri"),
    ngx_string("token_file"),
    ngx_string("endpoint"),
    ngx_string("role_arn"),
    ngx_string("session_name"),
    ngx_string("from"),
    ngx_string("external_id"),
    ngx_string("duration"),
    ngx_string("region")
};


static ngx_http_s3jobs_provider_t  *ngx_http_s3jobs_providers[] = {
    &ngx_http_s3jobs_env_provider,
    &ngx_http_s3jobs_file_provider,
    &ngx_http_s3jobs_container_provider,
    &ngx_http_s3jobs_imds_provider,
    &ngx_http_s3jobs_web_identity_provider,
    &ngx_http_s3jobs_assume_role_provider,
    &ngx_http_s3jobs_default_provider,
    NULL
};


char *
ngx_http_s3jobs_credentials_source(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf)
{
    ngx_http_s3jobs_sources_t *ss = conf;

    ngx_str_t                 *value;
    ngx_uint_t                 n;
    ngx_http_s3jobs_source_t  *source, **sp;

    value = cf->args->elts;

    if (value[1].len == 0 || value[1].data[0] == '$') {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid credentials source name \"%V\" in "
                           "\"s3jobs_credentials_source\" directive",
                           &value[1]);
        return NGX_CONF_ERROR;
    }

    if (ngx_http_s3jobs_find_source(ss, &value[1])) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "duplicate credentials source \"%V\" in "
                           "\"s3jobs_credentials_source\" directive",
                           &value[1]);
        return NGX_CONF_ERROR;
    }

    if (ss->sources->nelts == NGX_HTTP_S3JOBS_SOURCES_MAX) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "too many \"s3jobs_credentials_source\" "
                           "directives, %d are allowed",
                           NGX_HTTP_S3JOBS_SOURCES_MAX);
        return NGX_CONF_ERROR;
    }

    source = ngx_pcalloc(cf->pool, sizeof(ngx_http_s3jobs_source_t));
    if (source == NULL) {
        return NGX_CONF_ERROR;
    }

    source->name = value[1];
    source->file = cf->conf_file->file.name;
    source->line = cf->conf_file->line;

    source->token_buf = ngx_pnalloc(cf->pool, NGX_S3JOBS_TOKEN_MAX);
    if (source->token_buf == NULL) {
        return NGX_CONF_ERROR;
    }

    if (ngx_http_s3jobs_set_provider(cf, source, &value[2]) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    for (n = 3; n < cf->args->nelts; n++) {
        if (ngx_http_s3jobs_set_param(cf, source, &value[n]) != NGX_OK) {
            return NGX_CONF_ERROR;
        }
    }

    if (ngx_http_s3jobs_check_params(cf, source) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    ngx_http_s3jobs_fetch_configure();

    if (source->provider->configure(cf, source) != NGX_CONF_OK) {
        return NGX_CONF_ERROR;
    }

    sp = ngx_array_push(ss->sources);
    if (sp == NULL) {
        return NGX_CONF_ERROR;
    }

    *sp = source;

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_http_s3jobs_set_provider(ngx_conf_t *cf,
    ngx_http_s3jobs_source_t *source, ngx_str_t *name)
{
    ngx_uint_t                   i;
    ngx_http_s3jobs_provider_t  *provider;

    for (i = 0; ngx_http_s3jobs_providers[i]; i++) {
        provider = ngx_http_s3jobs_providers[i];

        if (provider->name.len == name->len
            && ngx_strcmp(provider->name.data, name->data) == 0)
        {
            source->provider = provider;
            return NGX_OK;
        }
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "unknown type \"%V\" in "
                       "\"s3jobs_credentials_source\" directive", name);

    return NGX_ERROR;
}


static ngx_int_t
ngx_http_s3jobs_set_param(ngx_conf_t *cf, ngx_http_s3jobs_source_t *source,
    ngx_str_t *v)
{
    u_char      *p;
    ngx_str_t   *param;
    ngx_uint_t   i;

    p = ngx_strlchr(v->data, v->data + v->len, '=');

    for (i = 0; p && i < NGX_HTTP_S3JOBS_NPARAMS; i++) {
        if ((source->provider->allowed & (1 << i))
            && ngx_http_s3jobs_params[i].len == (size_t) (p - v->data)
            && ngx_strncmp(ngx_http_s3jobs_params[i].data, v->data,
                           p - v->data)
               == 0)
        {
            break;
        }
    }

    if (p == NULL || i == NGX_HTTP_S3JOBS_NPARAMS) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "unknown parameter \"%V\" in "
                           "\"s3jobs_credentials_source\" directive "
                           "of type \"%V\"", v, &source->provider->name);
        return NGX_ERROR;
    }

    p++;

    param = &source->params[i];

    if (p == v->data + v->len || param->len) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "%s parameter \"%V\" in "
                           "\"s3jobs_credentials_source\" directive",
                           param->len ? "duplicate" : "empty", v);
        return NGX_ERROR;
    }

    param->data = p;
    param->len = v->data + v->len - p;

    return NGX_OK;
}


static ngx_int_t
ngx_http_s3jobs_check_params(ngx_conf_t *cf, ngx_http_s3jobs_source_t *source)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_HTTP_S3JOBS_NPARAMS; i++) {
        if ((source->provider->required & (1 << i))
            && source->params[i].len == 0)
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "parameter \"%V=\" is missing in "
                               "\"s3jobs_credentials_source\" directive "
                               "of type \"%V\"",
                               &ngx_http_s3jobs_params[i],
                               &source->provider->name);
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_s3jobs_source_url(ngx_conf_t *cf, ngx_http_s3jobs_source_t *source,
    ngx_str_t *text, const ngx_str_t *plain, ngx_s3jobs_url_t *url)
{
    const char  *err;

    err = ngx_s3jobs_url_parse(text, plain, url);

    if (err) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid URL \"%V\" of credentials source \"%V\" "
                           "in \"s3jobs_credentials_source\" directive, it %s",
                           text, &source->name, err);
        return NGX_ERROR;
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_s3jobs_source_path(ngx_conf_t *cf, ngx_http_s3jobs_source_t *source,
    ngx_uint_t param, const char *name)
{
    ngx_http_s3jobs_source_default(source, param, name);

    if (source->params[param].len == 0) {
        return NGX_OK;
    }

    return ngx_conf_full_name(cf->cycle, &source->params[param], 1);
}


void
ngx_http_s3jobs_source_default(ngx_http_s3jobs_source_t *source,
    ngx_uint_t param, const char *name)
{
    if (source->params[param].len == 0) {
        ngx_http_s3jobs_getenv(name, &source->params[param]);
    }
}


void
ngx_http_s3jobs_source_idle(ngx_conf_t *cf, ngx_http_s3jobs_source_t *source,
    const char *missing)
{
    ngx_conf_log_error(NGX_LOG_WARN, cf, 0,
                       "%s in the environment or in "
                       "\"s3jobs_credentials_source\" directive, credentials "
                       "source \"%V\" of type \"%V\" has nowhere to get them "
                       "from", missing, &source->name,
                       &source->provider->name);

    source->idle = 1;
}


ngx_http_s3jobs_source_t *
ngx_http_s3jobs_find_source(ngx_http_s3jobs_sources_t *ss, ngx_str_t *name)
{
    ngx_uint_t                  i;
    ngx_http_s3jobs_source_t  **sp;

    sp = ss->sources->elts;

    for (i = 0; i < ss->sources->nelts; i++) {
        if (sp[i]->name.len == name->len
            && ngx_memcmp(sp[i]->name.data, name->data, name->len) == 0)
        {
            return sp[i];
        }
    }

    return NULL;
}


char *
ngx_http_s3jobs_init_sources(ngx_conf_t *cf, ngx_http_s3jobs_sources_t *ss)
{
    ngx_uint_t                  i;
    ngx_http_s3jobs_source_t  **sp;

    if (ss->sources->nelts == 0) {
        return NGX_CONF_OK;
    }

    sp = ss->sources->elts;

    for (i = 0; i < ss->sources->nelts; i++) {
        if (ngx_http_s3jobs_resolve_source(cf, ss, sp[i]) != NGX_OK) {
            return NGX_CONF_ERROR;
        }
    }

    return ngx_http_s3jobs_add_zone(cf, ss) == NGX_OK ? NGX_CONF_OK
                                                      : NGX_CONF_ERROR;
}


/* a source may sign with one that is defined after it */

static ngx_int_t
ngx_http_s3jobs_resolve_source(ngx_conf_t *cf, ngx_http_s3jobs_sources_t *ss,
    ngx_http_s3jobs_source_t *source)
{
    ngx_str_t                 *from;
    ngx_http_s3jobs_source_t  *s;

    if (source->resolved) {
        return NGX_OK;
    }

    source->resolving = 1;

    from = &source->params[NGX_HTTP_S3JOBS_FROM];

    if (from->len) {
        s = ngx_http_s3jobs_find_source(ss, from);

        if (s == NULL || s->resolving) {
            ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                          "%s \"%V\" in parameter \"from=%V\" of source "
                          "\"%V\" in \"s3jobs_credentials_source\" directive "
                          "in %V:%ui",
                          s ? "the circle of sources comes back to"
                            : "unknown credentials source",
                          from, from, &source->name, &source->file,
                          source->line);
            return NGX_ERROR;
        }

        source->from = s;

        if (ngx_http_s3jobs_resolve_source(cf, ss, s) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    ngx_http_s3jobs_set_id(source);

    source->resolving = 0;
    source->resolved = 1;

    return NGX_OK;
}


/*
 * A changed definition must not find the record of the old one.  All that is
 * in effect counts, whether it came from a parameter or the environment.
 */

static void
ngx_http_s3jobs_set_id(ngx_http_s3jobs_source_t *source)
{
    ngx_md5_t   md5;
    ngx_uint_t  i;

    ngx_md5_init(&md5);
    ngx_md5_update(&md5, source->name.data, source->name.len + 1);
    ngx_md5_update(&md5, source->provider->name.data,
                   source->provider->name.len);

    for (i = 0; i < NGX_HTTP_S3JOBS_NPARAMS; i++) {
        ngx_md5_update(&md5, &source->params[i].len, sizeof(size_t));
        ngx_md5_update(&md5, source->params[i].data, source->params[i].len);
    }

    if (source->from) {
        ngx_md5_update(&md5, source->from->id, sizeof(source->from->id));
    }

    ngx_md5_final(source->id, &md5);
}
