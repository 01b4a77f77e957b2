
/*
 * Copyright (C) the ngx_s3jobs_module authors
 */


#ifndef _NGX_S3JOBS_QUERY_H_INCLUDED_
#define _NGX_S3JOBS_QUERY_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/*
 * The arguments of S3 Control ListJobs
 * (https://docs.aws.amazon.com/AmazonS3/latest/API/API_control_ListJobs.html).
 */

#define NGX_S3JOBS_QUERY_MAX_RESULTS  1000


typedef struct {
    ngx_uint_t    statuses;      /* bit n: the n-th status by name is asked */
    ngx_int_t     max_results;   /* 0 .. 1000, or -1 if not given */
    ngx_str_t     next_token;    /* as received; len 0 if not given */
} ngx_s3jobs_query_t;


/*
 * What is wrong with a query, to be told to the client as
 * 'argument "<name>" <text>'.
 */

#define NGX_S3JOBS_QUERY_NAME_MAX  64


typedef struct {
    ngx_str_t     name;          /* as received, cut at 64 bytes */
    ngx_str_t     text;          /* static: what is wrong, what is allowed */
} ngx_s3jobs_query_error_t;


/*
 * Parses a query string, without its "?", into q, which then refers to
 * memory of args.  Names and values are percent-decoded once; "+" is a
 * plus; empty pairs are ignored.
 *
 * Returns NGX_OK, or NGX_DECLINED with the error filled in.
 */
ngx_int_t ngx_s3jobs_query_parse(ngx_str_t *args, ngx_s3jobs_query_t *q,
    ngx_s3jobs_query_error_t *err);


/*
 * The canonical query of Signature Version 4: sorted by name, then by
 * value, every byte but A-Z a-z 0-9 - . _ ~ percent-encoded in upper case.
 * The length in bytes, and the text itself written to p; returns its end.
 */
size_t ngx_s3jobs_query_length(ngx_s3jobs_query_t *q);
u_char *ngx_s3jobs_query_write(u_char *p, ngx_s3jobs_query_t *q);


#endif /* _NGX_S3JOBS_QUERY_H_INCLUDED_ */
