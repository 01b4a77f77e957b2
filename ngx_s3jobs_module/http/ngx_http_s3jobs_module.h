
/*
 * Copyright (C) the ngx_s3jobs_module authors
 */


#ifndef _NGX_HTTP_S3JOBS_MODULE_H_INCLUDED_
#define _NGX_HTTP_S3JOBS_MODULE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_s3jobs_error.h"
#include "ngx_s3jobs_listing.h"
#include "ngx_s3jobs_query.h"
#include "ngx_s3jobs_sigv4.h"
#include "ngx_s3jobs_url.h"
#include "ngx_http_s3jobs_source.h"


#define NGX_HTTP_S3JOBS_VERSION      "0.1.0"


#define NGX_HTTP_S3JOBS_JSON_OFF     0
#define NGX_HTTP_S3JOBS_JSON_ON      1
#define NGX_HTTP_S3JOBS_JSON_ACCEPT  2


typedef struct {
    ngx_http_s3jobs_sources_t   sources;  /* first, for their directive */
    ngx_uint_t                  used;     /* a location says "s3jobs on" */
    ngx_uint_t                  status;   /* or "s3jobs_status" */
    ngx_http_handler_pt         proxy_handler;    /* of "proxy_pass" */
    ngx_array_t                *merged;   /* see ngx_http_s3jobs_merge.h */
} ngx_http_s3jobs_main_conf_t;


/* where a directive stands, for mistakes that show only at the end */

typedef struct {
    u_char                     *file;
    ngx_uint_t                  line;
} ngx_http_s3jobs_place_t;


typedef struct {
    ngx_flag_t                  enable;

    ngx_http_complex_value_t   *account;
    ngx_http_complex_value_t   *region;
    ngx_http_complex_value_t   *credentials;
    ngx_http_s3jobs_source_t   *source;   /* if credentials is constant */

    ngx_uint_t                  endpoint;    /* NGX_S3JOBS_FIPS, ... */
    ngx_http_complex_value_t   *host;        /* NULL: derived */

    /* where account, region and host have no variables, else of length 0 */
    ngx_str_t                   fixed_host;
    ngx_str_t                   fixed_key;   /* of a query without arguments */

    ngx_uint_t                  json;
    ngx_uint_t                  status;   /* NGX_HTTP_S3JOBS_STATUS_... */
    size_t                      json_buffer_size;
    ngx_msec_t                  credentials_timeout;
    ngx_int_t                   max_pages;
    ngx_uint_t                  tries;
    ngx_msec_t                  tries_time;
    ngx_http_complex_value_t   *job;         /* NULL: a listing */
    ngx_array_t                *merge;       /* of ngx_str_t, or NULL */

    ngx_http_s3jobs_place_t     enable_place;
    ngx_http_s3jobs_place_t     credentials_place;
    ngx_http_s3jobs_place_t     endpoint_place;
    void                       *proxy_conf;  /* where "s3jobs on" stands */
} ngx_http_s3jobs_loc_conf_t;


/* a request that waits, see ngx_http_s3jobs_wait.c */
typedef struct ngx_http_s3jobs_wait_s  ngx_http_s3jobs_wait_t;


/* the state of the body filter, see ngx_http_s3jobs_answer.h */
typedef struct ngx_http_s3jobs_filter_s  ngx_http_s3jobs_filter_t;


/* further requests upstream for one answer, see ngx_http_s3jobs_gather.h */
typedef struct ngx_http_s3jobs_page_s  ngx_http_s3jobs_page_t;
typedef struct ngx_http_s3jobs_gather_s  ngx_http_s3jobs_gather_t;


/* of the requests for one answer of S3, see ngx_http_s3jobs_retry.h */

typedef struct {
    ngx_uint_t                  n;        /* sent so far */
    ngx_msec_t                  start;    /* by the clock, as all in msec */
    ngx_msec_t                  delay;    /* before the next one */
    ngx_msec_t                  end;      /* ngx_current_msec, of a wait */

    /* credentials that were refused */

    ngx_http_s3jobs_source_t   *source;
    uint64_t                    hash;

    unsigned                    refused:1;
    unsigned                    refreshed:1;
    unsigned                    skewed:1;
} ngx_http_s3jobs_tries_t;


typedef struct {
    ngx_str_t                   account;
    ngx_str_t                   region;
    ngx_str_t                   host;
    ngx_str_t                   job;              /* len 0: a listing */
    ngx_str_t                   path;
    ngx_str_t                   query;
    ngx_str_t                   cache_key;

    /* of the signature, len 0: there is none yet */
    ngx_str_t                   date;
    ngx_str_t                   key_id;
    ngx_str_t                   token;
    ngx_str_t                   authorization;
    u_char                      date_buf[NGX_S3JOBS_DATE_LEN];

    ngx_http_s3jobs_source_t   *source;
    ngx_http_s3jobs_wait_t     *wait;
    time_t                      expires;          /* 0: never */

    ngx_s3jobs_error_t          error;            /* status 0: none */
    ngx_str_t                   request_id;       /* AWS's */
    ngx_str_t                   retry_after;
    ngx_uint_t                  jobs;             /* sent, of so many ... */
    ngx_uint_t                  pages;
    ngx_uint_t                  requests;         /* to S3, nginx's aside */
    ngx_uint_t                  http_version;     /* the client's */
    ngx_http_s3jobs_filter_t   *filter;

    ngx_s3jobs_query_t          arguments;
    ngx_http_s3jobs_tries_t     tries;
    ngx_http_s3jobs_page_t     *page;       /* of the subrequest for one */
    ngx_http_s3jobs_gather_t   *gather;

    unsigned                    ready:1;          /* the strings are set */
    unsigned                    refused:1;        /* error tells why */
    unsigned                    listed:1;         /* jobs is valid */
    unsigned                    paged:1;          /* pages may follow */
} ngx_http_s3jobs_ctx_t;


ngx_int_t ngx_http_s3jobs_add_variables(ngx_conf_t *cf);
ngx_int_t ngx_http_s3jobs_handler(ngx_http_request_t *r);
ngx_int_t ngx_http_s3jobs_filter_init(ngx_conf_t *cf);

/* the id that s3jobs_job gives; NGX_OK, or the status of an error */
ngx_int_t ngx_http_s3jobs_job(ngx_http_request_t *r,
    ngx_http_s3jobs_ctx_t *ctx);

/* a value that clients may have made becomes one that can be logged */
void ngx_http_s3jobs_printable(ngx_http_request_t *r, ngx_str_t *value);

/* sets ctx->error, from static text or memory of r; returns the status */
ngx_int_t ngx_http_s3jobs_reject(ngx_http_request_t *r,
    ngx_http_s3jobs_ctx_t *ctx, ngx_uint_t status, const char *code,
    const char *message);
ngx_int_t ngx_http_s3jobs_reject_query(ngx_http_request_t *r,
    ngx_http_s3jobs_ctx_t *ctx, ngx_s3jobs_query_error_t *err);

/*
 * Lets a request wait for the first credentials of ctx->source.  NGX_AGAIN:
 * the phases are run again when they are there or the time is up,
 * NGX_DECLINED: it is, or there is nothing to wait for; or NGX_ERROR.
 */
ngx_int_t ngx_http_s3jobs_wait(ngx_http_request_t *r,
    ngx_http_s3jobs_ctx_t *ctx);

/*
 * For a clone of a request, what is sent for its next page: as the handler
 * does it, but for a NextToken of S3's.  NGX_DECLINED: it is prepared;
 * NGX_AGAIN: there are no credentials yet; or an error's status.
 */
ngx_int_t ngx_http_s3jobs_prepare_page(ngx_http_request_t *r,
    ngx_http_request_t *first, ngx_str_t *token);

/* the request's context, made if need be, NULL if there is no memory */
ngx_http_s3jobs_ctx_t *ngx_http_s3jobs_create_ctx(ngx_http_request_t *r);

/* the beginning of a cache key: account and region */
u_char *ngx_http_s3jobs_key_write(u_char *p, ngx_str_t *account,
    ngx_str_t *region);

/* ctx->error for want of credentials; returns its status */
ngx_int_t ngx_http_s3jobs_no_credentials(ngx_http_request_t *r,
    ngx_http_s3jobs_ctx_t *ctx);

/*
 * For a getter that nginx may call while it builds the request upstream: sees
 * to it that the request is signed, or else that it is not sent.  At any
 * other time it does nothing.
 */
void ngx_http_s3jobs_signed(ngx_http_request_t *r);

/*
 * The context, or the parent's for the clone that refreshes a cached answer,
 * which is made in the middle of the phases; NULL if there is none.
 */
ngx_http_s3jobs_ctx_t *ngx_http_s3jobs_get_ctx(ngx_http_request_t *r);


extern ngx_module_t  ngx_http_s3jobs_module;


#endif /* _NGX_HTTP_S3JOBS_MODULE_H_INCLUDED_ */
