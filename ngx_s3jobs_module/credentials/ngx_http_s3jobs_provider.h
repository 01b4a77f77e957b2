
/*
 * Copyright (C) the ngx_s3jobs_module authors
 */


#ifndef _NGX_HTTP_S3JOBS_PROVIDER_H_INCLUDED_
#define _NGX_HTTP_S3JOBS_PROVIDER_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_s3jobs_url.h"
#include "ngx_http_s3jobs_source.h"


/*
 * A parameter of s3jobs_credentials_source: an ngx_str_t of the provider's
 * data, and the name of that member is the name of the parameter.
 */

#define NGX_HTTP_S3JOBS_REQUIRED  0x01
#define NGX_HTTP_S3JOBS_SOURCE    0x02    /* the value is a source's name */

#define ngx_http_s3jobs_option(type, member, flags)                           \
    { ngx_string(#member), offsetof(type, member), flags }

#define ngx_http_s3jobs_last_option                                           \
    { ngx_null_string, 0, 0 }


typedef struct {
    ngx_str_t                  name;
    size_t                     offset;
    ngx_uint_t                 flags;
} ngx_http_s3jobs_option_t;


/*
 * What knows how to get credentials.
 *
 * configured() tells whether the environment names such a source, for the
 * type "default": NGX_OK, NGX_DECLINED or NGX_ERROR; NULL if it never does.
 *
 * configure() checks the options and sets defaults, and reads the credentials
 * if it can do so at once.  It runs in each process that reads nginx.conf:
 * at a start and a reload, for "nginx -t", and for "nginx -s stop" too.  So
 * it asks nobody over the network, changes nothing, and calls fatal only what
 * is wrong whoever runs it.  Returns NGX_CONF_OK, or NGX_CONF_ERROR with a
 * message logged.
 *
 * start() runs in the one process that looks after the credentials; NULL if
 * nothing is to do there.  fetch() begins to get them, see
 * ngx_http_s3jobs_refresh.h; NULL if start() is not that file's.
 */

struct ngx_http_s3jobs_provider_s {
    ngx_str_t                  name;
    size_t                     size;        /* of the data, which is zeroed */
    ngx_http_s3jobs_option_t  *options;
    char                    *(*configure)(ngx_conf_t *cf,
                                   ngx_http_s3jobs_source_t *source);
    ngx_int_t                (*start)(ngx_cycle_t *cycle,
                                   ngx_http_s3jobs_source_t *source);
    ngx_int_t                (*configured)(ngx_conf_t *cf,
                                   ngx_http_s3jobs_source_t *source);
    ngx_int_t                (*fetch)(ngx_http_s3jobs_source_t *source);
};


extern ngx_http_s3jobs_option_t  ngx_http_s3jobs_no_options[];


/*
 * A variable of the environment, len 0 if it is not set.  nginx has moved
 * the strings to where they stay, and workers inherit them.
 */
void ngx_http_s3jobs_getenv(const char *name, ngx_str_t *value);

/* an option that is not set is taken from the environment */
void ngx_http_s3jobs_source_default(ngx_str_t *option, const char *name);

/* the same for a path, which is made absolute; NGX_OK or NGX_ERROR */
ngx_int_t ngx_http_s3jobs_source_path(ngx_conf_t *cf, ngx_str_t *option,
    const char *name);

/*
 * A path in a file's variable of the environment, or its default, as botocore
 * has it: $NAME and ${NAME} are replaced if they are set, "~" and "~user" by
 * a home, which is that of the password database if HOME is not set; the path
 * is made absolute then.  NGX_OK, or NGX_ERROR with a message logged.
 */
ngx_int_t ngx_http_s3jobs_source_home(ngx_conf_t *cf, ngx_str_t *path);

/*
 * Splits the URL of a service, see ngx_s3jobs_url_parse(); an endpoint is a
 * URL without a path.  Return NGX_OK, or NGX_ERROR with a message logged.
 */
ngx_int_t ngx_http_s3jobs_source_url(ngx_conf_t *cf,
    ngx_http_s3jobs_source_t *source, ngx_str_t *text,
    const ngx_str_t *plain, ngx_s3jobs_url_t *url);
ngx_int_t ngx_http_s3jobs_source_endpoint(ngx_conf_t *cf,
    ngx_http_s3jobs_source_t *source, ngx_str_t *text,
    const ngx_str_t *plain, ngx_s3jobs_url_t *url);

/* nothing tells where credentials are: fatal for no nginx -t, see above */
void ngx_http_s3jobs_source_idle(ngx_conf_t *cf,
    ngx_http_s3jobs_source_t *source, const char *missing);


/*
 * For the type "default": whether the profile that is in effect can be passed
 * over.  It cannot if AWS_PROFILE names it and it is nowhere, or if the
 * AWS tools would get credentials from it in a way that is not known here:
 * another identity would sign then.  With keys in the environment, which come
 * first, only the former counts.  NGX_OK, or NGX_ERROR with a message logged.
 */
ngx_int_t ngx_http_s3jobs_file_profile(ngx_conf_t *cf,
    ngx_http_s3jobs_source_t *source, ngx_uint_t keys);


extern ngx_http_s3jobs_provider_t  ngx_http_s3jobs_env_provider;
extern ngx_http_s3jobs_provider_t  ngx_http_s3jobs_file_provider;
extern ngx_http_s3jobs_provider_t  ngx_http_s3jobs_container_provider;
extern ngx_http_s3jobs_provider_t  ngx_http_s3jobs_imds_provider;
extern ngx_http_s3jobs_provider_t  ngx_http_s3jobs_web_identity_provider;
extern ngx_http_s3jobs_provider_t  ngx_http_s3jobs_assume_role_provider;


#endif /* _NGX_HTTP_S3JOBS_PROVIDER_H_INCLUDED_ */
