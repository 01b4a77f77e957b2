
/*
 * Copyright (C) the ngx_s3jobs_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_http_s3jobs_provider.h"
#include "ngx_http_s3jobs_refresh.h"


#define NGX_HTTP_S3JOBS_IMDS_ENDPOINT   "http://169.254.169.254"
#define NGX_HTTP_S3JOBS_IMDS_TIMEOUT    1000
#define NGX_HTTP_S3JOBS_IMDS_TTL        21600
#define NGX_HTTP_S3JOBS_IMDS_TOKEN_MAX  1024
#define NGX_HTTP_S3JOBS_IMDS_ROLE_MAX   128

#define NGX_HTTP_S3JOBS_IMDS_PUT        "/latest/api/token"
#define NGX_HTTP_S3JOBS_IMDS_ROLE                                             \
    "/latest/meta-data/iam/security-credentials/"


typedef struct {
    ngx_str_t                 endpoint;
    ngx_http_s3jobs_source_t *source;
    ngx_http_s3jobs_fetch_t   fetch;
    ngx_keyval_t              header;
    ngx_str_t                 base;
    u_char                   *url;          /* for the longest */
    time_t                    token_end;
    size_t                    token_len;    /* 0: there is none */
    u_char                    token[NGX_HTTP_S3JOBS_IMDS_TOKEN_MAX];
    unsigned                  renewed:1;    /* the token, in this fetch */
} ngx_http_s3jobs_imds_t;


static ngx_int_t ngx_http_s3jobs_imds_configured(ngx_conf_t *cf,
    ngx_http_s3jobs_source_t *source);
static char *ngx_http_s3jobs_imds_configure(ngx_conf_t *cf,
    ngx_http_s3jobs_source_t *source);
static void ngx_http_s3jobs_imds_endpoint(ngx_str_t *endpoint);
static ngx_int_t ngx_http_s3jobs_imds_fetch(ngx_http_s3jobs_source_t *source);
static void ngx_http_s3jobs_imds_put(ngx_http_s3jobs_imds_t *im);
static void ngx_http_s3jobs_imds_get(ngx_http_s3jobs_imds_t *im,
    ngx_str_t *role, void (*handler)(ngx_http_s3jobs_fetch_t *f));
static void ngx_http_s3jobs_imds_token(ngx_http_s3jobs_fetch_t *f);
static void ngx_http_s3jobs_imds_role(ngx_http_s3jobs_fetch_t *f);
static ngx_uint_t ngx_http_s3jobs_imds_denied(ngx_http_s3jobs_imds_t *im);
static void ngx_http_s3jobs_imds_answer(ngx_http_s3jobs_fetch_t *f);


static ngx_http_s3jobs_option_t  ngx_http_s3jobs_imds_options[] = {
    ngx_http_s3jobs_option(ngx_http_s3jobs_imds_t, endpoint, 0),
    ngx_http_s3jobs_last_option
};


ngx_http_s3jobs_provider_t  ngx_http_s3jobs_imds_provider = {
    ngx_string("imds"),
    sizeof(ngx_http_s3jobs_imds_t),
    ngx_http_s3jobs_imds_options,
    ngx_http_s3jobs_imds_configure,
    ngx_http_s3jobs_refresh_start,
    ngx_http_s3jobs_imds_configured,
    ngx_http_s3jobs_imds_fetch
};


static const ngx_str_t  ngx_http_s3jobs_imds_hosts[] = {
    ngx_string("169.254.169.254"),
    ngx_string("fd00:ec2::254"),
    ngx_null_string
};


/* always, unless the environment says that it is not to be used */

static ngx_int_t
ngx_http_s3jobs_imds_configured(ngx_conf_t *cf,
    ngx_http_s3jobs_source_t *source)
{
    ngx_str_t  value;

    ngx_http_s3jobs_getenv("AWS_EC2_METADATA_DISABLED", &value);

    if (value.len == 4
        && ngx_strncasecmp(value.data, (u_char *) "true", 4) == 0)
    {
        return NGX_DECLINED;
    }

    return NGX_OK;
}


static char *
ngx_http_s3jobs_imds_configure(ngx_conf_t *cf,
    ngx_http_s3jobs_source_t *source)
{
    ngx_s3jobs_url_t         url;
    ngx_http_s3jobs_imds_t  *im;

    im = source->data;

    ngx_http_s3jobs_imds_endpoint(&im->endpoint);

    if (ngx_http_s3jobs_source_endpoint(cf, source, &im->endpoint,
                                        ngx_http_s3jobs_imds_hosts, &url)
        != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    im->base = im->endpoint;
    im->base.len -= url.path.len;

    im->url = ngx_pnalloc(cf->pool, im->base.len
                          + sizeof(NGX_HTTP_S3JOBS_IMDS_ROLE)
                          + NGX_HTTP_S3JOBS_IMDS_ROLE_MAX);
    if (im->url == NULL) {
        return NGX_CONF_ERROR;
    }

    im->source = source;
    im->fetch.url.data = im->url;
    im->fetch.headers = &im->header;
    im->fetch.nheaders = 1;
    im->fetch.connect_timeout = NGX_HTTP_S3JOBS_IMDS_TIMEOUT;
    im->fetch.timeout = NGX_HTTP_S3JOBS_IMDS_TIMEOUT;
    im->fetch.data = im;

    source->refresh.fetch = &im->fetch;
    source->stale_ok = 1;

    return NGX_CONF_OK;
}


static void
ngx_http_s3jobs_imds_endpoint(ngx_str_t *endpoint)
{
    ngx_str_t  mode;

    ngx_http_s3jobs_source_default(endpoint,
                                   "AWS_EC2_METADATA_SERVICE_ENDPOINT");

    if (endpoint->len) {
        return;
    }

    ngx_http_s3jobs_getenv("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", &mode);

    if (mode.len == 4
        && ngx_strncasecmp(mode.data, (u_char *) "ipv6", 4) == 0)
    {
        ngx_str_set(endpoint, "http://[fd00:ec2::254]");

    } else {
        ngx_str_set(endpoint, NGX_HTTP_S3JOBS_IMDS_ENDPOINT);
    }
}


static ngx_int_t
ngx_http_s3jobs_imds_fetch(ngx_http_s3jobs_source_t *source)
{
    ngx_http_s3jobs_imds_t  *im;

    im = source->data;

    im->renewed = 0;

    if (im->token_len && im->token_end > ngx_time()) {
        ngx_http_s3jobs_imds_get(im, NULL, ngx_http_s3jobs_imds_role);

    } else {
        ngx_http_s3jobs_imds_put(im);
    }

    return NGX_OK;
}


static void
ngx_http_s3jobs_imds_put(ngx_http_s3jobs_imds_t *im)
{
    ngx_http_s3jobs_fetch_t  *f;

    f = &im->fetch;

    im->token_len = 0;
    im->renewed = 1;

    f->method = "PUT";
    f->handler = ngx_http_s3jobs_imds_token;
    f->url.len = ngx_sprintf(im->url, "%V" NGX_HTTP_S3JOBS_IMDS_PUT "%Z",
                             &im->base)
                 - im->url - 1;

    ngx_str_set(&im->header.key, "x-aws-ec2-metadata-token-ttl-seconds");
    ngx_str_set(&im->header.value, "21600");

    (void) ngx_http_s3jobs_refresh_fetch(im->source);
}


/* the role's credentials, or the name of the role */

static void
ngx_http_s3jobs_imds_get(ngx_http_s3jobs_imds_t *im, ngx_str_t *role,
    void (*handler)(ngx_http_s3jobs_fetch_t *f))
{
    u_char                   *p;
    ngx_http_s3jobs_fetch_t  *f;

    f = &im->fetch;

    p = ngx_sprintf(im->url, "%V" NGX_HTTP_S3JOBS_IMDS_ROLE, &im->base);

    if (role) {
        p = ngx_cpymem(p, role->data, role->len);
    }

    *p = '\0';

    f->url.len = p - im->url;
    f->method = "GET";
    f->handler = handler;

    ngx_str_set(&im->header.key, "x-aws-ec2-metadata-token");
    im->header.value.data = im->token;
    im->header.value.len = im->token_len;

    (void) ngx_http_s3jobs_refresh_fetch(im->source);
}


static void
ngx_http_s3jobs_imds_token(ngx_http_s3jobs_fetch_t *f)
{
    size_t                   i;
    ngx_http_s3jobs_imds_t  *im = f->data;

    if (f->status == 0) {
        ngx_http_s3jobs_refresh_failed(im->source, "%V: %s%s",
                  &f->url, f->error, f->timed_out
                  ? ", which in a container often means that the hop limit of "
                    "the instance's metadata must be raised to 2" : "");
        return;
    }

    if (f->status != 200) {
        ngx_http_s3jobs_refresh_failed(im->source, "%V answered %ui", &f->url,
                                       f->status);
        return;
    }

    for (i = 0; i < f->answer.len; i++) {
        if (f->answer.data[i] <= ' ' || f->answer.data[i] >= 0x7f) {
            break;
        }
    }

    if (i == 0 || i < f->answer.len || i > NGX_HTTP_S3JOBS_IMDS_TOKEN_MAX) {
        ngx_http_s3jobs_refresh_failed(im->source, "%V gave no token",
                                       &f->url);
        return;
    }

    ngx_memcpy(im->token, f->answer.data, i);
    im->token_len = i;
    im->token_end = ngx_time() + NGX_HTTP_S3JOBS_IMDS_TTL - 60;

    ngx_http_s3jobs_imds_get(im, NULL, ngx_http_s3jobs_imds_role);
}


static void
ngx_http_s3jobs_imds_role(ngx_http_s3jobs_fetch_t *f)
{
    u_char                   c;
    ngx_str_t                role;
    ngx_http_s3jobs_imds_t  *im = f->data;

    if (ngx_http_s3jobs_imds_denied(im)) {
        return;
    }

    if (f->status == 0) {
        ngx_http_s3jobs_refresh_failed(im->source, "%V: %s", &f->url,
                                       f->error);
        return;
    }

    if (f->status == 404) {
        ngx_http_s3jobs_refresh_failed(im->source, "%V answered 404: the "
                                       "instance has no role", &f->url);
        return;
    }

    if (f->status != 200) {
        ngx_http_s3jobs_refresh_failed(im->source, "%V answered %ui", &f->url,
                                       f->status);
        return;
    }

    role.data = f->answer.data;

    for (role.len = 0; role.len < f->answer.len; role.len++) {
        c = role.data[role.len];

        if (!((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z')
              || (c >= 'a' && c <= 'z') || c == '_' || c == '+' || c == '='
              || c == ',' || c == '.' || c == '@' || c == '-'))
        {
            break;
        }
    }

    if (role.len == 0
        || role.len > NGX_HTTP_S3JOBS_IMDS_ROLE_MAX
        || (role.len < f->answer.len
            && role.data[role.len] != LF && role.data[role.len] != CR))
    {
        ngx_http_s3jobs_refresh_failed(im->source, "%V gave no name of a role",
                                       &f->url);
        return;
    }

    ngx_http_s3jobs_imds_get(im, &role, ngx_http_s3jobs_imds_answer);
}


/* the token is no longer taken, after the instance was stopped, say */

static ngx_uint_t
ngx_http_s3jobs_imds_denied(ngx_http_s3jobs_imds_t *im)
{
    if (im->fetch.status != 401) {
        return 0;
    }

    im->token_len = 0;

    if (im->renewed) {
        return 0;
    }

    ngx_http_s3jobs_imds_put(im);

    return 1;
}


static void
ngx_http_s3jobs_imds_answer(ngx_http_s3jobs_fetch_t *f)
{
    ngx_http_s3jobs_imds_t  *im = f->data;

    if (ngx_http_s3jobs_imds_denied(im)) {
        return;
    }

    ngx_http_s3jobs_refresh_answer(im->source, ngx_s3jobs_credentials_json,
                                   NGX_S3JOBS_DOC_TEMPORARY);
}
