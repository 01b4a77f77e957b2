
/*
 * Copyright (C) the ngx_s3jobs_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include <pwd.h>

#include "ngx_s3jobs_chars.h"
#include "ngx_http_s3jobs_provider.h"


/* of a name of a variable, or of a user */
#define NGX_HTTP_S3JOBS_NAME_MAX  256


static u_char *ngx_http_s3jobs_variables(u_char *p, u_char *last,
    ngx_str_t *path);
static size_t ngx_http_s3jobs_variable(u_char *p, u_char *last,
    ngx_str_t *value);
static size_t ngx_http_s3jobs_tilde(u_char *p, u_char *last,
    ngx_str_t *home);

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
ngx_http_s3jobs_source_home(ngx_conf_t *cf, ngx_str_t *path)
{
    u_char     *p, *last, buf[NGX_MAX_PATH];
    size_t      n;
    ngx_str_t   home;

    last = buf + sizeof(buf);

    p = ngx_http_s3jobs_variables(buf, last, path);

    if (p == last) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "path \"%V\" is too long",
                           path);
        return NGX_ERROR;
    }

    n = ngx_http_s3jobs_tilde(buf, p, &home);

    path->data = ngx_pnalloc(cf->pool, home.len + (p - buf) - n + 1);
    if (path->data == NULL) {
        return NGX_ERROR;
    }

    path->len = ngx_sprintf(path->data, "%V%*s%Z", &home,
                            (size_t) (p - buf) - n, buf + n)
                - path->data - 1;

    if (path->len == 0) {
        ngx_str_set(path, "/");
    }

    return ngx_conf_full_name(cf->cycle, path, 1);
}


static u_char *
ngx_http_s3jobs_variables(u_char *p, u_char *last, ngx_str_t *path)
{
    u_char     *src, *end;
    size_t      n;
    ngx_str_t   value;

    src = path->data;
    end = src + path->len;

    while (src < end && p < last) {
        n = ngx_http_s3jobs_variable(src, end, &value);

        if (n) {
            p = ngx_slprintf(p, last, "%V", &value);
            src += n;

        } else {
            *p++ = *src++;
        }
    }

    /* what it points to may be uninitialized, it is not */

    /* cppcheck-suppress uninitvar */
    return p;
}


/* how long "$NAME" or "${NAME}" is, 0: no variable, or none that is set */

static size_t
ngx_http_s3jobs_variable(u_char *p, u_char *last, ngx_str_t *value)
{
    u_char  *start, *end, name[NGX_HTTP_S3JOBS_NAME_MAX];

    if (*p != '$') {
        return 0;
    }

    start = p + 1;

    if (start < last && *start == '{') {
        end = ngx_strlchr(++start, last, '}');

        if (end == NULL) {
            return 0;
        }

    } else {
        end = start + ngx_s3jobs_span(start, last,
                                      NGX_S3JOBS_CHAR_DIGIT
                                      |NGX_S3JOBS_CHAR_ALPHA
                                      |NGX_S3JOBS_CHAR_UNDERSCORE);
    }

    if (end == start || end - start >= NGX_HTTP_S3JOBS_NAME_MAX) {
        return 0;
    }

    (void) ngx_cpystrn(name, start, end - start + 1);

    ngx_http_s3jobs_getenv((char *) name, value);

    if (value->data == NULL) {
        return 0;
    }

    return end - p + (end < last && p[1] == '{');
}


/* how long "~" or "~user" is, 0: nothing of that kind, or nobody's */

static size_t
ngx_http_s3jobs_tilde(u_char *p, u_char *last, ngx_str_t *home)
{
    u_char         *end, name[NGX_HTTP_S3JOBS_NAME_MAX];
    struct passwd  *pw;

    ngx_str_null(home);

    if (p == last || *p != '~') {
        return 0;
    }

    end = ngx_strlchr(p, last, '/');

    if (end == NULL) {
        end = last;
    }

    if (end - p == 1) {
        ngx_http_s3jobs_getenv("HOME", home);
        pw = home->data ? NULL : getpwuid(getuid());

    } else if (end - p <= NGX_HTTP_S3JOBS_NAME_MAX) {
        (void) ngx_cpystrn(name, p + 1, end - p);
        pw = getpwnam((char *) name);

    } else {
        return 0;
    }

    if (pw) {
        home->data = (u_char *) pw->pw_dir;
        home->len = ngx_strlen(pw->pw_dir);
    }

    if (home->data == NULL) {
        return 0;
    }

    while (home->len && home->data[home->len - 1] == '/') {
        home->len--;
    }

    return end - p;
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
