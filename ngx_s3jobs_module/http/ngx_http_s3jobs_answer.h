
/*
 * Copyright (C) the ngx_s3jobs_module authors
 */


#ifndef _NGX_HTTP_S3JOBS_ANSWER_H_INCLUDED_
#define _NGX_HTTP_S3JOBS_ANSWER_H_INCLUDED_


#include "ngx_http_s3jobs_module.h"


/* of r->buffered, which has four bits: the one that nginx leaves */
#define NGX_HTTP_S3JOBS_BUFFERED  0x08


/*
 * An answer that is not passed on as S3 sent it: its state, and an error in
 * its place.
 */


typedef enum {
    /* a 200, of which the root element is not known yet */
    NGX_HTTP_S3JOBS_FIRST = 0,
    /* S3's listing, on its way to JSON */
    NGX_HTTP_S3JOBS_LISTING,
    /* S3's error, which is read to its end */
    NGX_HTTP_S3JOBS_ERROR,
    /* the header went out, the document that goes with it is still here */
    NGX_HTTP_S3JOBS_REPLACE,
    /* S3's document as it is, of a page */
    NGX_HTTP_S3JOBS_RAW,
    /* further pages follow the first one */
    NGX_HTTP_S3JOBS_GATHER,
    /* all is out; what still comes is dropped */
    NGX_HTTP_S3JOBS_DONE
} ngx_http_s3jobs_state_e;


struct ngx_http_s3jobs_filter_s {
    ngx_http_s3jobs_state_e      state;

    ngx_s3jobs_listing_t        *listing;
    ngx_s3jobs_error_reader_t   *reader;
    ngx_buf_t                   *document;    /* of an error */

    u_char                      *first;       /* bytes, for want of more */
    size_t                       first_len;

    ngx_chain_t                 *in;
    ngx_chain_t                 *free;
    ngx_chain_t                 *busy;
    ngx_chain_t                 *out;         /* full pieces */
    ngx_chain_t                **last_out;
    ngx_buf_t                   *piece;       /* the one being written */
    size_t                       size;        /* in the full ones */
    ngx_s3jobs_out_t             writer;
    ngx_http_request_t          *request;

    size_t                       xml;         /* bytes, not counted yet */
    size_t                       json;
    ngx_uint_t                   status;      /* of an error, likewise */

    /* the upstream's own, called by ours */
    void                       (*finalize)(ngx_http_request_t *r,
                                     ngx_int_t rc);
    ngx_int_t                  (*input_init)(void *data);
    ngx_int_t                  (*input)(void *data, ssize_t bytes);
    ngx_event_pipe_input_filter_pt  pipe_input;

    ngx_event_t                  early;       /* ends the answer */

    unsigned                     raw:1;       /* S3's document as it is */
    unsigned                     streaming:1; /* the header is out */
    unsigned                     broken:1;
    unsigned                     bad_input:1; /* HTTP that S3 sent wrong */
    unsigned                     ended:1;
    unsigned                     flush:1;
    unsigned                     more:1;      /* what ends is not all */
    unsigned                     sending:1;   /* the next filter has it */
};


/* the state, which is ctx->filter from now on; NULL if there is no memory */
ngx_http_s3jobs_filter_t *ngx_http_s3jobs_start(ngx_http_request_t *r,
    ngx_http_s3jobs_ctx_t *ctx, ngx_http_s3jobs_state_e state);

/* frees the parsers before the pool does; data is the state */
void ngx_http_s3jobs_filter_cleanup(void *data);

/* the whole answer for ctx->error, in place of one that was held back */
ngx_int_t ngx_http_s3jobs_send_error(ngx_http_request_t *r,
    ngx_http_s3jobs_ctx_t *ctx);

/* its two halves: the header, for a header filter, and the document */
ngx_int_t ngx_http_s3jobs_error_header(ngx_http_request_t *r,
    ngx_http_s3jobs_ctx_t *ctx);
ngx_int_t ngx_http_s3jobs_send_document(ngx_http_request_t *r,
    ngx_http_s3jobs_filter_t *f);

/* what comes is S3's error: reads it to its end, and answers it */
ngx_int_t ngx_http_s3jobs_error_start(ngx_http_s3jobs_filter_t *f);
ngx_int_t ngx_http_s3jobs_error_filter(ngx_http_request_t *r,
    ngx_http_s3jobs_ctx_t *ctx, ngx_chain_t *in);

void ngx_http_s3jobs_drop(ngx_chain_t *in);

/*
 * The same for a document found broken, before S3 has ended it: from outside
 * of the event pipe, and only if nginx allows it.  Else what comes is to be
 * swallowed up to the end of the answer.
 */
void ngx_http_s3jobs_end_early(ngx_http_request_t *r,
    ngx_http_s3jobs_ctx_t *ctx);

/* sets ctx->error for an answer that this machine could not take */
void ngx_http_s3jobs_not_taken(ngx_http_request_t *r,
    ngx_http_s3jobs_ctx_t *ctx);

/* whether the buffer marks the end of an answer that was cut */
ngx_uint_t ngx_http_s3jobs_upstream_aborted(ngx_http_request_t *r,
    ngx_buf_t *b);

/* a broken document must not be served again */
void ngx_http_s3jobs_uncache(ngx_http_request_t *r);


extern ngx_http_output_header_filter_pt  ngx_http_s3jobs_next_header_filter;
extern ngx_http_output_body_filter_pt    ngx_http_s3jobs_next_body_filter;


#endif /* _NGX_HTTP_S3JOBS_ANSWER_H_INCLUDED_ */
