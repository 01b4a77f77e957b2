
/*
 * Copyright (C) the ngx_s3jobs_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include <openssl/crypto.h>

#include "ngx_s3jobs_chars.h"
#include "ngx_http_s3jobs_provider.h"
#include "ngx_http_s3jobs_refresh.h"


#define NGX_HTTP_S3JOBS_STS_CONNECT       3000
#define NGX_HTTP_S3JOBS_STS_TIMEOUT       10000

#define NGX_HTTP_S3JOBS_STS_DURATION_MIN  900
#define NGX_HTTP_S3JOBS_STS_DURATION_MAX  43200

/* content-type, host, x-amz-date, x-amz-security-token; authorization */
#define NGX_HTTP_S3JOBS_STS_HEADERS       5

#define NGX_HTTP_S3JOBS_STS_TYPE                                              \
    "application/x-www-form-urlencoded; charset=utf-8"


typedef struct {
    ngx_str_t                 from;
    ngx_str_t                 role_arn;
    ngx_str_t                 token_file;
    ngx_str_t                 session_name;
    ngx_str_t                 external_id;
    ngx_str_t                 duration;
    ngx_str_t                 region;
    ngx_str_t                 endpoint;

    ngx_str_t                 host;
    ngx_keyval_t              headers[NGX_HTTP_S3JOBS_STS_HEADERS];
    u_char                    date[NGX_S3JOBS_DATE_LEN];
    ngx_http_s3jobs_fetch_t   fetch;
} ngx_http_s3jobs_sts_t;


static ngx_int_t ngx_http_s3jobs_web_identity_configured(ngx_conf_t *cf,
    ngx_http_s3jobs_source_t *source);
static char *ngx_http_s3jobs_web_identity_configure(ngx_conf_t *cf,
    ngx_http_s3jobs_source_t *source);
static char *ngx_http_s3jobs_assume_role_configure(ngx_conf_t *cf,
    ngx_http_s3jobs_source_t *source);
static ngx_int_t ngx_http_s3jobs_sts_duration(ngx_conf_t *cf,
    ngx_str_t *value);
static char *ngx_http_s3jobs_sts_configure(ngx_conf_t *cf,
    ngx_http_s3jobs_source_t *source);
static ngx_int_t ngx_http_s3jobs_sts_check(ngx_conf_t *cf, ngx_str_t *value,
    const char *name, size_t min, size_t max, ngx_uint_t class);
static ngx_int_t ngx_http_s3jobs_sts_endpoint(ngx_conf_t *cf,
    ngx_http_s3jobs_source_t *source, ngx_http_s3jobs_sts_t *sts);
static ngx_int_t ngx_http_s3jobs_web_identity_fetch(
    ngx_http_s3jobs_source_t *source);
static ngx_int_t ngx_http_s3jobs_assume_role_fetch(
    ngx_http_s3jobs_source_t *source);
static ngx_int_t ngx_http_s3jobs_sts_body(ngx_http_s3jobs_source_t *source,
    const char *action, ngx_str_t *token);
static u_char *ngx_http_s3jobs_sts_argument(u_char *p, const char *name,
    ngx_str_t *value);
static ngx_int_t ngx_http_s3jobs_sts_sign(ngx_http_s3jobs_source_t *source,
    ngx_http_s3jobs_body_t *with, ngx_str_t *authorization);
static void ngx_http_s3jobs_sts_answer(ngx_http_s3jobs_fetch_t *f);


static ngx_http_s3jobs_option_t  ngx_http_s3jobs_web_identity_options[] = {
    ngx_http_s3jobs_option(ngx_http_s3jobs_sts_t, role_arn, 0),
    ngx_http_s3jobs_option(ngx_http_s3jobs_sts_t, token_file, 0),
    ngx_http_s3jobs_option(ngx_http_s3jobs_sts_t, session_name, 0),
    ngx_http_s3jobs_option(ngx_http_s3jobs_sts_t, region, 0),
    ngx_http_s3jobs_option(ngx_http_s3jobs_sts_t, endpoint, 0),
    ngx_http_s3jobs_last_option
};


ngx_http_s3jobs_provider_t  ngx_http_s3jobs_web_identity_provider = {
    ngx_string("web_identity"),
    sizeof(ngx_http_s3jobs_sts_t),
    ngx_http_s3jobs_web_identity_options,
    ngx_http_s3jobs_web_identity_configure,
    ngx_http_s3jobs_refresh_start,
    ngx_http_s3jobs_web_identity_configured,
    ngx_http_s3jobs_web_identity_fetch
};


static ngx_http_s3jobs_option_t  ngx_http_s3jobs_assume_role_options[] = {
    ngx_http_s3jobs_option(ngx_http_s3jobs_sts_t, from,
                           NGX_HTTP_S3JOBS_REQUIRED|NGX_HTTP_S3JOBS_SOURCE),
    ngx_http_s3jobs_option(ngx_http_s3jobs_sts_t, role_arn,
                           NGX_HTTP_S3JOBS_REQUIRED),
    ngx_http_s3jobs_option(ngx_http_s3jobs_sts_t, external_id, 0),
    ngx_http_s3jobs_option(ngx_http_s3jobs_sts_t, session_name, 0),
    ngx_http_s3jobs_option(ngx_http_s3jobs_sts_t, duration, 0),
    ngx_http_s3jobs_option(ngx_http_s3jobs_sts_t, region, 0),
    ngx_http_s3jobs_option(ngx_http_s3jobs_sts_t, endpoint, 0),
    ngx_http_s3jobs_last_option
};


ngx_http_s3jobs_provider_t  ngx_http_s3jobs_assume_role_provider = {
    ngx_string("assume_role"),
    sizeof(ngx_http_s3jobs_sts_t),
    ngx_http_s3jobs_assume_role_options,
    ngx_http_s3jobs_assume_role_configure,
    ngx_http_s3jobs_refresh_start,
    NULL,
    ngx_http_s3jobs_assume_role_fetch
};


static ngx_int_t
ngx_http_s3jobs_web_identity_configured(ngx_conf_t *cf,
    ngx_http_s3jobs_source_t *source)
{
    ngx_str_t  value;

    ngx_http_s3jobs_getenv("AWS_WEB_IDENTITY_TOKEN_FILE", &value);

    return value.len ? NGX_OK : NGX_DECLINED;
}


static char *
ngx_http_s3jobs_web_identity_configure(ngx_conf_t *cf,
    ngx_http_s3jobs_source_t *source)
{
    ngx_http_s3jobs_sts_t  *sts;

    sts = source->data;

    ngx_http_s3jobs_source_default(&sts->role_arn, "AWS_ROLE_ARN");
    ngx_http_s3jobs_source_default(&sts->session_name,
                                   "AWS_ROLE_SESSION_NAME");

    if (ngx_http_s3jobs_source_path(cf, &sts->token_file,
                                    "AWS_WEB_IDENTITY_TOKEN_FILE")
        != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    if (sts->token_file.len == 0) {
        ngx_http_s3jobs_source_idle(cf, source, "neither \"token_file=\" nor "
                                    "AWS_WEB_IDENTITY_TOKEN_FILE");
        return NGX_CONF_OK;
    }

    if (sts->role_arn.len == 0) {
        ngx_http_s3jobs_source_idle(cf, source, "neither \"role_arn=\" nor "
                                    "AWS_ROLE_ARN");
        return NGX_CONF_OK;
    }

    return ngx_http_s3jobs_sts_configure(cf, source);
}


static char *
ngx_http_s3jobs_assume_role_configure(ngx_conf_t *cf,
    ngx_http_s3jobs_source_t *source)
{
    ngx_http_s3jobs_sts_t  *sts;

    sts = source->data;

    if (ngx_http_s3jobs_sts_duration(cf, &sts->duration) != NGX_OK
        || ngx_http_s3jobs_sts_check(cf, &sts->external_id, "external_id",
                                     2, 1224, NGX_S3JOBS_CHARS_ARN)
           != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    return ngx_http_s3jobs_sts_configure(cf, source);
}


/* the parameter becomes what STS takes, digits only */

static ngx_int_t
ngx_http_s3jobs_sts_duration(ngx_conf_t *cf, ngx_str_t *value)
{
    u_char     *p;
    ngx_int_t   duration;

    if (value->len == 0) {
        return NGX_OK;
    }

    duration = ngx_parse_time(value, 1);

    if (duration == NGX_ERROR
        || duration < NGX_HTTP_S3JOBS_STS_DURATION_MIN
        || duration > NGX_HTTP_S3JOBS_STS_DURATION_MAX)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid parameter \"duration=%V\" in "
                           "\"s3jobs_credentials_source\" directive, it must "
                           "be from 15m to 12h", value);
        return NGX_ERROR;
    }

    p = ngx_pnalloc(cf->pool, NGX_INT_T_LEN);
    if (p == NULL) {
        return NGX_ERROR;
    }

    value->len = ngx_sprintf(p, "%i", duration) - p;
    value->data = p;

    return NGX_OK;
}


static char *
ngx_http_s3jobs_sts_configure(ngx_conf_t *cf,
    ngx_http_s3jobs_source_t *source)
{
    ngx_str_t                *arn;
    ngx_http_s3jobs_sts_t    *sts;
    ngx_http_s3jobs_fetch_t  *f;

    sts = source->data;
    arn = &sts->role_arn;

    if (sts->session_name.len == 0) {
        ngx_str_set(&sts->session_name, "ngx-s3jobs");
    }

    if (ngx_http_s3jobs_sts_check(cf, &sts->session_name, "session_name",
                                  2, 64, NGX_S3JOBS_CHARS_IAM)
        != NGX_OK
        || ngx_http_s3jobs_sts_check(cf, arn, "role_arn", 20, 2048,
                                     NGX_S3JOBS_CHARS_ARN)
           != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    if (ngx_strncmp(arn->data, "arn:", 4) != 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid parameter \"role_arn=%V\" in "
                           "\"s3jobs_credentials_source\" directive, it must "
                           "begin with \"arn:\"", arn);
        return NGX_CONF_ERROR;
    }

    if (ngx_http_s3jobs_sts_endpoint(cf, source, sts) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    if (ngx_s3jobs_sigv4_init() != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    f = &sts->fetch;

    f->method = "POST";
    f->headers = sts->headers;
    f->connect_timeout = NGX_HTTP_S3JOBS_STS_CONNECT;
    f->timeout = NGX_HTTP_S3JOBS_STS_TIMEOUT;
    f->handler = ngx_http_s3jobs_sts_answer;
    f->data = source;

    source->refresh.fetch = f;

    return NGX_CONF_OK;
}


/* lengths and patterns are those of the API */

static ngx_int_t
ngx_http_s3jobs_sts_check(ngx_conf_t *cf, ngx_str_t *value,
    const char *name, size_t min, size_t max, ngx_uint_t class)
{
    if (value->len == 0) {
        return NGX_OK;
    }

    if (value->len >= min && value->len <= max
        && ngx_s3jobs_span(value->data, value->data + value->len, class)
           == value->len)
    {
        return NGX_OK;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid parameter \"%s=%V\" in "
                       "\"s3jobs_credentials_source\" directive, it must be "
                       "%uz to %uz letters, digits and \"%s\"",
                       name, value, min, max,
                       class == NGX_S3JOBS_CHARS_IAM ? "_+=,.@-"
                                                     : "_+=,.@:/-");

    return NGX_ERROR;
}


static ngx_int_t
ngx_http_s3jobs_sts_endpoint(ngx_conf_t *cf,
    ngx_http_s3jobs_source_t *source, ngx_http_s3jobs_sts_t *sts)
{
    u_char            *p;
    size_t             len;
    ngx_str_t         *region, *endpoint, *suffix;
    ngx_s3jobs_url_t   url;

    region = &sts->region;
    endpoint = &sts->endpoint;

    ngx_http_s3jobs_source_default(region, "AWS_REGION");
    ngx_http_s3jobs_source_default(region, "AWS_DEFAULT_REGION");

    if (region->len && !ngx_s3jobs_region_valid(region)) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid region \"%V\" of credentials source "
                           "\"%V\" in \"s3jobs_credentials_source\" directive",
                           region, &source->name);
        return NGX_ERROR;
    }

    ngx_http_s3jobs_source_default(endpoint, "AWS_ENDPOINT_URL_STS");

    if (endpoint->len == 0 && region->len) {
        suffix = ngx_s3jobs_region_suffix(region);

        len = sizeof("https://sts..") + region->len + suffix->len;

        p = ngx_pnalloc(cf->pool, len);
        if (p == NULL) {
            return NGX_ERROR;
        }

        endpoint->len = ngx_sprintf(p, "https://sts.%V.%V%Z", region, suffix)
                        - p - 1;
        endpoint->data = p;

    } else if (endpoint->len == 0) {
        ngx_str_set(endpoint, "https://sts.amazonaws.com");
    }

    if (ngx_http_s3jobs_source_endpoint(cf, source, endpoint, NULL, &url)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (region->len == 0) {
        ngx_str_set(region, "us-east-1");
    }

    sts->host = url.header;
    sts->fetch.url = *endpoint;
    sts->fetch.shown = *endpoint;
    sts->fetch.proxy = !url.loopback;

    return NGX_OK;
}


static ngx_int_t
ngx_http_s3jobs_web_identity_fetch(ngx_http_s3jobs_source_t *source)
{
    u_char                 *buf;
    ngx_str_t               token;
    ngx_http_s3jobs_sts_t  *sts;

    sts = source->data;

    buf = ngx_alloc(NGX_HTTP_S3JOBS_TOKEN_BUFFER, ngx_cycle->log);
    if (buf == NULL) {
        ngx_http_s3jobs_refresh_failed(source, "no memory");
        return NGX_OK;
    }

    ngx_str_set(&sts->headers[0].key, "content-type");
    ngx_str_set(&sts->headers[0].value, NGX_HTTP_S3JOBS_STS_TYPE);
    ngx_str_set(&sts->headers[1].key, "host");
    sts->headers[1].value = sts->host;
    sts->fetch.nheaders = 2;

    if (ngx_http_s3jobs_refresh_token(source, &sts->token_file, buf, &token)
        == NGX_OK
        && ngx_http_s3jobs_sts_body(source, "AssumeRoleWithWebIdentity",
                                    &token)
           == NGX_OK)
    {
        (void) ngx_http_s3jobs_refresh_fetch(source);
    }

    OPENSSL_cleanse(buf, NGX_HTTP_S3JOBS_TOKEN_BUFFER);
    ngx_free(buf);

    return NGX_OK;
}


static ngx_int_t
ngx_http_s3jobs_assume_role_fetch(ngx_http_s3jobs_source_t *source)
{
    ngx_int_t                rc;
    ngx_str_t                authorization;
    ngx_http_s3jobs_body_t  *with;

    with = ngx_alloc(sizeof(ngx_http_s3jobs_body_t), ngx_cycle->log);
    if (with == NULL) {
        ngx_http_s3jobs_refresh_failed(source, "no memory");
        return NGX_OK;
    }

    rc = ngx_http_s3jobs_copy_credentials(source->from, with);

    if (rc != NGX_OK) {
        OPENSSL_cleanse(with, sizeof(ngx_http_s3jobs_body_t));
        ngx_free(with);

        /* both start at the same time */

        if (ngx_http_s3jobs_refresh_awaited(source->from)) {
            return NGX_AGAIN;
        }

        ngx_http_s3jobs_refresh_failed(source, "source \"%V\", which it signs "
                                       "with, has no usable credentials",
                                       &source->from->name);
        return NGX_OK;
    }

    if (ngx_http_s3jobs_sts_body(source, "AssumeRole", NULL) == NGX_OK) {

        if (ngx_http_s3jobs_sts_sign(source, with, &authorization) == NGX_OK) {
            (void) ngx_http_s3jobs_refresh_fetch(source);

        } else {
            ngx_http_s3jobs_fetch_free(source->refresh.fetch);
        }

        if (authorization.data) {
            ngx_free(authorization.data);
        }
    }

    OPENSSL_cleanse(with, sizeof(ngx_http_s3jobs_body_t));
    ngx_free(with);

    return NGX_OK;
}


/* on NGX_DECLINED the refresh has failed */

static ngx_int_t
ngx_http_s3jobs_sts_body(ngx_http_s3jobs_source_t *source, const char *action,
    ngx_str_t *token)
{
    u_char                   *p;
    size_t                    len;
    ngx_http_s3jobs_sts_t    *sts;
    ngx_http_s3jobs_fetch_t  *f;

    sts = source->data;
    f = &sts->fetch;

    len = sizeof("Action=AssumeRoleWithWebIdentity&Version=2011-06-15"
                 "&RoleArn=&RoleSessionName=&WebIdentityToken=&ExternalId="
                 "&DurationSeconds=")
          + 3 * (sts->role_arn.len + sts->session_name.len
                 + sts->external_id.len + sts->duration.len
                 + (token ? token->len : 0));

    p = ngx_alloc(len, ngx_cycle->log);
    if (p == NULL) {
        ngx_http_s3jobs_refresh_failed(source, "no memory");
        return NGX_DECLINED;
    }

    f->body.data = p;

    p = ngx_sprintf(p, "Action=%s&Version=2011-06-15", action);
    p = ngx_http_s3jobs_sts_argument(p, "RoleArn", &sts->role_arn);
    p = ngx_http_s3jobs_sts_argument(p, "RoleSessionName",
                                     &sts->session_name);

    if (sts->external_id.len) {
        p = ngx_http_s3jobs_sts_argument(p, "ExternalId",
                                         &sts->external_id);
    }

    if (sts->duration.len) {
        p = ngx_http_s3jobs_sts_argument(p, "DurationSeconds",
                                         &sts->duration);
    }

    if (token) {
        p = ngx_http_s3jobs_sts_argument(p, "WebIdentityToken", token);
    }

    f->body.len = p - f->body.data;

    return NGX_OK;
}


static u_char *
ngx_http_s3jobs_sts_argument(u_char *p, const char *name, ngx_str_t *value)
{
    p = ngx_sprintf(p, "&%s=", name);

    return (u_char *) ngx_escape_uri(p, value->data, value->len,
                                     NGX_ESCAPE_URI_COMPONENT);
}


static ngx_int_t
ngx_http_s3jobs_sts_sign(ngx_http_s3jobs_source_t *source,
    ngx_http_s3jobs_body_t *with, ngx_str_t *authorization)
{
    u_char                  hash[NGX_S3JOBS_SHA256_HEX_LEN];
    u_char                  key[NGX_S3JOBS_SHA256_LEN];
    ngx_int_t               rc;
    ngx_str_t               secret, key_id;
    ngx_uint_t              n;
    ngx_keyval_t           *h;
    ngx_s3jobs_sigv4_t      s;
    ngx_http_s3jobs_sts_t  *sts;

    sts = source->data;
    h = sts->headers;

    ngx_s3jobs_sigv4_date(sts->date, ngx_time());

    key_id.data = with->key_id;
    key_id.len = with->key_id_len;
    secret.data = with->secret;
    secret.len = with->secret_len;

    ngx_str_set(&h[0].key, "content-type");
    ngx_str_set(&h[0].value, NGX_HTTP_S3JOBS_STS_TYPE);
    ngx_str_set(&h[1].key, "host");
    h[1].value = sts->host;
    ngx_str_set(&h[2].key, "x-amz-date");
    h[2].value.data = sts->date;
    h[2].value.len = NGX_S3JOBS_DATE_LEN;
    ngx_str_set(&h[3].key, "x-amz-security-token");
    h[3].value.data = with->token;
    h[3].value.len = with->token_len;

    n = with->token_len ? 4 : 3;

    ngx_str_set(&s.method, "POST");
    ngx_str_set(&s.path, "/");
    ngx_str_null(&s.query);
    s.headers = h;
    s.nheaders = n;
    s.payload_hash.data = hash;
    s.payload_hash.len = NGX_S3JOBS_SHA256_HEX_LEN;
    s.date = h[2].value;
    s.region = sts->region;
    ngx_str_set(&s.service, "sts");

    ngx_str_set(&h[n].key, "authorization");

    authorization->len = ngx_s3jobs_sigv4_length(&s, &key_id);
    authorization->data = ngx_alloc(authorization->len, ngx_cycle->log);

    h[n].value = *authorization;
    sts->fetch.nheaders = n + 1;

    if (authorization->data
        && ngx_s3jobs_sha256_hex(hash, &sts->fetch.body) == NGX_OK
        && ngx_s3jobs_sigv4_key(key, &secret, &s.date, &s.region, &s.service)
           == NGX_OK
        && ngx_s3jobs_sigv4_sign(authorization->data, &s, &key_id, key))
    {
        rc = NGX_OK;

    } else {
        rc = NGX_DECLINED;
        ngx_http_s3jobs_refresh_failed(source, "signing failed");
    }

    OPENSSL_cleanse(key, sizeof(key));

    return rc;
}


static void
ngx_http_s3jobs_sts_answer(ngx_http_s3jobs_fetch_t *f)
{
    ngx_http_s3jobs_refresh_answer(f->data, ngx_s3jobs_credentials_xml,
                                   NGX_S3JOBS_DOC_TEMPORARY);
}
