
/*
 * Copyright (C) the ngx_s3jobs_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include <openssl/crypto.h>

#include "ngx_http_s3jobs_provider.h"
#include "ngx_http_s3jobs_refresh.h"


#define NGX_HTTP_S3JOBS_CONTAINER_HOST     "http://169.254.170.2"
#define NGX_HTTP_S3JOBS_CONTAINER_TIMEOUT  2000


typedef struct {
    ngx_str_t                 uri;
    ngx_str_t                 token_file;
    ngx_str_t                 token;        /* of the environment */
    ngx_keyval_t              headers[2];
    ngx_http_s3jobs_fetch_t   fetch;
} ngx_http_s3jobs_container_t;


static ngx_int_t ngx_http_s3jobs_container_configured(ngx_conf_t *cf,
    ngx_http_s3jobs_source_t *source);
static char *ngx_http_s3jobs_container_configure(ngx_conf_t *cf,
    ngx_http_s3jobs_source_t *source);
static ngx_int_t ngx_http_s3jobs_container_uri(ngx_conf_t *cf,
    ngx_str_t *uri);
static ngx_int_t ngx_http_s3jobs_container_fetch(
    ngx_http_s3jobs_source_t *source);
static void ngx_http_s3jobs_container_answer(ngx_http_s3jobs_fetch_t *f);


static ngx_http_s3jobs_option_t  ngx_http_s3jobs_container_options[] = {
    ngx_http_s3jobs_option(ngx_http_s3jobs_container_t, uri, 0),
    ngx_http_s3jobs_option(ngx_http_s3jobs_container_t, token_file, 0),
    ngx_http_s3jobs_last_option
};


ngx_http_s3jobs_provider_t  ngx_http_s3jobs_container_provider = {
    ngx_string("container"),
    sizeof(ngx_http_s3jobs_container_t),
    ngx_http_s3jobs_container_options,
    ngx_http_s3jobs_container_configure,
    ngx_http_s3jobs_refresh_start,
    ngx_http_s3jobs_container_configured,
    ngx_http_s3jobs_container_fetch
};


/* of ECS, and of EKS Pod Identity */

static const ngx_str_t  ngx_http_s3jobs_container_hosts[] = {
    ngx_string("169.254.170.2"),
    ngx_string("169.254.170.23"),
    ngx_string("fd00:ec2::23"),
    ngx_null_string
};


static ngx_int_t
ngx_http_s3jobs_container_configured(ngx_conf_t *cf,
    ngx_http_s3jobs_source_t *source)
{
    ngx_str_t  relative, full;

    ngx_http_s3jobs_getenv("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
                           &relative);
    ngx_http_s3jobs_getenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", &full);

    return relative.len || full.len ? NGX_OK : NGX_DECLINED;
}


static char *
ngx_http_s3jobs_container_configure(ngx_conf_t *cf,
    ngx_http_s3jobs_source_t *source)
{
    ngx_s3jobs_url_t              url;
    ngx_http_s3jobs_fetch_t      *f;
    ngx_http_s3jobs_container_t  *ct;

    ct = source->data;

    if (ngx_http_s3jobs_container_uri(cf, &ct->uri) != NGX_OK
        || ngx_http_s3jobs_source_path(cf, &ct->token_file,
                                    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")
           != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    if (ct->uri.len == 0) {
        ngx_http_s3jobs_source_idle(cf, source,
                                    "neither \"uri=\" nor "
                                    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI "
                                    "nor AWS_CONTAINER_CREDENTIALS_FULL_URI");
        return NGX_CONF_OK;
    }

    if (ngx_http_s3jobs_source_url(cf, source, &ct->uri,
                                   ngx_http_s3jobs_container_hosts, &url)
        != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    ngx_http_s3jobs_getenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", &ct->token);

    if (ngx_strlchr(ct->token.data, ct->token.data + ct->token.len, CR)
        || ngx_strlchr(ct->token.data, ct->token.data + ct->token.len, LF))
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "AWS_CONTAINER_AUTHORIZATION_TOKEN has a line "
                           "break, credentials source \"%V\"", &source->name);
        return NGX_CONF_ERROR;
    }

    f = &ct->fetch;

    f->method = "GET";
    f->url = ct->uri;
    f->shown = ngx_s3jobs_url_origin(&ct->uri);
    f->headers = ct->headers;
    f->connect_timeout = NGX_HTTP_S3JOBS_CONTAINER_TIMEOUT;
    f->timeout = NGX_HTTP_S3JOBS_CONTAINER_TIMEOUT;
    f->handler = ngx_http_s3jobs_container_answer;
    f->data = source;

    source->refresh.fetch = f;

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_http_s3jobs_container_uri(ngx_conf_t *cf, ngx_str_t *uri)
{
    size_t   len;
    u_char  *p;

    ngx_http_s3jobs_source_default(uri,
                                   "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");

    if (uri->len == 0) {
        ngx_http_s3jobs_source_default(uri,
                                       "AWS_CONTAINER_CREDENTIALS_FULL_URI");
        return NGX_OK;
    }

    if (uri->data[0] != '/') {
        return NGX_OK;
    }

    len = sizeof(NGX_HTTP_S3JOBS_CONTAINER_HOST) - 1 + uri->len;

    p = ngx_pnalloc(cf->pool, len + 1);
    if (p == NULL) {
        return NGX_ERROR;
    }

    (void) ngx_sprintf(p, NGX_HTTP_S3JOBS_CONTAINER_HOST "%V%Z", uri);

    uri->len = len;
    uri->data = p;

    return NGX_OK;
}


static ngx_int_t
ngx_http_s3jobs_container_fetch(ngx_http_s3jobs_source_t *source)
{
    u_char                       *buf;
    ngx_int_t                     rc;
    ngx_str_t                     token;
    ngx_http_s3jobs_container_t  *ct;

    ct = source->data;

    buf = NULL;
    rc = NGX_OK;
    token = ct->token;

    if (ct->token_file.len) {
        buf = ngx_alloc(NGX_HTTP_S3JOBS_TOKEN_BUFFER, ngx_cycle->log);
        if (buf == NULL) {
            ngx_http_s3jobs_refresh_failed(source, "no memory");
            return NGX_OK;
        }

        /* Pod Identity replaces the file */

        rc = ngx_http_s3jobs_refresh_token(source, &ct->token_file, buf,
                                           &token);
    }

    if (rc == NGX_OK) {
        ngx_str_set(&ct->headers[0].key, "Accept");
        ngx_str_set(&ct->headers[0].value, "application/json");
        ngx_str_set(&ct->headers[1].key, "Authorization");
        ct->headers[1].value = token;

        ct->fetch.nheaders = token.len ? 2 : 1;

        (void) ngx_http_s3jobs_refresh_fetch(source);
    }

    if (buf) {
        OPENSSL_cleanse(buf, NGX_HTTP_S3JOBS_TOKEN_BUFFER);
        ngx_free(buf);
    }

    return NGX_OK;
}


static void
ngx_http_s3jobs_container_answer(ngx_http_s3jobs_fetch_t *f)
{
    ngx_http_s3jobs_refresh_answer(f->data, ngx_s3jobs_credentials_json,
                                   NGX_S3JOBS_DOC_TEMPORARY);
}
