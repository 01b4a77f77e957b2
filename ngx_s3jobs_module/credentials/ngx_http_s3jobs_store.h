
/*
 * Copyright (C) the ngx_s3jobs_module authors
 */


#ifndef _NGX_HTTP_S3JOBS_STORE_H_INCLUDED_
#define _NGX_HTTP_S3JOBS_STORE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_s3jobs_profile.h"
#include "ngx_s3jobs_endpoint.h"
#include "ngx_s3jobs_sigv4.h"
#include "ngx_s3jobs_url.h"
#include "ngx_http_s3jobs_fetch.h"


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
 * When to refresh, for whichever process looks after the credentials: a
 * respawned worker and the next cycle's go on where the last one was.
 */

typedef struct {
    uint64_t                      due;          /* by the clock, in msec */
    ngx_msec_t                    hold;         /* ngx_current_msec, not yet */
    ngx_uint_t                    failures;     /* in a row */
    time_t                        outcome;      /* when the last fetch ended */
    ngx_atomic_t                  refused;      /* generation, by S3 */
    time_t                        forced;       /* when that last counted */
    ngx_pid_t                     lease;        /* who fetches, 0: nobody */
    ngx_msec_t                    lease_end;
} ngx_http_s3jobs_refresh_t;


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
    ngx_uint_t                    used;         /* in which cycle last */
    ngx_http_s3jobs_refresh_t     refresh;
    ngx_atomic_t                  current;
    ngx_http_s3jobs_body_t        body[2];
} ngx_http_s3jobs_record_t;


typedef struct {
    ngx_atomic_t                  generation;   /* the last one given out */
    ngx_uint_t                    cycle;
    ngx_http_s3jobs_record_t      records[NGX_HTTP_S3JOBS_RECORDS_MAX];
} ngx_http_s3jobs_sh_t;


/*
 * What knows how to get credentials.  configured() tells whether the
 * environment names such a source, for the type "default": NGX_OK,
 * NGX_DECLINED or NGX_ERROR.  configure() checks the parameters and sets
 * defaults, and reads the credentials if it can do so at once; start() runs
 * in the one process that looks after the credentials.  fetch() begins to
 * get them, see ngx_http_s3jobs_refresh.h.
 */

struct ngx_http_s3jobs_provider_s {
    ngx_str_t                     name;
    ngx_uint_t                    allowed;      /* bits of parameters */
    ngx_uint_t                    required;
    char                       *(*configure)(ngx_conf_t *cf,
                                      ngx_http_s3jobs_source_t *source);
    ngx_int_t                   (*start)(ngx_cycle_t *cycle,
                                      ngx_http_s3jobs_source_t *source);
    ngx_int_t                   (*configured)(ngx_conf_t *cf,
                                      ngx_http_s3jobs_source_t *source);
    ngx_int_t                   (*fetch)(ngx_http_s3jobs_source_t *source);
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
    ngx_str_t                     file;         /* where it is defined */
    ngx_uint_t                    line;
    ngx_http_s3jobs_source_t     *from;         /* what it signs with */

    unsigned                      stale_ok:1;   /* serve beyond expiry */
    unsigned                      idle:1;       /* has nowhere to fetch from */
    unsigned                      by_default:1; /* type "default" chose it */
    unsigned                      resolving:1;
    unsigned                      resolved:1;

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
    ngx_http_s3jobs_fetch_t      *fetch;
    void                         *data;
};


typedef struct {
    ngx_array_t                  *sources;      /* of pointers */
    ngx_shm_zone_t               *zone;
    ngx_uint_t                    started;
} ngx_http_s3jobs_sources_t;


/*
 * The directive s3jobs_credentials_source; conf is a main configuration that
 * begins with the sources.
 */
char *ngx_http_s3jobs_credentials_source(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

/*
 * For configure(): splits the URL of a service, which came from a parameter
 * or the environment, see ngx_s3jobs_url_parse(); makes a path absolute, or
 * takes it from the environment if it is not set.  Return NGX_OK, or
 * NGX_ERROR with a message logged.
 */
ngx_int_t ngx_http_s3jobs_source_url(ngx_conf_t *cf,
    ngx_http_s3jobs_source_t *source, ngx_str_t *text,
    const ngx_str_t *plain, ngx_s3jobs_url_t *url);
ngx_int_t ngx_http_s3jobs_source_path(ngx_conf_t *cf,
    ngx_http_s3jobs_source_t *source, ngx_uint_t param, const char *name);

/* a parameter that is not set is taken from the environment */
void ngx_http_s3jobs_source_default(ngx_http_s3jobs_source_t *source,
    ngx_uint_t param, const char *name);

/* nothing tells where credentials are: fatal for no nginx -t, see env.c */
void ngx_http_s3jobs_source_idle(ngx_conf_t *cf,
    ngx_http_s3jobs_source_t *source, const char *missing);


ngx_http_s3jobs_source_t *ngx_http_s3jobs_find_source(
    ngx_http_s3jobs_sources_t *ss, ngx_str_t *name);

char *ngx_http_s3jobs_init_sources(ngx_conf_t *cf,
    ngx_http_s3jobs_sources_t *ss);
ngx_int_t ngx_http_s3jobs_add_zone(ngx_conf_t *cf,
    ngx_http_s3jobs_sources_t *ss);
ngx_int_t ngx_http_s3jobs_publish_initial(ngx_cycle_t *cycle,
    ngx_http_s3jobs_sources_t *ss);
ngx_int_t ngx_http_s3jobs_start_sources(ngx_cycle_t *cycle,
    ngx_http_s3jobs_sources_t *ss);

/* ends what was started, if it was; cycle->pool does so too */
void ngx_http_s3jobs_stop_sources(ngx_http_s3jobs_sources_t *ss);


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
 * Whether a request can be signed.  On NGX_OK source->key_id, source->token
 * and source->expires are up to date, until control returns to the event
 * loop.  NGX_DECLINED: there are no credentials that are good now, NGX_AGAIN:
 * there never were any.
 */
ngx_int_t ngx_http_s3jobs_check_credentials(ngx_http_s3jobs_source_t *source);


/* the same, and the signing key for the date and the region */
ngx_int_t ngx_http_s3jobs_get_credentials(ngx_http_s3jobs_source_t *source,
    ngx_str_t *date, ngx_str_t *region, u_char key[NGX_S3JOBS_SHA256_LEN]);


/* whether there ever were any credentials; takes no lock */
ngx_uint_t ngx_http_s3jobs_has_credentials(ngx_http_s3jobs_source_t *source);


/*
 * All of the record, for the source to sign for another one; the caller
 * zeroes the copy.  Returns NGX_OK, or NGX_DECLINED if there is nothing that
 * is good now.
 */
ngx_int_t ngx_http_s3jobs_copy_credentials(ngx_http_s3jobs_source_t *source,
    ngx_http_s3jobs_body_t *copy);


/*
 * A variable of the environment, len 0 if it is not set.  nginx has moved
 * the strings to where they stay, and workers inherit them.
 */
void ngx_http_s3jobs_getenv(const char *name, ngx_str_t *value);


extern ngx_http_s3jobs_provider_t  ngx_http_s3jobs_env_provider;
extern ngx_http_s3jobs_provider_t  ngx_http_s3jobs_file_provider;
extern ngx_http_s3jobs_provider_t  ngx_http_s3jobs_container_provider;
extern ngx_http_s3jobs_provider_t  ngx_http_s3jobs_imds_provider;
extern ngx_http_s3jobs_provider_t  ngx_http_s3jobs_web_identity_provider;
extern ngx_http_s3jobs_provider_t  ngx_http_s3jobs_assume_role_provider;
extern ngx_http_s3jobs_provider_t  ngx_http_s3jobs_default_provider;


#endif /* _NGX_HTTP_S3JOBS_STORE_H_INCLUDED_ */
