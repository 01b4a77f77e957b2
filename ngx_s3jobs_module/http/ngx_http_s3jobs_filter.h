
/*
 * Copyright (C) the ngx_s3jobs_module authors
 */


#ifndef _NGX_HTTP_S3JOBS_FILTER_H_INCLUDED_
#define _NGX_HTTP_S3JOBS_FILTER_H_INCLUDED_


#include "ngx_http_s3jobs_module.h"


typedef enum {
    /* S3's listing, on its way to JSON */
    NGX_HTTP_S3JOBS_LISTING = 0,
    /* S3's error, which is read to its end */
    NGX_HTTP_S3JOBS_ERROR,
    /* the header went out, the document that goes with it is still here */
    NGX_HTTP_S3JOBS_REPLACE,
    /* all is out; what still comes is dropped */
    NGX_HTTP_S3JOBS_DONE
} ngx_http_s3jobs_state_e;


struct ngx_http_s3jobs_filter_s {
    ngx_http_s3jobs_state_e      state;

    ngx_s3jobs_listing_t        *listing;
    ngx_s3jobs_error_reader_t   *reader;
    ngx_buf_t                   *document;    /* of an error */

    ngx_chain_t                 *in;
    ngx_chain_t                 *free;
    ngx_chain_t                 *busy;
    ngx_chain_t                 *out;         /* full pieces */
    ngx_chain_t                **last_out;
    ngx_buf_t                   *piece;       /* the one being written */
    size_t                       size;        /* in the full ones */
    ngx_s3jobs_out_t             writer;
    ngx_http_request_t          *request;

    /* the upstream's own, called by ours */
    void                       (*finalize)(ngx_http_request_t *r,
                                     ngx_int_t rc);

    unsigned                     streaming:1; /* the header is out */
    unsigned                     broken:1;
    unsigned                     ended:1;
    unsigned                     flush:1;
    unsigned                     sending:1;   /* the next filter has it */
};


/* ngx_http_s3jobs_listing.c: S3's listing to JSON */

ngx_int_t ngx_http_s3jobs_listing_filter(ngx_http_request_t *r,
    ngx_http_s3jobs_ctx_t *ctx, ngx_chain_t *in);
ngx_int_t ngx_http_s3jobs_listing_more(ngx_s3jobs_out_t *out);
void ngx_http_s3jobs_listing_broken(ngx_http_request_t *r,
    ngx_http_s3jobs_filter_t *f, const char *reason);


/* ngx_http_s3jobs_filter.c */

/* the whole answer for ctx->error, in place of one that was held back */
ngx_int_t ngx_http_s3jobs_send_error(ngx_http_request_t *r,
    ngx_http_s3jobs_ctx_t *ctx);

/* whether the buffer marks the end of an answer that was cut */
ngx_uint_t ngx_http_s3jobs_upstream_aborted(ngx_http_request_t *r,
    ngx_buf_t *b);

/* a broken document must not be served again */
void ngx_http_s3jobs_uncache(ngx_http_request_t *r);

/* frees the parsers; data is the filter's state */
void ngx_http_s3jobs_filter_cleanup(void *data);

extern ngx_http_output_header_filter_pt  ngx_http_s3jobs_next_header_filter;
extern ngx_http_output_body_filter_pt    ngx_http_s3jobs_next_body_filter;


/*
 * ngx_http_s3jobs_error.c: what the client is told.  The first three decide
 * what ctx->error is, and log what the client is not told.
 */

/* an error of this module or of nginx itself */
void ngx_http_s3jobs_own_error(ngx_http_request_t *r,
    ngx_http_s3jobs_ctx_t *ctx, ngx_uint_t status);

/* an answer of S3 of 300 or more */
void ngx_http_s3jobs_s3_error(ngx_http_request_t *r,
    ngx_http_s3jobs_ctx_t *ctx, ngx_s3jobs_error_reader_t *er);

/* a success of S3 that is not one */
void ngx_http_s3jobs_bad_upstream_response(ngx_http_request_t *r,
    ngx_http_s3jobs_ctx_t *ctx);

/* the document for ctx->error, with headers_out to match */
ngx_buf_t *ngx_http_s3jobs_error_document(ngx_http_request_t *r,
    ngx_http_s3jobs_ctx_t *ctx);

/* takes AWS's request id from the answer */
void ngx_http_s3jobs_upstream_ids(ngx_http_request_t *r,
    ngx_http_s3jobs_ctx_t *ctx);

/* drops S3's own headers, for an error in the place of its answer */
void ngx_http_s3jobs_drop_headers(ngx_http_request_t *r);

/* drops what described S3's document and not ours */
void ngx_http_s3jobs_clear_headers(ngx_http_request_t *r);

/* adds "Vary: Accept" if the answer depends on it */
ngx_int_t ngx_http_s3jobs_add_vary(ngx_http_request_t *r);

ngx_int_t ngx_http_s3jobs_error_init(ngx_conf_t *cf);


#endif /* _NGX_HTTP_S3JOBS_FILTER_H_INCLUDED_ */
