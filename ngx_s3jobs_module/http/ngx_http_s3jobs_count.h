
/*
 * Copyright (C) the ngx_s3jobs_module authors
 */


#ifndef _NGX_HTTP_S3JOBS_COUNT_H_INCLUDED_
#define _NGX_HTTP_S3JOBS_COUNT_H_INCLUDED_


#include "ngx_http_s3jobs_answer.h"


/* What is counted of requests. */


/* a handler of the log phase: the request of a client has ended */
ngx_int_t ngx_http_s3jobs_count_request(ngx_http_request_t *r);

/*
 * S3's answers to a request, when its header is filtered; own: an error that
 * is not S3's takes the place of the last one.  The error of S3 that goes on
 * to the client, whose status the second function tells (0: it is none), is
 * left to the third one, with S3's code for it (len 0: none).  The last one
 * counts the bytes, and an error that was not read to its end.
 */
void ngx_http_s3jobs_count_answers(ngx_http_request_t *r, ngx_uint_t own);
ngx_uint_t ngx_http_s3jobs_error_status(ngx_http_request_t *r);
void ngx_http_s3jobs_count_error(ngx_http_s3jobs_filter_t *f,
    ngx_str_t *code);
void ngx_http_s3jobs_count_documents(ngx_http_s3jobs_filter_t *f);

/*
 * The number of the states that belong to other upstreams, which the request
 * had before: nginx puts an empty state between them.
 */
ngx_uint_t ngx_http_s3jobs_first_try(ngx_array_t *states);

/* a request is about to be sent anew */
void ngx_http_s3jobs_count_retry(ngx_http_request_t *r,
    ngx_http_s3jobs_retry_e reason);


#endif /* _NGX_HTTP_S3JOBS_COUNT_H_INCLUDED_ */
