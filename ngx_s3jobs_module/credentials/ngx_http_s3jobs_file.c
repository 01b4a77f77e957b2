
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
    const char   *named;          /* what names the profile, NULL: nothing */
    struct stat   info;           /* of the file as it was last read */
    struct stat   failed;         /* of the one of which it was said ... */
    ngx_err_t     err;            /* ... that it cannot be read, and why */
    unsigned      missing:1;      /* said so already */
} ngx_http_s3jobs_file_t;


static ngx_int_t ngx_http_s3jobs_file_configured(ngx_conf_t *cf,
    ngx_http_s3jobs_source_t *source);
static char *ngx_http_s3jobs_file_configure(ngx_conf_t *cf,
    ngx_http_s3jobs_source_t *source);
static ngx_int_t ngx_http_s3jobs_file_look(ngx_http_s3jobs_file_t *file,
    ngx_str_t *section, ngx_log_t *log, const char **err, ngx_uint_t *line);
static ngx_int_t ngx_http_s3jobs_file_config(ngx_conf_t *cf,
    ngx_http_s3jobs_file_t *config);
static ngx_int_t ngx_http_s3jobs_file_sections(ngx_conf_t *cf,
    ngx_http_s3jobs_file_t *config, const char **err, ngx_uint_t *line);
static ngx_int_t ngx_http_s3jobs_file_defaults(ngx_conf_t *cf,
    ngx_http_s3jobs_file_t *file);
static ngx_int_t ngx_http_s3jobs_file_start(ngx_cycle_t *cycle,
    ngx_http_s3jobs_source_t *source);
static void ngx_http_s3jobs_file_check(ngx_event_t *ev);
static ngx_uint_t ngx_http_s3jobs_file_changed(ngx_http_s3jobs_file_t *file,
    struct stat *info, ngx_log_t *log);
static ngx_int_t ngx_http_s3jobs_file_reread(ngx_http_s3jobs_file_t *file,
    struct stat *info, ngx_str_t *text, ngx_log_t *log);
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
    ngx_uint_t               line;
    const char              *err;
    ngx_http_s3jobs_file_t  *file;

    file = source->data;

    if (ngx_http_s3jobs_file_defaults(cf, file) != NGX_OK) {
        return NGX_ERROR;
    }

    switch (ngx_http_s3jobs_file_look(file, &file->profile, cf->log, &err,
                                      &line))
    {
    case NGX_DECLINED:
    case NGX_ABORT:
        return NGX_DECLINED;

    default:

        /* what is wrong with the file, configure() says */

        return NGX_OK;
    }
}


/*
 * NGX_OK: the profile has keys, NGX_DECLINED: it has none, NGX_ABORT: there is
 * no such profile, or no file; NGX_ERROR: err says why, or has been logged if
 * it is NULL.
 */

static ngx_int_t
ngx_http_s3jobs_file_look(ngx_http_s3jobs_file_t *file, ngx_str_t *section,
    ngx_log_t *log, const char **err, ngx_uint_t *line)
{
    ngx_int_t                 rc;
    ngx_str_t                 text;
    struct stat               info;
    ngx_s3jobs_credentials_t  c;

    *err = NULL;
    *line = 0;

    if (stat((char *) file->path.data, &info) == -1) {
        return NGX_ABORT;
    }

    if (ngx_http_s3jobs_file_read(file, &text, NGX_LOG_EMERG, log)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    rc = ngx_s3jobs_credentials_profile(&text, section, &c, err, line);

    ngx_http_s3jobs_file_free(&text);

    return rc == NGX_DECLINED && *line == 0 ? NGX_ABORT : rc;
}


ngx_int_t
ngx_http_s3jobs_file_profile(ngx_conf_t *cf, ngx_http_s3jobs_source_t *source,
    ngx_uint_t keys)
{
    ngx_int_t                rc, other;
    ngx_uint_t               line;
    const char              *err;
    ngx_http_s3jobs_file_t   file, config;

    ngx_memzero(&file, sizeof(ngx_http_s3jobs_file_t));
    ngx_memzero(&config, sizeof(ngx_http_s3jobs_file_t));

    if (ngx_http_s3jobs_file_defaults(cf, &file) != NGX_OK
        || ngx_http_s3jobs_file_config(cf, &config) != NGX_OK)
    {
        return NGX_ERROR;
    }

    rc = ngx_http_s3jobs_file_look(&file, &file.profile, cf->log, &err,
                                   &line);

    config.profile = file.profile;

    other = ngx_http_s3jobs_file_sections(cf, &config, &err, &line);

    if (rc == NGX_ABORT && other == NGX_ABORT && file.named) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "profile \"%V\", which %s names, is neither in "
                           "\"%V\" nor in \"%V\", for credentials source "
                           "\"%V\" in \"s3jobs_credentials_source\" directive",
                           &file.profile, file.named, &file.path,
                           &config.path, &source->name);
        return NGX_ERROR;
    }

    if (keys || other == NGX_ABORT || other == NGX_DECLINED
        || (other == NGX_OK && rc == NGX_OK))
    {
        return NGX_OK;
    }

    if (other == NGX_OK) {
        err = "has keys here, where only a source of type \"file\" that names "
              "this file reads them";
    }

    if (err == NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "config file \"%V\" cannot be read, for "
                           "credentials source \"%V\" in "
                           "\"s3jobs_credentials_source\" directive",
                           &config.path, &source->name);
        return NGX_ERROR;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "config file \"%V\", line %ui, profile \"%V\" %s, for "
                       "credentials source \"%V\" in "
                       "\"s3jobs_credentials_source\" directive",
                       &config.path, line, &config.profile, err,
                       &source->name);

    return NGX_ERROR;
}


static ngx_int_t
ngx_http_s3jobs_file_config(ngx_conf_t *cf, ngx_http_s3jobs_file_t *config)
{
    ngx_http_s3jobs_source_default(&config->path, "AWS_CONFIG_FILE");

    if (config->path.len == 0) {
        ngx_str_set(&config->path, "~/.aws/config");
    }

    return ngx_http_s3jobs_source_home(cf, &config->path);
}


/* in this file, sections of other names than "default" have a prefix */

static ngx_int_t
ngx_http_s3jobs_file_sections(ngx_conf_t *cf, ngx_http_s3jobs_file_t *config,
    const char **err, ngx_uint_t *line)
{
    ngx_int_t     rc;
    ngx_str_t     section, *profile;
    const char  **format;

    static const char *formats[] = {
        "profile %V%Z", "profile \"%V\"%Z", "profile '%V'%Z", NULL
    };

    profile = &config->profile;

    if (profile->len == 7 && ngx_strncmp(profile->data, "default", 7) == 0) {
        rc = ngx_http_s3jobs_file_look(config, profile, cf->log, err, line);

        if (rc != NGX_ABORT) {
            return rc;
        }
    }

    section.data = ngx_pnalloc(cf->pool, sizeof("profile \"\"")
                                         + profile->len);
    if (section.data == NULL) {
        return NGX_ERROR;
    }

    for (format = formats; *format; format++) {
        section.len = ngx_sprintf(section.data, *format, profile)
                      - section.data - 1;

        rc = ngx_http_s3jobs_file_look(config, &section, cf->log, err, line);

        if (rc != NGX_ABORT) {
            return rc;
        }
    }

    return NGX_ABORT;
}


static char *
ngx_http_s3jobs_file_configure(ngx_conf_t *cf,
    ngx_http_s3jobs_source_t *source)
{
    char                      *rv;
    ngx_str_t                  text;
    ngx_http_s3jobs_file_t    *file;
    ngx_s3jobs_credentials_t   c;

    file = source->data;

    if (ngx_http_s3jobs_file_defaults(cf, file) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    rv = NGX_CONF_ERROR;

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


/* a path of nginx.conf is as any other there; botocore's order of names */

static ngx_int_t
ngx_http_s3jobs_file_defaults(ngx_conf_t *cf, ngx_http_s3jobs_file_t *file)
{
    ngx_int_t     rc;
    const char  **name;

    static const char  *names[] = {
        "AWS_DEFAULT_PROFILE", "AWS_PROFILE", NULL
    };

    if (file->path.len) {
        rc = ngx_conf_full_name(cf->cycle, &file->path, 1);

    } else {
        ngx_http_s3jobs_getenv("AWS_SHARED_CREDENTIALS_FILE", &file->path);

        if (file->path.len == 0) {
            ngx_str_set(&file->path, "~/.aws/credentials");
        }

        rc = ngx_http_s3jobs_source_home(cf, &file->path);
    }

    for (name = names; *name && file->profile.len == 0; name++) {
        ngx_http_s3jobs_getenv(*name, &file->profile);
        file->named = *name;
    }

    if (file->profile.len == 0) {
        ngx_str_set(&file->profile, "default");
        file->named = NULL;
    }

    return rc;
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
    ngx_int_t                  rc;
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

    if (!ngx_http_s3jobs_file_changed(file, &info, ev->log)) {
        return;
    }

    rc = ngx_http_s3jobs_file_reread(file, &info, &text, ev->log);

    if (rc == NGX_ERROR) {
        ngx_http_s3jobs_not_published(source);
    }

    if (rc != NGX_OK) {
        return;
    }

    /* a file that cannot be used is not tried until it changes */

    if (ngx_http_s3jobs_file_parse(file, &text, &c, NGX_LOG_ERR, ev->log)
        == NGX_OK)
    {
        (void) ngx_http_s3jobs_publish(source, &c, ev->log);

    } else {
        ngx_http_s3jobs_not_published(source);
    }

    ngx_http_s3jobs_file_free(&text);
}


static ngx_uint_t
ngx_http_s3jobs_file_changed(ngx_http_s3jobs_file_t *file,
    struct stat *info, ngx_log_t *log)
{
    if (stat((char *) file->path.data, info) == -1) {

        if (!file->missing) {
            ngx_log_error(NGX_LOG_WARN, log, ngx_errno,
                          "stat() \"%V\" failed, the credentials read before "
                          "stay in use", &file->path);
        }

        file->missing = 1;

        return 0;
    }

    file->missing = 0;

    return !ngx_http_s3jobs_file_same(info, &file->info);
}


/*
 * Tried again each time, since it may fail for want of a descriptor, say; the
 * log has the reason once for each file, and no more while it is the same:
 * NGX_DECLINED then.
 */

static ngx_int_t
ngx_http_s3jobs_file_reread(ngx_http_s3jobs_file_t *file, struct stat *info,
    ngx_str_t *text, ngx_log_t *log)
{
    ngx_err_t   err;
    ngx_uint_t  level;

    level = ngx_http_s3jobs_file_same(info, &file->failed) ? NGX_LOG_DEBUG
                                                           : NGX_LOG_ERR;
    ngx_set_errno(0);

    if (ngx_http_s3jobs_file_read(file, text, level, log) == NGX_OK) {
        return NGX_OK;
    }

    err = ngx_errno;

    if (level == NGX_LOG_DEBUG && err == file->err) {
        return NGX_DECLINED;
    }

    ngx_log_error(NGX_LOG_WARN, log, err,
                  "credentials file \"%V\" has changed but cannot be read by "
                  "the worker process, which tries again: if it may not read "
                  "it, reload nginx", &file->path);

    file->err = err;
    file->failed = *info;

    return NGX_ERROR;
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
