
/*
 * Copyright (C) the ngx_s3jobs_module authors
 */


#ifndef _NGX_S3JOBS_WRITER_H_INCLUDED_
#define _NGX_S3JOBS_WRITER_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_s3jobs_json.h"


/*
 * The text of a listing in JSON.  It outlives the document that an entry
 * comes from, so that entries of several can stand in one array.
 */

/*
 * Longest entry, and all unknown elements beside Jobs together, in bytes of
 * JSON, where an escaped character counts as what it was.
 */
#define NGX_S3JOBS_WRITER_ENTRY_MAX  262144
#define NGX_S3JOBS_WRITER_REST_MAX   16384


typedef struct {
    ngx_s3jobs_out_t  *out;
    ngx_s3jobs_out_t  *current;      /* out, or &rest */
    ngx_s3jobs_out_t   rest;         /* what follows the array */
    u_char            *rest_start;
    ngx_uint_t         jobs;         /* entries that are complete */
    size_t             size;         /* of the entry so far */
    const char        *error;        /* static; NULL: no memory, or out's */
} ngx_s3jobs_writer_t;


void ngx_s3jobs_writer_init(ngx_s3jobs_writer_t *w, ngx_s3jobs_out_t *out);
void ngx_s3jobs_writer_cleanup(ngx_s3jobs_writer_t *w);


/*
 * All return NGX_OK or NGX_ERROR.  put writes JSON, text what stands between
 * the quotes of a string; rest makes them write what follows the array until
 * ngx_s3jobs_writer_job() or finish, each member with a comma before it.
 * job begins an entry, job_end ends it.  finish may be given a NextToken.
 */
ngx_int_t ngx_s3jobs_writer_begin(ngx_s3jobs_writer_t *w);
ngx_int_t ngx_s3jobs_writer_job(ngx_s3jobs_writer_t *w);
ngx_int_t ngx_s3jobs_writer_job_end(ngx_s3jobs_writer_t *w);
void ngx_s3jobs_writer_rest(ngx_s3jobs_writer_t *w);
ngx_int_t ngx_s3jobs_writer_put(ngx_s3jobs_writer_t *w, const void *p,
    size_t len);
ngx_int_t ngx_s3jobs_writer_text(ngx_s3jobs_writer_t *w, const u_char *p,
    size_t len);
ngx_int_t ngx_s3jobs_writer_finish(ngx_s3jobs_writer_t *w, ngx_str_t *token);


#endif /* _NGX_S3JOBS_WRITER_H_INCLUDED_ */
