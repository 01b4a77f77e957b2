
/*
 * Copyright (C) the ngx_s3jobs_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include <openssl/crypto.h>

#include "ngx_http_s3jobs_provider.h"


#define NGX_HTTP_S3JOBS_FILE_MAX    (1024 * 1024)
#define NGX_HTTP_S3JOBS_FILE_CHECK  1000


typedef struct {
    ngx_str_t     path;
    ngx_str_t     profile;
    struct stat   info;           /* of the file as it was last read */
    unsigned      unreadable:1;   /* said so already */
} ngx_http_s3jobs_file_t;


static ngx_int_t ngx_http_s3jobs_file_configured(ngx_conf_t *cf,
    ngx_http_s3jobs_source_t *source);
static char *ngx_http_s3jobs_file_configure(ngx_conf_t *cf,
    ngx_http_s3jobs_source_t *source);
static ngx_int_t ngx_http_s3jobs_file_defaults(ngx_conf_t *cf,
    ngx_http_s3jobs_source_t *source);
static ngx_int_t ngx_http_s3jobs_file_start(ngx_cycle_t *cycle,
    ngx_http_s3jobs_source_t *source);
static void ngx_http_s3jobs_file_check(ngx_event_t *ev);
static ngx_uint_t ngx_http_s3jobs_file_same(struct stat *a, struct stat *b);
static ngx_int_t ngx_http_s3jobs_file_read(ngx_http_s3jobs_file_t *file,
    ngx_str_t *text, ngx_uint_t level, ngx_log_t *log);
static ngx_int_t ngx_http_s3jobs_file_parse(ngx_http_s3jobs_file_t *file,
    ngx_str_t *text, ngx_s3jobs_credentials_t *c, ngx_uint_t level,
    ngx_log_t *log);
static void ngx_http_s3jobs_file_free(ngx_str_t *text);


static ngx_http_s3jobs_option_t  ngx_http_s3jobs_file_options[] = {
    ngx_http_s3jobs_option(ngx_http_s3jobs_file_t, path, 0),
    ngx_http_s3jobs_option(ngx_http_s3jobs_file_t, profile, 0),
    ngx_http_s3jobs_last_option
};


ngx_http_s3jobs_provider_t  ngx_http_s3jobs_file_provider = {
    ngx_string("file"),
    sizeof(ngx_http_s3jobs_file_t),
    ngx_http_s3jobs_file_options,
    ngx_http_s3jobs_file_configure,
    ngx_http_s3jobs_file_start,
    ngx_http_s3jobs_file_configured,
    NULL
};


/* a file without the profile, or a profile without a key, is passed over */

static ngx_int_t
ngx_http_s3jobs_file_configured(ngx_conf_t *cf,
    ngx_http_s3jobs_source_t *source)
{
    ngx_int_t                  rc;
    ngx_str_t                  text;
    ngx_uint_t                 line;
    const char                *err;
    struct stat                info;
    ngx_http_s3jobs_file_t    *file;
    ngx_s3jobs_credentials_t   c;

    if (ngx_http_s3jobs_file_defaults(cf, source) != NGX_OK) {
        return NGX_ERROR;
    }

    file = source->data;

    if (stat((char *) file->path.data, &info) == -1) {
        return NGX_DECLINED;
    }

    /* what is wrong with the file, configure() says */

    if (ngx_http_s3jobs_file_read(file, &text, NGX_LOG_EMERG, cf->log)
        != NGX_OK)
    {
        return NGX_OK;
    }

    rc = ngx_s3jobs_credentials_profile(&text, &file->profile, &c, &err,
                                        &line);

    ngx_http_s3jobs_file_free(&text);

    return rc == NGX_DECLINED ? NGX_DECLINED : NGX_OK;
}


static char *
ngx_http_s3jobs_file_configure(ngx_conf_t *cf,
    ngx_http_s3jobs_source_t *source)
{
    char                      *rv;
    ngx_str_t                  text;
    ngx_http_s3jobs_file_t    *file;
    ngx_s3jobs_credentials_t   c;

    if (ngx_http_s3jobs_file_defaults(cf, source) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    rv = NGX_CONF_ERROR;
    file = source->data;

    if (ngx_http_s3jobs_file_read(file, &text, NGX_LOG_EMERG, cf->log)
        != NGX_OK)
    {
        goto failed;
    }

    if (ngx_http_s3jobs_file_parse(file, &text, &c, NGX_LOG_EMERG, cf->log)
        == NGX_OK
        && ngx_http_s3jobs_set_initial(cf, source, &c) == NGX_OK)
    {
        rv = NGX_CONF_OK;
    }

    ngx_http_s3jobs_file_free(&text);

    if (rv == NGX_CONF_OK && (file->info.st_mode & S_IROTH)) {
        ngx_conf_log_error(NGX_LOG_WARN, cf, 0,
                           "credentials file \"%V\" is readable by everybody",
                           &file->path);
    }

failed:

    if (rv != NGX_CONF_OK) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "no credentials for source \"%V\" in "
                           "\"s3jobs_credentials_source\" directive",
                           &source->name);
    }

    return rv;
}


static ngx_int_t
ngx_http_s3jobs_file_defaults(ngx_conf_t *cf,
    ngx_http_s3jobs_source_t *source)
{
    ngx_str_t                home;
    ngx_http_s3jobs_file_t  *file;

    file = source->data;

    ngx_http_s3jobs_source_default(&file->path,
                                   "AWS_SHARED_CREDENTIALS_FILE");

    if (file->path.len == 0) {
        ngx_http_s3jobs_getenv("HOME", &home);

        file->path.data = ngx_pnalloc(cf->pool, home.len
                                      + sizeof("/.aws/credentials"));
        if (file->path.data == NULL) {
            return NGX_ERROR;
        }

        file->path.len = ngx_sprintf(file->path.data, "%V/.aws/credentials%Z",
                                     &home)
                         - file->path.data - 1;
    }

    if (ngx_conf_full_name(cf->cycle, &file->path, 1) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_http_s3jobs_source_default(&file->profile, "AWS_PROFILE");

    if (file->profile.len == 0) {
        ngx_str_set(&file->profile, "default");
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_s3jobs_file_start(ngx_cycle_t *cycle,
    ngx_http_s3jobs_source_t *source)
{
    source->refresh.timer.handler = ngx_http_s3jobs_file_check;
    source->refresh.timer.data = source;
    source->refresh.timer.log = cycle->log;
    source->refresh.timer.cancelable = 1;

    ngx_add_timer(&source->refresh.timer, NGX_HTTP_S3JOBS_FILE_CHECK);

    return NGX_OK;
}


static void
ngx_http_s3jobs_file_check(ngx_event_t *ev)
{
    ngx_str_t                  text;
    struct stat                info;
    ngx_http_s3jobs_file_t    *file;
    ngx_s3jobs_credentials_t   c;
    ngx_http_s3jobs_source_t  *source;

    if (ngx_exiting || ngx_quit || ngx_terminate) {
        return;
    }

    source = ev->data;
    file = source->data;

    ngx_add_timer(ev, NGX_HTTP_S3JOBS_FILE_CHECK);

    if (stat((char *) file->path.data, &info) == -1) {
        if (!file->unreadable) {
            file->unreadable = 1;
            ngx_log_error(NGX_LOG_WARN, ev->log, ngx_errno,
                          "stat() \"%V\" failed, the credentials read before "
                          "stay in use", &file->path);
        }

        return;
    }

    if (ngx_http_s3jobs_file_same(&info, &file->info)) {
        file->unreadable = 0;
        return;
    }

    /* a file that cannot be read or used is not tried until it changes */

    file->info = info;
    file->unreadable = 0;

    if (ngx_http_s3jobs_file_read(file, &text, NGX_LOG_ERR, ev->log)
        != NGX_OK)
    {
        ngx_log_error(NGX_LOG_WARN, ev->log, 0,
                      "credentials file \"%V\" has changed but cannot be read "
                      "by the worker process: reload nginx to use it",
                      &file->path);
        return;
    }

    if (ngx_http_s3jobs_file_parse(file, &text, &c, NGX_LOG_ERR, ev->log)
        == NGX_OK)
    {
        (void) ngx_http_s3jobs_publish(source, &c, ev->log);
    }

    ngx_http_s3jobs_file_free(&text);
}


static ngx_uint_t
ngx_http_s3jobs_file_same(struct stat *a, struct stat *b)
{
    return a->st_ino == b->st_ino
           && a->st_dev == b->st_dev
           && a->st_size == b->st_size
           && a->st_mode == b->st_mode
           && a->st_uid == b->st_uid
           && a->st_gid == b->st_gid
           && a->st_ctim.tv_sec == b->st_ctim.tv_sec
           && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}


static ngx_int_t
ngx_http_s3jobs_file_read(ngx_http_s3jobs_file_t *file, ngx_str_t *text,
    ngx_uint_t level, ngx_log_t *log)
{
    ssize_t       n;
    ngx_fd_t      fd;
    ngx_str_t    *path;
    struct stat   info;

    path = &file->path;

    text->data = NULL;
    text->len = 0;

    /* not to hang on a FIFO */

    fd = ngx_open_file(path->data, NGX_FILE_RDONLY|NGX_FILE_NONBLOCK,
                       NGX_FILE_OPEN, 0);
    if (fd == NGX_INVALID_FILE) {
        ngx_log_error(level, log, ngx_errno,
                      ngx_open_file_n " \"%V\" failed", path);
        return NGX_ERROR;
    }

    if (ngx_fd_info(fd, &info) == NGX_FILE_ERROR) {
        ngx_log_error(level, log, ngx_errno,
                      ngx_fd_info_n " \"%V\" failed", path);
        goto failed;
    }

    if (!ngx_is_file(&info) || info.st_size > NGX_HTTP_S3JOBS_FILE_MAX) {
        ngx_log_error(level, log, 0,
                      "credentials file \"%V\" is not a regular file of at "
                      "most %d bytes", path, NGX_HTTP_S3JOBS_FILE_MAX);
        goto failed;
    }

    text->len = info.st_size;
    text->data = ngx_alloc(text->len + 1, log);
    if (text->data == NULL) {
        goto failed;
    }

    n = ngx_read_fd(fd, text->data, text->len);

    if (n == -1) {
        ngx_log_error(level, log, ngx_errno,
                      ngx_read_fd_n " \"%V\" failed", path);
        goto failed;
    }

    if ((size_t) n != text->len) {
        ngx_log_error(level, log, 0,
                      "credentials file \"%V\" changed while it was read",
                      path);
        goto failed;
    }

    file->info = info;

    (void) ngx_close_file(fd);

    return NGX_OK;

failed:

    ngx_http_s3jobs_file_free(text);

    (void) ngx_close_file(fd);

    return NGX_ERROR;
}


static ngx_int_t
ngx_http_s3jobs_file_parse(ngx_http_s3jobs_file_t *file, ngx_str_t *text,
    ngx_s3jobs_credentials_t *c, ngx_uint_t level, ngx_log_t *log)
{
    ngx_uint_t   line;
    const char  *err;

    line = 0;

    if (ngx_s3jobs_credentials_profile(text, &file->profile, c, &err, &line)
        == NGX_OK)
    {
        err = ngx_s3jobs_credentials_check(c);

        if (err == NULL) {
            return NGX_OK;
        }
    }

    if (line) {
        ngx_log_error(level, log, 0,
                      "credentials file \"%V\", line %ui, profile \"%V\" %s",
                      &file->path, line, &file->profile, err);

    } else {
        ngx_log_error(level, log, 0,
                      "credentials file \"%V\", profile \"%V\" %s",
                      &file->path, &file->profile, err);
    }

    return NGX_ERROR;
}


static void
ngx_http_s3jobs_file_free(ngx_str_t *text)
{
    if (text->data) {
        OPENSSL_cleanse(text->data, text->len);
        ngx_free(text->data);
        text->data = NULL;
    }
}
