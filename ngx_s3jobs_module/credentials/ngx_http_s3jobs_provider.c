
/*
 * Copyright (C) the ngx_s3jobs_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_http_s3jobs_provider.h"


ngx_http_s3jobs_option_t  ngx_http_s3jobs_no_options[] = {
    ngx_http_s3jobs_last_option
};


void
ngx_http_s3jobs_getenv(const char *name, ngx_str_t *value)
{
    value->data = (u_char *) getenv(name);
    value->len = value->data ? ngx_strlen(value->data) : 0;
}


void
ngx_http_s3jobs_source_default(ngx_str_t *option, const char *name)
{
    if (option->len == 0) {
        ngx_http_s3jobs_getenv(name, option);
    }
}


ngx_int_t
ngx_http_s3jobs_source_path(ngx_conf_t *cf, ngx_str_t *option,
    const char *name)
{
    ngx_http_s3jobs_source_default(option, name);

    if (option->len == 0) {
        return NGX_OK;
    }

    return ngx_conf_full_name(cf->cycle, option, 1);
}


ngx_int_t
ngx_http_s3jobs_source_url(ngx_conf_t *cf, ngx_http_s3jobs_source_t *source,
    ngx_str_t *text, const ngx_str_t *plain, ngx_s3jobs_url_t *url)
{
    ngx_str_t    shown;
    const char  *err;

    err = ngx_s3jobs_url_parse(text, plain, url);

    if (err) {
        shown = ngx_s3jobs_url_origin(text);

        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid URL \"%V\" of credentials source \"%V\" "
                           "in \"s3jobs_credentials_source\" directive, it %s",
                           &shown, &source->name, err);
        return NGX_ERROR;
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_s3jobs_source_endpoint(ngx_conf_t *cf,
    ngx_http_s3jobs_source_t *source, ngx_str_t *text,
    const ngx_str_t *plain, ngx_s3jobs_url_t *url)
{
    if (ngx_http_s3jobs_source_url(cf, source, text, plain, url) != NGX_OK) {
        return NGX_ERROR;
    }

    if (url->path.len > 1) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "the URL \"%V\" of credentials source \"%V\" in "
                           "\"s3jobs_credentials_source\" directive must have "
                           "no path", text, &source->name);
        return NGX_ERROR;
    }

    return NGX_OK;
}


void
ngx_http_s3jobs_source_idle(ngx_conf_t *cf, ngx_http_s3jobs_source_t *source,
    const char *missing)
{
    ngx_conf_log_error(NGX_LOG_WARN, cf, 0,
                       "%s in the environment or in "
                       "\"s3jobs_credentials_source\" directive, credentials "
                       "source \"%V\" of type \"%V\" has nowhere to get them "
                       "from", missing, &source->name, &source->type);

    source->idle = 1;
}
