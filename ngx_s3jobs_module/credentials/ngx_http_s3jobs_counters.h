
/*
 * Copyright (C) the ngx_s3jobs_module authors
 */


#ifndef _NGX_HTTP_S3JOBS_COUNTERS_H_INCLUDED_
#define _NGX_HTTP_S3JOBS_COUNTERS_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/*
 * Counters in the shared zone: of all workers, and kept by a reload.  They
 * are only ever added to, without a lock.
 */


/* different pairs of a status and a code; what is beyond is counted as one */
#define NGX_HTTP_S3JOBS_TALLY  128


typedef enum {
    NGX_HTTP_S3JOBS_RETRY_THROTTLED = 0,
    NGX_HTTP_S3JOBS_RETRY_FAILED,         /* InternalError and the like */
    NGX_HTTP_S3JOBS_RETRY_CREDENTIALS,
    NGX_HTTP_S3JOBS_RETRY_CLOCK,
    NGX_HTTP_S3JOBS_RETRIES
} ngx_http_s3jobs_retry_e;


/* one pair; a key of 0 is nobody's, and one that was given stays */

typedef struct {
    ngx_atomic_t                key;
    ngx_atomic_t                count;
} ngx_http_s3jobs_tally_t;


typedef struct {
    ngx_http_s3jobs_tally_t     requests[NGX_HTTP_S3JOBS_TALLY];
    ngx_http_s3jobs_tally_t     answers[NGX_HTTP_S3JOBS_TALLY];   /* S3's */
    ngx_atomic_t                retries[NGX_HTTP_S3JOBS_RETRIES];
    ngx_atomic_t                jobs;
    ngx_atomic_t                xml;      /* bytes */
    ngx_atomic_t                json;
} ngx_http_s3jobs_counters_t;


/* of one source, in its record */

typedef struct {
    ngx_atomic_t                signatures;
    ngx_atomic_t                timeouts;
    ngx_atomic_t                refreshed;
    ngx_atomic_t                failed;
    time_t                      success;      /* when last refreshed */
    time_t                      failure;      /* 0: not since then */
} ngx_http_s3jobs_usage_t;


#define ngx_http_s3jobs_count(counter, n)                                     \
    (void) ngx_atomic_fetch_add(counter, (ngx_atomic_int_t) (n))


/* the code is a number, see ngx_s3jobs_error_number() */
void ngx_http_s3jobs_tally(ngx_http_s3jobs_tally_t *tally, ngx_uint_t status,
    ngx_uint_t code);

/* what a key stands for */
#define ngx_http_s3jobs_tally_status(key)  ((ngx_uint_t) (key) >> 8)
#define ngx_http_s3jobs_tally_code(key)    ((ngx_uint_t) (key) & 0xff)


#endif /* _NGX_HTTP_S3JOBS_COUNTERS_H_INCLUDED_ */
