
/*
 * Copyright (C) the ngx_s3jobs_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_http_s3jobs_store.h"


static char *ngx_http_s3jobs_default_configure(ngx_conf_t *cf,
    ngx_http_s3jobs_source_t *source);


ngx_http_s3jobs_provider_t  ngx_http_s3jobs_default_provider = {
    ngx_string("default"),
    0,
    0,
    ngx_http_s3jobs_default_configure,
    NULL,
    NULL,
    NULL
};


/* in the order of the SDKs */

static ngx_http_s3jobs_provider_t  *ngx_http_s3jobs_default_chain[] = {
    &ngx_http_s3jobs_env_provider,
    &ngx_http_s3jobs_web_identity_provider,
    &ngx_http_s3jobs_file_provider,
    &ngx_http_s3jobs_container_provider,
    &ngx_http_s3jobs_imds_provider,
    NULL
};


static char *
ngx_http_s3jobs_default_configure(ngx_conf_t *cf,
    ngx_http_s3jobs_source_t *source)
{
    ngx_int_t                     rc;
    ngx_http_s3jobs_provider_t  **p;

    for (p = ngx_http_s3jobs_default_chain; *p; p++) {

        rc = (*p)->configured(cf, source);

        if (rc == NGX_ERROR) {
            return NGX_CONF_ERROR;
        }

        if (rc == NGX_OK) {
            source->provider = *p;
            source->by_default = 1;

            return source->provider->configure(cf, source);
        }
    }

    ngx_http_s3jobs_source_idle(cf, source, "no credentials");

    return NGX_CONF_OK;
}
