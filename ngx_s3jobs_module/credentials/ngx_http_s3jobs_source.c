
/*
 * Copyright (C) the ngx_s3jobs_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_md5.h>

#include "ngx_http_s3jobs_provider.h"
#include "ngx_http_s3jobs_refresh.h"


static ngx_int_t ngx_http_s3jobs_find_provider(ngx_conf_t *cf,
    ngx_http_s3jobs_source_t *source, ngx_str_t *type);
static ngx_int_t ngx_http_s3jobs_set_provider(ngx_conf_t *cf,
    ngx_http_s3jobs_source_t *source, ngx_http_s3jobs_provider_t *provider);
static ngx_int_t ngx_http_s3jobs_set_option(ngx_conf_t *cf,
    ngx_http_s3jobs_source_t *source, ngx_str_t *v);
static ngx_int_t ngx_http_s3jobs_check_options(ngx_conf_t *cf,
    ngx_http_s3jobs_source_t *source);
static char *ngx_http_s3jobs_default_configure(ngx_conf_t *cf,
    ngx_http_s3jobs_source_t *source);
static ngx_int_t ngx_http_s3jobs_resolve_source(ngx_conf_t *cf,
    ngx_http_s3jobs_sources_t *ss, ngx_http_s3jobs_source_t *source);
static void ngx_http_s3jobs_set_id(ngx_http_s3jobs_source_t *source);
static void ngx_http_s3jobs_sources_cleanup(void *data);


#define ngx_http_s3jobs_option_value(source, option)                          \
    ((ngx_str_t *) ((char *) (source)->data + (option)->offset))


static ngx_http_s3jobs_provider_t  ngx_http_s3jobs_default_provider = {
    ngx_string("default"),
    0,
    ngx_http_s3jobs_no_options,
    ngx_http_s3jobs_default_configure,
    NULL,
    NULL,
    NULL
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


/* what the type "default" tries, in the order of the SDKs */

static ngx_http_s3jobs_provider_t  *ngx_http_s3jobs_chain[] = {
    &ngx_http_s3jobs_env_provider,
    &ngx_http_s3jobs_web_identity_provider,
    &ngx_http_s3jobs_file_provider,
    &ngx_http_s3jobs_container_provider,
    &ngx_http_s3jobs_imds_provider,
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

    source->copy = ngx_pcalloc(cf->pool, sizeof(ngx_http_s3jobs_copy_t));
    if (source->copy == NULL) {
        return NGX_CONF_ERROR;
    }

    if (ngx_http_s3jobs_find_provider(cf, source, &value[2]) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    for (n = 3; n < cf->args->nelts; n++) {
        if (ngx_http_s3jobs_set_option(cf, source, &value[n]) != NGX_OK) {
            return NGX_CONF_ERROR;
        }
    }

    if (ngx_http_s3jobs_check_options(cf, source) != NGX_OK) {
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
ngx_http_s3jobs_find_provider(ngx_conf_t *cf,
    ngx_http_s3jobs_source_t *source, ngx_str_t *type)
{
    ngx_uint_t                   i;
    ngx_http_s3jobs_provider_t  *provider;

    for (i = 0; ngx_http_s3jobs_providers[i]; i++) {
        provider = ngx_http_s3jobs_providers[i];

        if (provider->name.len == type->len
            && ngx_strcmp(provider->name.data, type->data) == 0)
        {
            return ngx_http_s3jobs_set_provider(cf, source, provider);
        }
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "unknown type \"%V\" in "
                       "\"s3jobs_credentials_source\" directive", type);

    return NGX_ERROR;
}


static ngx_int_t
ngx_http_s3jobs_set_provider(ngx_conf_t *cf,
    ngx_http_s3jobs_source_t *source, ngx_http_s3jobs_provider_t *provider)
{
    source->data = ngx_pcalloc(cf->pool, provider->size);
    if (source->data == NULL) {
        return NGX_ERROR;
    }

    source->type = provider->name;
    source->provider = provider;

    return NGX_OK;
}


static ngx_int_t
ngx_http_s3jobs_set_option(ngx_conf_t *cf, ngx_http_s3jobs_source_t *source,
    ngx_str_t *v)
{
    u_char                    *p;
    ngx_str_t                 *value;
    ngx_http_s3jobs_option_t  *option;

    p = ngx_strlchr(v->data, v->data + v->len, '=');

    for (option = source->provider->options; option->name.len; option++) {
        if (p
            && option->name.len == (size_t) (p - v->data)
            && ngx_strncmp(option->name.data, v->data, p - v->data) == 0)
        {
            break;
        }
    }

    if (option->name.len == 0) {
        /* a value may be a secret that somebody puts here by mistake */

        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "unknown parameter \"%*s\" in "
                           "\"s3jobs_credentials_source\" directive "
                           "of type \"%V\"", p ? (size_t) (p - v->data + 1)
                                             : v->len, v->data,
                           &source->type);
        return NGX_ERROR;
    }

    p++;

    value = ngx_http_s3jobs_option_value(source, option);

    if (p == v->data + v->len || value->len) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "%s parameter \"%V=\" in "
                           "\"s3jobs_credentials_source\" directive",
                           value->len ? "duplicate" : "empty",
                           &option->name);
        return NGX_ERROR;
    }

    value->data = p;
    value->len = v->data + v->len - p;

    return NGX_OK;
}


static ngx_int_t
ngx_http_s3jobs_check_options(ngx_conf_t *cf,
    ngx_http_s3jobs_source_t *source)
{
    ngx_http_s3jobs_option_t  *option;

    for (option = source->provider->options; option->name.len; option++) {
        if ((option->flags & NGX_HTTP_S3JOBS_REQUIRED)
            && ngx_http_s3jobs_option_value(source, option)->len == 0)
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "parameter \"%V=\" is missing in "
                               "\"s3jobs_credentials_source\" directive "
                               "of type \"%V\"",
                               &option->name, &source->type);
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static char *
ngx_http_s3jobs_default_configure(ngx_conf_t *cf,
    ngx_http_s3jobs_source_t *source)
{
    ngx_int_t                     rc;
    ngx_http_s3jobs_provider_t  **p;

    rc = ngx_http_s3jobs_env_provider.configured(cf, source);

    /* "nginx -s" has the environment of whoever says it, and signs nothing */

    if (ngx_process != NGX_PROCESS_SIGNALLER
        && ngx_http_s3jobs_file_profile(cf, source, rc == NGX_OK) != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    for (p = ngx_http_s3jobs_chain; *p; p++) {

        if (ngx_http_s3jobs_set_provider(cf, source, *p) != NGX_OK) {
            return NGX_CONF_ERROR;
        }

        rc = source->provider->configured(cf, source);

        if (rc == NGX_ERROR) {
            return NGX_CONF_ERROR;
        }

        if (rc == NGX_OK) {
            source->by_default = 1;

            return source->provider->configure(cf, source);
        }
    }

    source->type = ngx_http_s3jobs_default_provider.name;
    source->provider = &ngx_http_s3jobs_default_provider;

    ngx_http_s3jobs_source_idle(cf, source, "no credentials");

    return NGX_CONF_OK;
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

    ss->zone = ngx_http_s3jobs_store_zone(cf);

    return ss->zone ? NGX_CONF_OK : NGX_CONF_ERROR;
}


/* a source may sign with one that is defined after it */

static ngx_int_t
ngx_http_s3jobs_resolve_source(ngx_conf_t *cf, ngx_http_s3jobs_sources_t *ss,
    ngx_http_s3jobs_source_t *source)
{
    ngx_str_t                 *from;
    ngx_http_s3jobs_source_t  *s;
    ngx_http_s3jobs_option_t  *option;

    if (source->resolved) {
        return NGX_OK;
    }

    source->resolving = 1;

    for (option = source->provider->options; option->name.len; option++) {

        if (!(option->flags & NGX_HTTP_S3JOBS_SOURCE)) {
            continue;
        }

        from = ngx_http_s3jobs_option_value(source, option);

        s = ngx_http_s3jobs_find_source(ss, from);

        if (s == NULL || s->resolving) {
            ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                          "%s \"%V\" in parameter \"%V=%V\" of source "
                          "\"%V\" in \"s3jobs_credentials_source\" directive "
                          "in %V:%ui",
                          s ? "the circle of sources comes back to"
                            : "unknown credentials source",
                          from, &option->name, from, &source->name,
                          &source->file, source->line);
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
    ngx_md5_t                  md5;
    ngx_str_t                 *value;
    ngx_http_s3jobs_option_t  *option;

    ngx_md5_init(&md5);
    ngx_md5_update(&md5, source->name.data, source->name.len + 1);
    ngx_md5_update(&md5, source->type.data, source->type.len);

    for (option = source->provider->options; option->name.len; option++) {
        value = ngx_http_s3jobs_option_value(source, option);

        ngx_md5_update(&md5, &value->len, sizeof(size_t));
        ngx_md5_update(&md5, value->data, value->len);
    }

    if (source->from) {
        ngx_md5_update(&md5, source->from->id, sizeof(source->from->id));
    }

    ngx_md5_final(source->id, &md5);
}


/*
 * Runs in the master when the new configuration has been accepted, so that a
 * reload that fails leaves the old credentials alone.
 */

void
ngx_http_s3jobs_publish_sources(ngx_cycle_t *cycle,
    ngx_http_s3jobs_sources_t *ss)
{
    ngx_uint_t                  i;
    ngx_http_s3jobs_source_t  **sp;

    if (ss->zone == NULL || ngx_test_config) {
        return;
    }

    ss->counters = ngx_http_s3jobs_store_counters(ss->zone);

    ngx_http_s3jobs_store_cycle(ss->zone);

    sp = ss->sources->elts;

    for (i = 0; i < ss->sources->nelts; i++) {
        ngx_http_s3jobs_store_attach(ss->zone, sp[i]);

        if (sp[i]->by_default) {
            ngx_log_error(NGX_LOG_NOTICE, cycle->log, 0,
                          "s3jobs credentials \"%V\": type \"default\" has "
                          "chosen \"%V\"", &sp[i]->name, &sp[i]->type);
        }

        ngx_http_s3jobs_publish_initial(sp[i], cycle->log);
    }
}


/*
 * One process looks after the credentials: the first worker, or the single
 * process.  The cache manager runs init_process too, with ngx_worker 0.
 */

ngx_int_t
ngx_http_s3jobs_start_sources(ngx_cycle_t *cycle,
    ngx_http_s3jobs_sources_t *ss)
{
    ngx_uint_t                  i;
    ngx_pool_cleanup_t         *cln;
    ngx_http_s3jobs_source_t  **sp;

    if (ss->zone == NULL
        || !(ngx_process == NGX_PROCESS_SINGLE
             || (ngx_process == NGX_PROCESS_WORKER && ngx_worker == 0)))
    {
        return NGX_OK;
    }

    /* a single process frees a configuration and lives on */

    cln = ngx_pool_cleanup_add(cycle->pool, 0);
    if (cln == NULL) {
        return NGX_ERROR;
    }

    cln->handler = ngx_http_s3jobs_sources_cleanup;
    cln->data = ss;

    sp = ss->sources->elts;

    for (i = 0; i < ss->sources->nelts; i++) {
        if (sp[i]->provider->start
            && sp[i]->provider->start(cycle, sp[i]) != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    ss->started = 1;

    return NGX_OK;
}


void
ngx_http_s3jobs_stop_sources(ngx_http_s3jobs_sources_t *ss)
{
    ngx_uint_t                  i;
    ngx_http_s3jobs_source_t  **sp;

    if (!ss->started) {
        return;
    }

    ss->started = 0;

    sp = ss->sources->elts;

    for (i = 0; i < ss->sources->nelts; i++) {
        ngx_http_s3jobs_refresh_stop(sp[i]);
    }

    ngx_http_s3jobs_fetch_cleanup();
}


static void
ngx_http_s3jobs_sources_cleanup(void *data)
{
    ngx_http_s3jobs_sources_t *ss = data;

    ngx_http_s3jobs_stop_sources(ss);
}
