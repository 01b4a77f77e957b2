
/*
 * Copyright (C) the ngx_s3jobs_module authors
 */


#ifndef _NGX_HTTP_S3JOBS_PAGE_H_INCLUDED_
#define _NGX_HTTP_S3JOBS_PAGE_H_INCLUDED_


#include "ngx_http_s3jobs_answer.h"


/*
 * One more request upstream: a subrequest in the background, of whose answer
 * nothing goes to the client by itself.  The entries are kept, in memory and
 * beyond s3jobs_json_buffer_size in a temporary file, until the answer has
 * ended.  So a page is sent as a whole or not at all, and S3's connection is
 * free as soon as S3 has answered, however slow the client is.
 */


typedef struct ngx_http_s3jobs_member_s  ngx_http_s3jobs_member_t;


/* it lives in a pool of its own, with all that nginx allocates for it */

struct ngx_http_s3jobs_page_s {
    ngx_queue_t                  queue;
    ngx_pool_t                  *pool;
    ngx_http_request_t          *request;     /* the subrequest */
    ngx_http_s3jobs_member_t    *member;

    ngx_msec_t                   start;       /* by the clock */
    ngx_event_t                  event;       /* before it begins */

    ngx_temp_file_t             *file;
    off_t                        size;
    off_t                        offset;      /* up to which it was read */
    ngx_chain_t                 *out;         /* what comes after the file */
    ngx_chain_t                 *next;        /* of it, to be read */
    ngx_uint_t                   jobs;

    unsigned                     ended:1;
    unsigned                     failed:1;    /* the member's error says why */
    unsigned                     again:1;     /* and is not the last word */
};


/* asks for the page that the member's token names */
ngx_int_t ngx_http_s3jobs_page_fetch(ngx_http_s3jobs_member_t *m);

/* the next part of the page; NGX_DONE if there is none, or NGX_ERROR */
ngx_int_t ngx_http_s3jobs_page_read(ngx_http_s3jobs_page_t *page,
    ngx_s3jobs_out_t *out);

void ngx_http_s3jobs_page_free(ngx_http_s3jobs_page_t *page);

/* the page that a subrequest is for, NULL if there is none */
ngx_http_s3jobs_page_t *ngx_http_s3jobs_page_of(ngx_http_request_t *r);

/* of the requests for this page */
ngx_http_s3jobs_tries_t *ngx_http_s3jobs_page_tries(
    ngx_http_s3jobs_page_t *page);

/* whether it is S3's document that the client gets, and the filter for it */
ngx_uint_t ngx_http_s3jobs_page_raw(ngx_http_s3jobs_page_t *page);
ngx_int_t ngx_http_s3jobs_page_copy(ngx_http_request_t *r,
    ngx_http_s3jobs_ctx_t *ctx, ngx_chain_t *in);

/* how nginx is to read what will become JSON */
void ngx_http_s3jobs_page_header(ngx_http_request_t *r);

/* begins the subrequest's listing */
ngx_int_t ngx_http_s3jobs_page_listing(ngx_http_request_t *r,
    ngx_http_s3jobs_page_t *page, ngx_http_s3jobs_filter_t *f);

/* the subrequest's listing, instead of what sends one to the client */
ngx_int_t ngx_http_s3jobs_page_filter(ngx_http_request_t *r,
    ngx_http_s3jobs_ctx_t *ctx, ngx_chain_t *in);

/* the page has failed, ctx->error says why */
ngx_int_t ngx_http_s3jobs_page_failed(ngx_http_s3jobs_page_t *page,
    ngx_http_s3jobs_ctx_t *ctx);


#endif /* _NGX_HTTP_S3JOBS_PAGE_H_INCLUDED_ */
