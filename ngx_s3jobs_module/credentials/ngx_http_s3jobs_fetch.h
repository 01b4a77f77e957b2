
/*
 * Copyright (C) the ngx_s3jobs_module authors
 */


#ifndef _NGX_HTTP_S3JOBS_FETCH_H_INCLUDED_
#define _NGX_HTTP_S3JOBS_FETCH_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>


#define NGX_HTTP_S3JOBS_FETCH_MAX    (64 * 1024)
#define NGX_HTTP_S3JOBS_FETCH_ERROR  256


typedef struct ngx_http_s3jobs_fetch_s  ngx_http_s3jobs_fetch_t;


/*
 * One HTTP request and its answer.  The handler is called once, from the
 * event loop, unless ngx_http_s3jobs_fetch_cancel() comes first; it may start
 * the same fetch again.  The answer is zeroed and freed when it returns.
 */

struct ngx_http_s3jobs_fetch_s {
    const char      *method;
    ngx_str_t        url;               /* ends with a zero byte */
    ngx_str_t        shown;             /* what of it the log may say */
    ngx_keyval_t    *headers;
    ngx_uint_t       nheaders;
    ngx_str_t        body;              /* of ngx_alloc(), zeroed, freed */
    ngx_msec_t       connect_timeout;
    ngx_msec_t       timeout;
    void           (*handler)(ngx_http_s3jobs_fetch_t *f);
    void            *data;

    ngx_uint_t       status;            /* 0: no answer, error says why */
    ngx_str_t        answer;
    char             error[NGX_HTTP_S3JOBS_FETCH_ERROR];

    void            *easy;
    void            *list;
    size_t           header_size;
    ngx_queue_t      queue;

    unsigned         proxy:1;           /* HTTPS_PROXY may be used */
    unsigned         timed_out:1;
    unsigned         too_large:1;
};


/*
 * Reads what the environment says of proxies and certificates, at
 * configuration: a worker has none of it.
 */
void ngx_http_s3jobs_fetch_configure(void);


/* Returns NGX_OK, or NGX_ERROR with f->error set. */
ngx_int_t ngx_http_s3jobs_fetch_start(ngx_http_s3jobs_fetch_t *f);
void ngx_http_s3jobs_fetch_cancel(ngx_http_s3jobs_fetch_t *f);

/* frees what a fetch that was not started has; one that was does so itself */
void ngx_http_s3jobs_fetch_free(ngx_http_s3jobs_fetch_t *f);

/* ends all fetches, without calling handlers */
void ngx_http_s3jobs_fetch_cleanup(void);


#endif /* _NGX_HTTP_S3JOBS_FETCH_H_INCLUDED_ */
