
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

/* an IAM path and name are shorter; each byte may become three */
#define NGX_HTTP_S3JOBS_IMDS_ROLE_MAX   1024

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
static ngx_int_t ngx_http_s3jobs_imds_name(ngx_str_t *text, ngx_str_t *name);
static ngx_uint_t ngx_http_s3jobs_imds_dots(u_char *p, u_char *last);
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
                          + 3 * NGX_HTTP_S3JOBS_IMDS_ROLE_MAX);
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
    f->shown = f->url;

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
        p = (u_char *) ngx_escape_uri(p, role->data, role->len,
                                      NGX_ESCAPE_URI);
    }

    *p = '\0';

    f->url.len = p - im->url;
    f->shown = f->url;
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
                  &f->shown, f->error, f->timed_out
                  ? ", which in a container often means that the hop limit of "
                    "the instance's metadata must be raised to 2" : "");
        return;
    }

    if (f->status != 200) {
        ngx_http_s3jobs_refresh_failed(im->source, "%V answered %ui",
                                       &f->shown, f->status);
        return;
    }

    for (i = 0; i < f->answer.len; i++) {
        if (f->answer.data[i] <= ' ' || f->answer.data[i] >= 0x7f) {
            break;
        }
    }

    if (i == 0 || i < f->answer.len || i > NGX_HTTP_S3JOBS_IMDS_TOKEN_MAX) {
        ngx_http_s3jobs_refresh_failed(im->source, "%V gave no token",
                                       &f->shown);
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
    ngx_str_t                role;
    ngx_http_s3jobs_imds_t  *im = f->data;

    if (ngx_http_s3jobs_imds_denied(im)) {
        return;
    }

    if (f->status == 0) {
        ngx_http_s3jobs_refresh_failed(im->source, "%V: %s", &f->shown,
                                       f->error);
        return;
    }

    if (f->status == 404) {
        ngx_http_s3jobs_refresh_failed(im->source, "%V answered 404: the "
                                       "instance has no role", &f->shown);
        return;
    }

    if (f->status != 200) {
        ngx_http_s3jobs_refresh_failed(im->source, "%V answered %ui",
                                       &f->shown, f->status);
        return;
    }

    if (ngx_http_s3jobs_imds_name(&f->answer, &role) != NGX_OK) {
        ngx_http_s3jobs_refresh_failed(im->source, "%V gave no name of a role",
                                       &f->shown);
        return;
    }

    ngx_http_s3jobs_imds_get(im, &role, ngx_http_s3jobs_imds_answer);
}


/* the first line; no name leads to another place of the service */

static ngx_int_t
ngx_http_s3jobs_imds_name(ngx_str_t *text, ngx_str_t *name)
{
    u_char  *p, *last, *segment;

    p = text->data;
    last = p + text->len;
    segment = p;

    for ( ;; p++) {

        if (p == last || *p == '/' || *p < ' ') {

            if (ngx_http_s3jobs_imds_dots(segment, p)) {
                return NGX_DECLINED;
            }

            segment = p + 1;
        }

        if (p == last || *p == CR || *p == LF) {
            break;
        }

        if (*p < ' ' || *p == 0x7f) {
            return NGX_DECLINED;
        }
    }

    name->data = text->data;
    name->len = p - text->data;

    return name->len && name->len <= NGX_HTTP_S3JOBS_IMDS_ROLE_MAX
           ? NGX_OK : NGX_DECLINED;
}


static ngx_uint_t
ngx_http_s3jobs_imds_dots(u_char *p, u_char *last)
{
    return (last - p == 1 || last - p == 2)
           && *p == '.' && last[-1] == '.';
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
