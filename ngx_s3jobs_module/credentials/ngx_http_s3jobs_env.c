
/*
 * Copyright (C) the ngx_s3jobs_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_http_s3jobs_provider.h"


static ngx_int_t ngx_http_s3jobs_env_configured(ngx_conf_t *cf,
    ngx_http_s3jobs_source_t *source);
static char *ngx_http_s3jobs_env_configure(ngx_conf_t *cf,
    ngx_http_s3jobs_source_t *source);


ngx_http_s3jobs_provider_t  ngx_http_s3jobs_env_provider = {
    ngx_string("env"),
    0,
    ngx_http_s3jobs_no_options,
    ngx_http_s3jobs_env_configure,
    NULL,
    ngx_http_s3jobs_env_configured,
    NULL
};


static ngx_int_t
ngx_http_s3jobs_env_configured(ngx_conf_t *cf,
    ngx_http_s3jobs_source_t *source)
{
    ngx_str_t  value;

    ngx_http_s3jobs_getenv("AWS_ACCESS_KEY_ID", &value);

    return value.len ? NGX_OK : NGX_DECLINED;
}


static char *
ngx_http_s3jobs_env_configure(ngx_conf_t *cf,
    ngx_http_s3jobs_source_t *source)
{
    const char                *err;
    ngx_s3jobs_credentials_t   c;

    ngx_http_s3jobs_getenv("AWS_ACCESS_KEY_ID", &c.access_key_id);
    ngx_http_s3jobs_getenv("AWS_SECRET_ACCESS_KEY", &c.secret_access_key);
    ngx_http_s3jobs_getenv("AWS_SESSION_TOKEN", &c.session_token);
    c.expires = 0;

    /*
     * Not fatal: "nginx -t" and "nginx -s reload" run in the shell of an
     * administrator, not in the environment of the service.
     */

    if (c.access_key_id.len == 0 && c.secret_access_key.len == 0) {
        ngx_conf_log_error(NGX_LOG_WARN, cf, 0,
                           "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are "
                           "not in the environment, credentials source "
                           "\"%V\" has nothing to sign with", &source->name);
        return NGX_CONF_OK;
    }

    err = ngx_s3jobs_credentials_check(&c);

    if (err) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "credentials in the environment %s, for source "
                           "\"%V\" in \"s3jobs_credentials_source\" "
                           "directive", err, &source->name);
        return NGX_CONF_ERROR;
    }

    if (ngx_http_s3jobs_set_initial(cf, source, &c) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}
