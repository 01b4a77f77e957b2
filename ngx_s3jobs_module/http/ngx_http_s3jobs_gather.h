
/*
 * Copyright (C) the ngx_s3jobs_module authors
 */


#ifndef _NGX_HTTP_S3JOBS_GATHER_H_INCLUDED_
#define _NGX_HTTP_S3JOBS_GATHER_H_INCLUDED_


#include "ngx_http_s3jobs_page.h"


/*
 * An answer that takes more than one request upstream: pages are fetched and
 * go out one after another, each as a whole.  A page is asked for when the
 * one before it has been taken by the client.
 */


/* text that is replaced by later ones, in memory that is used again */

typedef struct {
    ngx_str_t                    text;
    size_t                       size;
} ngx_http_s3jobs_kept_t;


/* one listing: an account, a region and the arguments */

struct ngx_http_s3jobs_member_s {
    ngx_http_s3jobs_gather_t    *gather;
    ngx_str_t                    uri;         /* of a merged one */
    ngx_http_request_t          *first;       /* of which others are clones */
    ngx_pool_t                  *pool;        /* its, if it is a page's */
    ngx_http_s3jobs_page_t      *page;        /* that is not sent yet */
    ngx_array_t                  seen;        /* uint64_t, hashes of queries */

    ngx_uint_t                   pages;       /* that were sent */
    ngx_uint_t                   max_pages;
    ngx_str_t                    account;
    ngx_str_t                    region;
    ngx_http_s3jobs_kept_t       token;       /* of the page to be fetched */
    ngx_http_s3jobs_kept_t       rest;        /* beside Jobs, last page's */
    ngx_s3jobs_error_t           error;       /* status 0: none */
    ngx_str_t                    retry_after; /* of it */
    ngx_http_s3jobs_tries_t      tries;       /* for the page at hand */

    unsigned                     done:1;
    unsigned                     foreign:1;   /* the URI is not of a listing */
};


struct ngx_http_s3jobs_gather_s {
    ngx_http_request_t          *request;     /* whose answer it is */
    ngx_http_s3jobs_ctx_t       *ctx;         /* its */
    ngx_http_s3jobs_member_t    *members;
    ngx_uint_t                   nmembers;

    ngx_queue_t                  ended;       /* pages, to be sent */
    ngx_http_s3jobs_page_t      *page;        /* that is being sent */

    ngx_str_t                    args;        /* of merged listings */

    unsigned                     merge:1;     /* listings of several */
    unsigned                     whole:1;     /* one document, as it is */
    unsigned                     raw:1;       /* and that is S3's */
    unsigned                     begun:1;     /* the header is out */
};


/*
 * The first page of a listing has been sent but for its end: goes on with the
 * page that its NextToken names.
 */
ngx_int_t ngx_http_s3jobs_gather_pages(ngx_http_request_t *r,
    ngx_http_s3jobs_ctx_t *ctx);

/*
 * What goes on when the request is woken: members fetch their pages, and these
 * are sent.  The state of the body filter is there already.
 */
ngx_http_s3jobs_gather_t *ngx_http_s3jobs_gather_create(ngx_http_request_t *r,
    ngx_http_s3jobs_ctx_t *ctx, ngx_uint_t n);
ngx_int_t ngx_http_s3jobs_gather_wake(ngx_http_request_t *r);

/* the first answer was an error that is not the last word: asks once more */
ngx_int_t ngx_http_s3jobs_gather_again(ngx_http_request_t *r,
    ngx_http_s3jobs_ctx_t *ctx);

/* the body filter of the request, for what comes from elsewhere */
ngx_int_t ngx_http_s3jobs_gather_filter(ngx_http_request_t *r,
    ngx_http_s3jobs_ctx_t *ctx);

/* a page has ended: it is looked at when the event at hand is over */
ngx_int_t ngx_http_s3jobs_gather_ended(ngx_http_s3jobs_page_t *page);

/* keeps ctx->error, whose texts may be memory of a page, as the member's */
ngx_int_t ngx_http_s3jobs_gather_failed(ngx_http_s3jobs_member_t *m,
    ngx_http_s3jobs_ctx_t *ctx);

/* NGX_DECLINED if the listing has asked this already */
ngx_int_t ngx_http_s3jobs_gather_seen(ngx_http_s3jobs_member_t *m,
    ngx_str_t *query);

/*
 * Nothing is left to be fetched: the end of the answer, or the error if there
 * is no answer.  Returns NGX_DONE or NGX_ERROR.
 */
ngx_int_t ngx_http_s3jobs_gather_end(ngx_http_s3jobs_gather_t *g);

/* writes text, which ends with a NUL, as it is */
ngx_int_t ngx_http_s3jobs_gather_text(ngx_s3jobs_out_t *out,
    const char *text);

ngx_int_t ngx_http_s3jobs_keep(ngx_pool_t *pool, ngx_http_s3jobs_kept_t *kept,
    ngx_str_t *text);


#endif /* _NGX_HTTP_S3JOBS_GATHER_H_INCLUDED_ */
