
/*
 * Copyright (C) the ngx_s3jobs_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_s3jobs_module.h"
#include "ngx_http_s3jobs_conf.h"
#include "ngx_http_s3jobs_lines.h"
#include "ngx_http_s3jobs_merge.h"
#include "ngx_http_s3jobs_retry.h"
#include "ngx_http_s3jobs_status.h"


/* what a value without variables must be */

typedef struct {
    ngx_uint_t                (*valid)(ngx_str_t *value);
    const char                 *text;
} ngx_http_s3jobs_kind_t;


static char *ngx_http_s3jobs(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
static void ngx_http_s3jobs_set_place(ngx_conf_t *cf,
    ngx_http_s3jobs_place_t *place);
static char *ngx_http_s3jobs_credentials(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_s3jobs_value(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_s3jobs_endpoint(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_s3jobs_status(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_s3jobs_not_zero(ngx_conf_t *cf, void *post, void *data);
static char *ngx_http_s3jobs_check_loc_conf(ngx_conf_t *cf,
    ngx_http_s3jobs_loc_conf_t *slcf);
static char *ngx_http_s3jobs_set_fixed(ngx_conf_t *cf,
    ngx_http_s3jobs_loc_conf_t *slcf);


static ngx_http_s3jobs_kind_t  ngx_http_s3jobs_account_kind = {
    ngx_s3jobs_account_valid, "12 digits"
};

static ngx_http_s3jobs_kind_t  ngx_http_s3jobs_region_kind = {
    ngx_s3jobs_region_valid, "like \"eu-west-1\""
};


static ngx_conf_post_t  ngx_http_s3jobs_not_zero_post = {
    ngx_http_s3jobs_not_zero
};


static ngx_conf_enum_t  ngx_http_s3jobs_json_modes[] = {
    { ngx_string("off"), NGX_HTTP_S3JOBS_JSON_OFF },
    { ngx_string("on"), NGX_HTTP_S3JOBS_JSON_ON },
    { ngx_string("accept"), NGX_HTTP_S3JOBS_JSON_ACCEPT },
    { ngx_null_string, 0 }
};


/* what is known of each page of a listing are 8 bytes, until its end */

static ngx_conf_num_bounds_t  ngx_http_s3jobs_max_pages_bounds = {
    ngx_conf_check_num_bounds, 1, 100000
};


static ngx_conf_enum_t  ngx_http_s3jobs_status_kinds[] = {
    { ngx_string("json"), NGX_HTTP_S3JOBS_STATUS_JSON },
    { ngx_string("prometheus"), NGX_HTTP_S3JOBS_STATUS_PROMETHEUS },
    { ngx_string("ready"), NGX_HTTP_S3JOBS_STATUS_READY },
    { ngx_null_string, 0 }
};


ngx_command_t  ngx_http_s3jobs_commands[] = {

    { ngx_string("s3jobs_credentials_source"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_2MORE,
      ngx_http_s3jobs_credentials_source,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("s3jobs"),
      NGX_HTTP_LOC_CONF|NGX_CONF_FLAG,
      ngx_http_s3jobs,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_s3jobs_loc_conf_t, enable),
      NULL },

    { ngx_string("s3jobs_account"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_s3jobs_value,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_s3jobs_loc_conf_t, account),
      &ngx_http_s3jobs_account_kind },

    { ngx_string("s3jobs_region"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_s3jobs_value,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_s3jobs_loc_conf_t, region),
      &ngx_http_s3jobs_region_kind },

    { ngx_string("s3jobs_credentials"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_s3jobs_credentials,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_s3jobs_loc_conf_t, credentials),
      NULL },

    { ngx_string("s3jobs_credentials_timeout"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_msec_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_s3jobs_loc_conf_t, credentials_timeout),
      NULL },

    { ngx_string("s3jobs_endpoint"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE123,
      ngx_http_s3jobs_endpoint,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("s3jobs_json"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_enum_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_s3jobs_loc_conf_t, json),
      ngx_http_s3jobs_json_modes },

    { ngx_string("s3jobs_json_buffer_size"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_size_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_s3jobs_loc_conf_t, json_buffer_size),
      &ngx_http_s3jobs_not_zero_post },

    { ngx_string("s3jobs_max_pages"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_num_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_s3jobs_loc_conf_t, max_pages),
      &ngx_http_s3jobs_max_pages_bounds },

    { ngx_string("s3jobs_tries"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE12,
      ngx_http_s3jobs_tries,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("s3jobs_job"),
      NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_set_complex_value_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_s3jobs_loc_conf_t, job),
      NULL },

    { ngx_string("s3jobs_status"),
      NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_s3jobs_status,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_s3jobs_loc_conf_t, status),
      ngx_http_s3jobs_status_kinds },

    { ngx_string("s3jobs_merge"),
      NGX_HTTP_LOC_CONF|NGX_CONF_1MORE,
      ngx_http_s3jobs_merge,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

      ngx_null_command
};


static char *
ngx_http_s3jobs(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_s3jobs_loc_conf_t *slcf = conf;

    char  *rv;

    rv = ngx_conf_set_flag_slot(cf, cmd, conf);

    if (rv != NGX_CONF_OK || !slcf->enable) {
        return rv;
    }

    ngx_http_s3jobs_set_place(cf, &slcf->enable_place);

    return ngx_http_s3jobs_add_lines(cf, slcf);
}


static void
ngx_http_s3jobs_set_place(ngx_conf_t *cf, ngx_http_s3jobs_place_t *place)
{
    place->file = cf->conf_file->file.name.data;
    place->line = cf->conf_file->line;
}


static char *
ngx_http_s3jobs_credentials(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_s3jobs_loc_conf_t *slcf = conf;

    ngx_http_s3jobs_set_place(cf, &slcf->credentials_place);

    return ngx_http_set_complex_value_slot(cf, cmd, conf);
}


/* a value that may contain variables, or else is checked here */

static char *
ngx_http_s3jobs_value(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    char  *p = conf;

    char                      *rv;
    ngx_http_s3jobs_kind_t    *kind;
    ngx_http_complex_value_t  *cv;

    rv = ngx_http_set_complex_value_slot(cf, cmd, conf);

    if (rv != NGX_CONF_OK) {
        return rv;
    }

    kind = cmd->post;
    cv = *(ngx_http_complex_value_t **) (p + cmd->offset);

    if (cv->lengths || kind->valid(&cv->value)) {
        return NGX_CONF_OK;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid value \"%V\" in \"%V\" directive, it must "
                       "be %s", &cv->value, &cmd->name, kind->text);

    return NGX_CONF_ERROR;
}


static char *
ngx_http_s3jobs_endpoint(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_s3jobs_loc_conf_t *slcf = conf;

    ngx_str_t                         *value;
    ngx_uint_t                         i, flag;
    ngx_http_compile_complex_value_t   ccv;

    if (slcf->endpoint != NGX_CONF_UNSET_UINT) {
        return "is duplicate";
    }

    slcf->endpoint = 0;

    ngx_http_s3jobs_set_place(cf, &slcf->endpoint_place);

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {

        flag = ngx_strcmp(value[i].data, "fips") == 0 ? NGX_S3JOBS_FIPS
               : ngx_strcmp(value[i].data, "dualstack") == 0
                 ? NGX_S3JOBS_DUALSTACK
               : 0;

        if (flag & slcf->endpoint) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "duplicate parameter \"%V\" in \"%V\" "
                               "directive", &value[i], &cmd->name);
            return NGX_CONF_ERROR;
        }

        if (flag) {
            slcf->endpoint |= flag;
            continue;
        }

        if (i > 1) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid parameter \"%V\" in \"%V\" "
                               "directive, it must be \"fips\" or "
                               "\"dualstack\"", &value[i], &cmd->name);
            return NGX_CONF_ERROR;
        }

        slcf->host = ngx_palloc(cf->pool, sizeof(ngx_http_complex_value_t));
        if (slcf->host == NULL) {
            return NGX_CONF_ERROR;
        }

        ngx_memzero(&ccv, sizeof(ngx_http_compile_complex_value_t));

        ccv.cf = cf;
        ccv.value = &value[i];
        ccv.complex_value = slcf->host;

        if (ngx_http_compile_complex_value(&ccv) != NGX_OK) {
            return NGX_CONF_ERROR;
        }

        if (slcf->host->lengths == NULL
            && !ngx_s3jobs_host_valid(&slcf->host->value))
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid host \"%V\" in \"%V\" directive",
                               &value[i], &cmd->name);
            return NGX_CONF_ERROR;
        }
    }

    if (slcf->host && slcf->endpoint) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"fips\" and \"dualstack\" choose among AWS's own "
                           "endpoints, not with the host \"%V\" in \"%V\" "
                           "directive", &value[1], &cmd->name);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


/* without a buffer nothing would be known before the header is sent */

static char *
ngx_http_s3jobs_status(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    char                         *rv;
    ngx_http_core_loc_conf_t     *clcf;
    ngx_http_s3jobs_main_conf_t  *smcf;

    rv = ngx_conf_set_enum_slot(cf, cmd, conf);

    if (rv != NGX_CONF_OK) {
        return rv;
    }

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    clcf->handler = ngx_http_s3jobs_status_handler;

    smcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_s3jobs_module);
    smcf->status = 1;

    return NGX_CONF_OK;
}


static char *
ngx_http_s3jobs_not_zero(ngx_conf_t *cf, void *post, void *data)
{
    size_t *sp = data;

    return *sp ? NGX_CONF_OK : "must not be 0";
}


void *
ngx_http_s3jobs_create_loc_conf(ngx_conf_t *cf)
{
    ngx_http_s3jobs_loc_conf_t  *slcf;

    slcf = ngx_pcalloc(cf->pool, sizeof(ngx_http_s3jobs_loc_conf_t));
    if (slcf == NULL) {
        return NULL;
    }

    /*
     * set by ngx_pcalloc():
     *
     *     slcf->account = NULL;
     *     slcf->region = NULL;
     *     slcf->credentials = NULL;
     *     slcf->source = NULL;
     *     slcf->host = NULL;
     *     slcf->job = NULL;
     *     slcf->merge = NULL;
     *     slcf->..._place = { NULL, 0 };
     *     slcf->proxy_conf = NULL;
     */

    slcf->enable = NGX_CONF_UNSET;
    slcf->endpoint = NGX_CONF_UNSET_UINT;
    slcf->json = NGX_CONF_UNSET_UINT;
    slcf->status = NGX_CONF_UNSET_UINT;
    slcf->json_buffer_size = NGX_CONF_UNSET_SIZE;
    slcf->credentials_timeout = NGX_CONF_UNSET_MSEC;
    slcf->max_pages = NGX_CONF_UNSET;
    slcf->tries = NGX_CONF_UNSET_UINT;

    return slcf;
}


char *
ngx_http_s3jobs_merge_loc_conf(ngx_conf_t *cf, void *parent, void *child)
{
    ngx_http_s3jobs_loc_conf_t *prev = parent;
    ngx_http_s3jobs_loc_conf_t *conf = child;

    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (clcf->noname) {

        /* in "if" and "limit_except" the handler is that around them */

        conf->merge = prev->merge;
        conf->status = prev->status;
    }

    if (conf->enable_place.file == NULL) {
        conf->enable_place = prev->enable_place;
        conf->proxy_conf = prev->proxy_conf;
    }

    ngx_conf_merge_value(conf->enable, prev->enable, 0);

    if (conf->account == NULL) {
        conf->account = prev->account;
    }

    if (conf->region == NULL) {
        conf->region = prev->region;
    }

    if (conf->credentials == NULL) {
        conf->credentials = prev->credentials;
        conf->credentials_place = prev->credentials_place;
    }

    if (conf->endpoint == NGX_CONF_UNSET_UINT) {
        conf->host = prev->host;
        conf->endpoint_place = prev->endpoint_place;
    }

    ngx_conf_merge_uint_value(conf->endpoint, prev->endpoint, 0);

    ngx_conf_merge_uint_value(conf->json, prev->json,
                              NGX_HTTP_S3JOBS_JSON_OFF);
    ngx_conf_merge_size_value(conf->json_buffer_size, prev->json_buffer_size,
                              64 * 1024);
    ngx_conf_merge_msec_value(conf->credentials_timeout,
                              prev->credentials_timeout, 5000);
    ngx_conf_merge_value(conf->max_pages, prev->max_pages, 1);

    if (conf->tries == NGX_CONF_UNSET_UINT) {
        conf->tries_time = prev->tries_time ? prev->tries_time : 10000;
    }

    ngx_conf_merge_uint_value(conf->tries, prev->tries, 3);

    if (conf->job == NULL) {
        conf->job = prev->job;
    }

    if (!conf->enable) {
        return ngx_http_s3jobs_check_off(cf, conf);
    }

    return ngx_http_s3jobs_check_loc_conf(cf, conf);
}


static char *
ngx_http_s3jobs_check_loc_conf(ngx_conf_t *cf,
    ngx_http_s3jobs_loc_conf_t *slcf)
{
    const char                   *missing;
    ngx_http_core_loc_conf_t     *clcf;
    ngx_http_s3jobs_main_conf_t  *smcf;

    smcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_s3jobs_module);
    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    smcf->used = 1;

    missing = slcf->account == NULL ? "s3jobs_account"
              : slcf->region == NULL ? "s3jobs_region"
              : slcf->credentials == NULL ? "s3jobs_credentials"
              : NULL;

    if (missing) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"s3jobs on\" in location \"%V\" has no \"%s\" "
                      "in %s:%ui", &clcf->name, missing,
                      slcf->enable_place.file, slcf->enable_place.line);
        return NGX_CONF_ERROR;
    }

    if (slcf->credentials->lengths == NULL) {
        slcf->source = ngx_http_s3jobs_find_source(&smcf->sources,
                                                   &slcf->credentials->value);
        if (slcf->source == NULL) {
            ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                          "unknown credentials source \"%V\" in "
                          "\"s3jobs_credentials\" directive, no "
                          "\"s3jobs_credentials_source\" defines it in "
                          "%s:%ui", &slcf->credentials->value,
                          slcf->credentials_place.file,
                          slcf->credentials_place.line);
            return NGX_CONF_ERROR;
        }

        slcf->source->named = 1;
    }

    if ((slcf->endpoint & NGX_S3JOBS_FIPS)
        && slcf->region->lengths == NULL
        && !ngx_s3jobs_region_fips(&slcf->region->value))
    {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"fips\" in \"s3jobs_endpoint\" directive is not "
                      "offered in region \"%V\" in %s:%ui",
                      &slcf->region->value, slcf->endpoint_place.file,
                      slcf->endpoint_place.line);
        return NGX_CONF_ERROR;
    }

    if (ngx_http_s3jobs_check_lines(cf, slcf) != NGX_CONF_OK) {
        return NGX_CONF_ERROR;
    }

    return ngx_http_s3jobs_set_fixed(cf, slcf);
}


/* what is the same for every request is made once */

static char *
ngx_http_s3jobs_set_fixed(ngx_conf_t *cf, ngx_http_s3jobs_loc_conf_t *slcf)
{
    u_char      *p;
    ngx_str_t   *account, *region;

    if (slcf->account->lengths || slcf->region->lengths
        || (slcf->host && slcf->host->lengths))
    {
        return NGX_CONF_OK;
    }

    account = &slcf->account->value;
    region = &slcf->region->value;

    p = ngx_pnalloc(cf->pool, account->len + 1 + region->len + 1
                              + NGX_S3JOBS_ENDPOINT_MAX);
    if (p == NULL) {
        return NGX_CONF_ERROR;
    }

    slcf->fixed_key.data = p;
    p = ngx_http_s3jobs_key_write(p, account, region);
    slcf->fixed_key.len = p - slcf->fixed_key.data;

    if (slcf->host) {
        slcf->fixed_host = slcf->host->value;
        return NGX_CONF_OK;
    }

    slcf->fixed_host.data = p;
    p = ngx_s3jobs_endpoint_write(p, account, region, slcf->endpoint);
    slcf->fixed_host.len = p - slcf->fixed_host.data;

    return NGX_CONF_OK;
}
