
/*
 * Copyright (C) the ngx_s3jobs_module authors
 */


#ifndef _NGX_HTTP_S3JOBS_SOURCE_H_INCLUDED_
#define _NGX_HTTP_S3JOBS_SOURCE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_http_s3jobs_fetch.h"
#include "ngx_http_s3jobs_store.h"


typedef struct ngx_http_s3jobs_provider_s  ngx_http_s3jobs_provider_t;


/* of the one process that looks after the credentials */

typedef struct {
    ngx_event_t                   timer;
    ngx_http_s3jobs_fetch_t      *fetch;        /* the provider's, if any */
} ngx_http_s3jobs_refresh_t;


/* what one s3jobs_credentials_source directive defines */

struct ngx_http_s3jobs_source_s {
    ngx_str_t                     name;
    ngx_str_t                     type;
    u_char                        id[16];       /* of the definition */
    ngx_str_t                     file;         /* where it is */
    ngx_uint_t                    line;
    ngx_http_s3jobs_source_t     *from;         /* what it signs with */

    unsigned                      stale_ok:1;   /* serve beyond expiry */
    unsigned                      idle:1;       /* has nowhere to fetch from */
    unsigned                      by_default:1; /* type "default" chose it */
    unsigned                      named:1;      /* a location does so */
    unsigned                      resolving:1;
    unsigned                      resolved:1;

    ngx_http_s3jobs_provider_t   *provider;
    void                         *data;         /* options, and its own */

    ngx_shm_zone_t               *zone;
    ngx_http_s3jobs_record_t     *record;
    ngx_http_s3jobs_body_t       *initial;      /* until it is published */
    ngx_http_s3jobs_copy_t       *copy;         /* the worker's */
    ngx_http_s3jobs_refresh_t     refresh;
};


typedef struct {
    ngx_array_t                  *sources;      /* of pointers */
    ngx_shm_zone_t               *zone;
    ngx_http_s3jobs_counters_t   *counters;     /* of the zone, in effect */
    ngx_uint_t                    started;
} ngx_http_s3jobs_sources_t;


/*
 * The directive s3jobs_credentials_source; conf is a main configuration that
 * begins with the sources.
 */
char *ngx_http_s3jobs_credentials_source(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

/* the source of the name, or NULL */
ngx_http_s3jobs_source_t *ngx_http_s3jobs_find_source(
    ngx_http_s3jobs_sources_t *ss, ngx_str_t *name);


/*
 * The life of all sources: the end of the configuration; the configuration is
 * in effect, in the master; a process begins, a process ends.  What was
 * started ends with cycle->pool, too.
 */
char *ngx_http_s3jobs_init_sources(ngx_conf_t *cf,
    ngx_http_s3jobs_sources_t *ss);
void ngx_http_s3jobs_publish_sources(ngx_cycle_t *cycle,
    ngx_http_s3jobs_sources_t *ss);
ngx_int_t ngx_http_s3jobs_start_sources(ngx_cycle_t *cycle,
    ngx_http_s3jobs_sources_t *ss);
void ngx_http_s3jobs_stop_sources(ngx_http_s3jobs_sources_t *ss);


#endif /* _NGX_HTTP_S3JOBS_SOURCE_H_INCLUDED_ */
