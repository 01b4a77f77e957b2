
/*
 * Copyright (C) the ngx_s3jobs_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_s3jobs_module.h"
#include "ngx_http_s3jobs_merge.h"
#include "ngx_http_s3jobs_conf.h"
#include "ngx_http_s3jobs_count.h"
#include "ngx_s3jobs_sax.h"


static ngx_int_t ngx_http_s3jobs_init(ngx_conf_t *cf);
static void *ngx_http_s3jobs_create_main_conf(ngx_conf_t *cf);
static char *ngx_http_s3jobs_init_main_conf(ngx_conf_t *cf, void *conf);
static ngx_int_t ngx_http_s3jobs_init_module(ngx_cycle_t *cycle);
static ngx_int_t ngx_http_s3jobs_init_process(ngx_cycle_t *cycle);
static void ngx_http_s3jobs_exit_process(ngx_cycle_t *cycle);


static ngx_http_module_t  ngx_http_s3jobs_module_ctx = {
    ngx_http_s3jobs_add_variables,         /* preconfiguration */
    ngx_http_s3jobs_init,                  /* postconfiguration */

    ngx_http_s3jobs_create_main_conf,      /* create main configuration */
    ngx_http_s3jobs_init_main_conf,        /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    ngx_http_s3jobs_create_loc_conf,       /* create location configuration */
    ngx_http_s3jobs_merge_loc_conf         /* merge location configuration */
};


ngx_module_t  ngx_http_s3jobs_module = {
    NGX_MODULE_V1,
    &ngx_http_s3jobs_module_ctx,           /* module context */
    ngx_http_s3jobs_commands,              /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
    NULL,                                  /* init master */
    ngx_http_s3jobs_init_module,           /* init module */
    ngx_http_s3jobs_init_process,          /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    ngx_http_s3jobs_exit_process,          /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


static ngx_int_t
ngx_http_s3jobs_init(ngx_conf_t *cf)
{
    ngx_http_handler_pt          *h;
    ngx_http_core_main_conf_t    *cmcf;
    ngx_http_s3jobs_main_conf_t  *smcf;

    smcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_s3jobs_module);

    if (smcf->sources.zone == NULL && (smcf->used || smcf->status)) {
        smcf->sources.zone = ngx_http_s3jobs_store_zone(cf);

        if (smcf->sources.zone == NULL) {
            return NGX_ERROR;
        }
    }

    if (!smcf->used) {
        return NGX_OK;
    }

    if (ngx_s3jobs_sigv4_init() != NGX_OK) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "OpenSSL offers no SHA-256 to \"s3jobs\"");
        return NGX_ERROR;
    }

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);

    h = ngx_array_push(&cmcf->phases[NGX_HTTP_PRECONTENT_PHASE].handlers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    *h = ngx_http_s3jobs_handler;

    h = ngx_array_push(&cmcf->phases[NGX_HTTP_LOG_PHASE].handlers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    *h = ngx_http_s3jobs_count_request;

    if (ngx_http_s3jobs_merge_check(cf, smcf->merged) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_http_s3jobs_filter_init(cf);
}


static void *
ngx_http_s3jobs_create_main_conf(ngx_conf_t *cf)
{
    ngx_http_s3jobs_main_conf_t  *smcf;

    smcf = ngx_pcalloc(cf->pool, sizeof(ngx_http_s3jobs_main_conf_t));
    if (smcf == NULL) {
        return NULL;
    }

    smcf->sources.sources = ngx_array_create(cf->pool, 4,
                                         sizeof(ngx_http_s3jobs_source_t *));
    if (smcf->sources.sources == NULL) {
        return NULL;
    }

    smcf->merged = ngx_http_s3jobs_merge_create(cf);
    if (smcf->merged == NULL) {
        return NULL;
    }

    return smcf;
}


static char *
ngx_http_s3jobs_init_main_conf(ngx_conf_t *cf, void *conf)
{
    ngx_http_s3jobs_main_conf_t *smcf = conf;

    return ngx_http_s3jobs_init_sources(cf, &smcf->sources);
}


static ngx_int_t
ngx_http_s3jobs_init_module(ngx_cycle_t *cycle)
{
    ngx_http_s3jobs_main_conf_t  *smcf;

    smcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_s3jobs_module);

    if (smcf == NULL) {
        return NGX_OK;
    }

    ngx_http_s3jobs_publish_sources(cycle, &smcf->sources);

    return NGX_OK;
}


static ngx_int_t
ngx_http_s3jobs_init_process(ngx_cycle_t *cycle)
{
    ngx_http_s3jobs_main_conf_t  *smcf;

    smcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_s3jobs_module);

    if (smcf == NULL) {
        return NGX_OK;
    }

    ngx_s3jobs_sax_init();

    return ngx_http_s3jobs_start_sources(cycle, &smcf->sources);
}


static void
ngx_http_s3jobs_exit_process(ngx_cycle_t *cycle)
{
    ngx_http_s3jobs_main_conf_t  *smcf;

    smcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_s3jobs_module);

    if (smcf) {
        ngx_http_s3jobs_stop_sources(&smcf->sources);
    }
}
