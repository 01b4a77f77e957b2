
/*
 * Copyright (C) the ngx_s3jobs_module authors
 */


#ifndef _NGX_HTTP_S3JOBS_CREDENTIALS_H_INCLUDED_
#define _NGX_HTTP_S3JOBS_CREDENTIALS_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_s3jobs_credentials.h"
#include "ngx_s3jobs_endpoint.h"
#include "ngx_s3jobs_sigv4.h"


/* sources in one configuration; the zone keeps those of two */
#define NGX_HTTP_S3JOBS_SOURCES_MAX  32
#define NGX_HTTP_S3JOBS_RECORDS_MAX  (2 * NGX_HTTP_S3JOBS_SOURCES_MAX)

/* signing keys kept per source and worker, one for each region in use */
#define NGX_HTTP_S3JOBS_KEYS         8


/* parameters of s3jobs_credentials_source, an index and a bit for each */

typedef enum {
    NGX_HTTP_S3JOBS_PATH = 0,
    NGX_HTTP_S3JOBS_PROFILE,
    NGX_HTTP_S3JOBS_URI,
    NGX_HTTP_S3JOBS_TOKEN_FILE,
    NGX_HTTP_S3JOBS_ENDPOINT,
    NGX_HTTP_S3JOBS_ROLE_ARN,
    NGX_HTTP_S3JOBS_SESSION_NAME,
    NGX_HTTP_S3JOBS_FROM,
    NGX_HTTP_S3JOBS_EXTERNAL_ID,
    NGX_HTTP_S3JOBS_DURATION,
    NGX_HTTP_S3JOBS_STS_REGION,
    NGX_HTTP_S3JOBS_NPARAMS
} ngx_http_s3jobs_param_e;


typedef struct ngx_http_s3jobs_source_s    ngx_http_s3jobs_source_t;
typedef struct ngx_http_s3jobs_provider_s  ngx_http_s3jobs_provider_t;


/*
 * A credential record in shared memory.  The body that is not current is
 * zeroes, or being written: a writer that dies leaves the current one whole.
 */

typedef struct {
    ngx_atomic_t                  generation;   /* 0: empty */
    time_t                        expires;      /* 0: never */
    size_t                        key_id_len;
    size_t                        secret_len;
    size_t                        token_len;
    u_char                        key_id[NGX_S3JOBS_KEY_ID_MAX];
    u_char                        secret[NGX_S3JOBS_SECRET_MAX];
    u_char                        token[NGX_S3JOBS_TOKEN_MAX];
} ngx_http_s3jobs_body_t;


typedef struct {
    u_char                        id[16];       /* whose record it is */
    ngx_uint_t                    used;         /* the last cycle that used it */
    ngx_atomic_t                  current;
    ngx_http_s3jobs_body_t        body[2];
} ngx_http_s3jobs_record_t;


typedef struct {
    ngx_atomic_t                  generation;   /* the last one given out */
    ngx_uint_t                    cycle;
    ngx_http_s3jobs_record_t      records[NGX_HTTP_S3JOBS_RECORDS_MAX];
} ngx_http_s3jobs_sh_t;


/*
 * What knows how to get credentials.  configure() checks the parameters and
 * sets defaults, and reads the credentials if it can do so at once; start()
 * runs in the one process that looks after the credentials.
 */

struct ngx_http_s3jobs_provider_s {
    ngx_str_t                     name;
    ngx_uint_t                    allowed;      /* bits of parameters */
    ngx_uint_t                    required;
    char                       *(*configure)(ngx_conf_t *cf,
                                      ngx_http_s3jobs_source_t *source);
    ngx_int_t                   (*start)(ngx_cycle_t *cycle,
                                      ngx_http_s3jobs_source_t *source);
};


typedef struct {
    u_char                        date[8];
    size_t                        region_len;   /* 0: empty */
    u_char                        region[NGX_S3JOBS_REGION_MAX];
    u_char                        key[NGX_S3JOBS_SHA256_LEN];
} ngx_http_s3jobs_key_t;


struct ngx_http_s3jobs_source_s {
    ngx_str_t                     name;
    ngx_http_s3jobs_provider_t   *provider;
    ngx_str_t                     params[NGX_HTTP_S3JOBS_NPARAMS];
    u_char                        id[16];
    ngx_uint_t                    stale_ok;     /* serve beyond expiry */

    ngx_shm_zone_t               *zone;
    ngx_http_s3jobs_record_t     *record;

    /* read at configuration, until it is published */
    ngx_http_s3jobs_body_t       *initial;

    /* the worker's copy, without the secret */
    ngx_atomic_uint_t             generation;
    time_t                        expires;
    ngx_str_t                     key_id;
    ngx_str_t                     token;
    u_char                        key_id_buf[NGX_S3JOBS_KEY_ID_MAX];
    u_char                       *token_buf;
    ngx_http_s3jobs_key_t         keys[NGX_HTTP_S3JOBS_KEYS];
    ngx_uint_t                    next_key;

    /* of the provider, in the process that looks after the credentials */
    ngx_event_t                   timer;
    void                         *data;
};


typedef struct {
    ngx_array_t                  *sources;      /* of pointers */
    ngx_shm_zone_t               *zone;
} ngx_http_s3jobs_sources_t;


/* the directive s3jobs_credentials_source; conf is the main configuration */
char *ngx_http_s3jobs_credentials_source(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

ngx_http_s3jobs_source_t *ngx_http_s3jobs_find_source(
    ngx_http_s3jobs_sources_t *ss, ngx_str_t *name);

char *ngx_http_s3jobs_init_sources(ngx_conf_t *cf,
    ngx_http_s3jobs_sources_t *ss);
ngx_int_t ngx_http_s3jobs_publish_initial(ngx_cycle_t *cycle,
    ngx_http_s3jobs_sources_t *ss);
ngx_int_t ngx_http_s3jobs_start_sources(ngx_cycle_t *cycle,
    ngx_http_s3jobs_sources_t *ss);


/*
 * Keeps credentials, read at configuration, for publication; the copy is
 * zeroed after it or with cf->pool.
 */
ngx_int_t ngx_http_s3jobs_set_initial(ngx_conf_t *cf,
    ngx_http_s3jobs_source_t *source, ngx_s3jobs_credentials_t *c);


/*
 * Puts credentials, which must have passed ngx_s3jobs_credentials_check(),
 * into the shared record, for all workers.  Returns NGX_OK if they are new,
 * NGX_DECLINED if they are those that were there.
 */
ngx_int_t ngx_http_s3jobs_publish(ngx_http_s3jobs_source_t *source,
    ngx_s3jobs_credentials_t *c, ngx_log_t *log);


/*
 * Credentials for a request.  On NGX_OK source->key_id and source->token are
 * up to date, until control returns to the event loop, and key is the signing
 * key for the date and the region.  NGX_DECLINED: there are none that are
 * good now, NGX_AGAIN: there never were any.
 */
ngx_int_t ngx_http_s3jobs_get_credentials(ngx_http_s3jobs_source_t *source,
    ngx_str_t *date, ngx_str_t *region, u_char key[NGX_S3JOBS_SHA256_LEN]);


/*
 * A variable of the environment, len 0 if it is not set.  nginx has moved
 * the strings to where they stay, and workers inherit them.
 */
void ngx_http_s3jobs_getenv(const char *name, ngx_str_t *value);


extern ngx_http_s3jobs_provider_t  ngx_http_s3jobs_env_provider;
extern ngx_http_s3jobs_provider_t  ngx_http_s3jobs_file_provider;


#endif /* _NGX_HTTP_S3JOBS_CREDENTIALS_H_INCLUDED_ */
