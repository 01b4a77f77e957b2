
/*
 * Copyright (C) the ngx_s3jobs_module authors
 */


#ifndef _NGX_HTTP_S3JOBS_STORE_H_INCLUDED_
#define _NGX_HTTP_S3JOBS_STORE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_s3jobs_endpoint.h"
#include "ngx_s3jobs_profile.h"
#include "ngx_s3jobs_sigv4.h"
#include "ngx_http_s3jobs_counters.h"


/* sources in one configuration; the zone keeps those of two */
#define NGX_HTTP_S3JOBS_SOURCES_MAX  32
#define NGX_HTTP_S3JOBS_RECORDS_MAX  (2 * NGX_HTTP_S3JOBS_SOURCES_MAX)

/* signing keys kept per source and worker, one for each region in use */
#define NGX_HTTP_S3JOBS_KEYS         8


typedef struct ngx_http_s3jobs_source_s  ngx_http_s3jobs_source_t;


/*
 * When to refresh, for whichever process looks after the credentials: a
 * respawned worker and the next cycle's go on where the last one was.
 */

typedef struct {
    uint64_t                    due;          /* by the clock, in msec */
    ngx_msec_t                  hold;         /* ngx_current_msec, not yet */
    ngx_uint_t                  failures;     /* in a row */
    time_t                      outcome;      /* when the last fetch ended */
    ngx_atomic_t                refused;      /* generation, by S3 */
    time_t                      forced;       /* when that last counted */
    ngx_pid_t                   lease;        /* who fetches, 0: nobody */
    ngx_msec_t                  lease_end;
} ngx_http_s3jobs_schedule_t;


/*
 * A credential record in shared memory.  The body that is not current is
 * zeroes, or being written: a writer that dies leaves the current one whole.
 */

typedef struct {
    ngx_atomic_t                generation;   /* 0: empty */
    time_t                      expires;      /* 0: never */
    size_t                      key_id_len;
    size_t                      secret_len;
    size_t                      token_len;
    u_char                      key_id[NGX_S3JOBS_KEY_ID_MAX];
    u_char                      secret[NGX_S3JOBS_SECRET_MAX];
    u_char                      token[NGX_S3JOBS_TOKEN_MAX];
} ngx_http_s3jobs_body_t;


typedef struct {
    u_char                      id[16];       /* whose record it is */
    ngx_uint_t                  used;         /* in which cycle last */
    ngx_http_s3jobs_schedule_t  schedule;
    ngx_http_s3jobs_usage_t     usage;
    ngx_atomic_t                current;
    ngx_http_s3jobs_body_t      body[2];
} ngx_http_s3jobs_record_t;


/* what a worker has copied of the record, without the secret */

typedef struct {
    u_char                      date[8];
    size_t                      region_len;   /* 0: empty */
    u_char                      region[NGX_S3JOBS_REGION_MAX];
    u_char                      key[NGX_S3JOBS_SHA256_LEN];
} ngx_http_s3jobs_key_t;


typedef struct {
    ngx_atomic_uint_t           generation;   /* 0: nothing so far */
    time_t                      expires;
    ngx_str_t                   key_id;
    ngx_str_t                   token;
    u_char                      key_id_buf[NGX_S3JOBS_KEY_ID_MAX];
    u_char                      token_buf[NGX_S3JOBS_TOKEN_MAX];
    ngx_http_s3jobs_key_t       keys[NGX_HTTP_S3JOBS_KEYS];
    ngx_uint_t                  next_key;
} ngx_http_s3jobs_copy_t;


/*
 * The zone "s3jobs_state", which a reload keeps, of one size for all
 * configurations; NULL if it cannot be had.  Its counters are there when the
 * configuration is in effect.
 */
ngx_shm_zone_t *ngx_http_s3jobs_store_zone(ngx_conf_t *cf);
ngx_http_s3jobs_counters_t *ngx_http_s3jobs_store_counters(
    ngx_shm_zone_t *zone);


/*
 * In the master, for a configuration that has been accepted: begins a cycle,
 * and gives a source of it its record, the one that it had if its id is the
 * same.
 */
void ngx_http_s3jobs_store_cycle(ngx_shm_zone_t *zone);
void ngx_http_s3jobs_store_attach(ngx_shm_zone_t *zone,
    ngx_http_s3jobs_source_t *source);


/*
 * The record under the lock of the zone, until ngx_http_s3jobs_unlock().
 * NULL, and no lock: after two reloads it may be another source's.
 */
ngx_http_s3jobs_record_t *ngx_http_s3jobs_lock(
    ngx_http_s3jobs_source_t *source);
void ngx_http_s3jobs_unlock(ngx_http_s3jobs_source_t *source);


/*
 * Keeps credentials, read at configuration, for ngx_http_s3jobs_publish_
 * initial(); the copy is zeroed by that or with cf->pool.
 */
ngx_int_t ngx_http_s3jobs_set_initial(ngx_conf_t *cf,
    ngx_http_s3jobs_source_t *source, ngx_s3jobs_credentials_t *c);
void ngx_http_s3jobs_publish_initial(ngx_http_s3jobs_source_t *source,
    ngx_log_t *log);


/*
 * Puts credentials, which must have passed ngx_s3jobs_credentials_check(),
 * into the shared record, for all workers.  Returns NGX_OK if they are new,
 * NGX_DECLINED if they are those that were there.
 */
ngx_int_t ngx_http_s3jobs_publish(ngx_http_s3jobs_source_t *source,
    ngx_s3jobs_credentials_t *c, ngx_log_t *log);


/* for the status: credentials could not be got now */
void ngx_http_s3jobs_not_published(ngx_http_s3jobs_source_t *source);


/*
 * Whether a request can be signed.  On NGX_OK source->copy is up to date,
 * until control returns to the event loop.  NGX_DECLINED: there are no
 * credentials that are good now, NGX_AGAIN: there never were any.
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


#endif /* _NGX_HTTP_S3JOBS_STORE_H_INCLUDED_ */
