
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
 * JSON, where an escaped character of an entry counts as what it was.
 */
#define NGX_S3JOBS_WRITER_ENTRY_MAX  262144
#define NGX_S3JOBS_WRITER_REST_MAX   16384


typedef struct {
    ngx_s3jobs_out_t  *out;
    ngx_s3jobs_out_t  *current;      /* out, or &rest */
    ngx_s3jobs_out_t   rest;         /* what follows the entries */
    u_char            *rest_start;
    ngx_uint_t         jobs;         /* entries that are complete */
    size_t             size;         /* of the entry so far */
    ngx_uint_t         part;         /* nothing but entries is written */
    ngx_str_t          entry;        /* what each of them begins with */
    ngx_uint_t         comma;        /* one belongs before the next key */
    ngx_uint_t         failed;
    void             (*fail)(void *data, const char *error);
    void              *data;
} ngx_s3jobs_writer_t;


void ngx_s3jobs_writer_init(ngx_s3jobs_writer_t *w, ngx_s3jobs_out_t *out,
    void (*fail)(void *data, const char *error), void *data);
void ngx_s3jobs_writer_cleanup(ngx_s3jobs_writer_t *w);


/*
 * json writes JSON, text what stands between the quotes of a string.  Both
 * can be given a key, that is JSON that begins with a comma, which is left
 * out where none belongs.  key makes one of a name.  open and close write a
 * bracket or a quote.  job begins an entry, job_end ends it.
 *
 * After rest all this goes to what follows the entries, until the next job.
 * begin writes what stands before the first entry; finish ends the listing,
 * with what stands behind the last one, and may be given a NextToken.
 *
 * With part set there are only entries, with commas between them.  entry is
 * JSON, members of an object without the braces, len 0: nothing.
 *
 * When something cannot be written, fail is called once, and the rest is
 * lost; error is static, NULL if memory or the output is at fault.
 */
void ngx_s3jobs_writer_begin(ngx_s3jobs_writer_t *w, const ngx_str_t *start);
void ngx_s3jobs_writer_job(ngx_s3jobs_writer_t *w);
void ngx_s3jobs_writer_job_end(ngx_s3jobs_writer_t *w);
void ngx_s3jobs_writer_rest(ngx_s3jobs_writer_t *w);
void ngx_s3jobs_writer_json(ngx_s3jobs_writer_t *w, const ngx_str_t *key,
    const u_char *p, size_t len);
void ngx_s3jobs_writer_text(ngx_s3jobs_writer_t *w, const ngx_str_t *key,
    const u_char *p, size_t len);
void ngx_s3jobs_writer_key(ngx_s3jobs_writer_t *w, const u_char *name,
    size_t len);
void ngx_s3jobs_writer_open(ngx_s3jobs_writer_t *w, u_char c);
void ngx_s3jobs_writer_close(ngx_s3jobs_writer_t *w, u_char c);
void ngx_s3jobs_writer_finish(ngx_s3jobs_writer_t *w, const ngx_str_t *end,
    ngx_str_t *token);


#endif /* _NGX_S3JOBS_WRITER_H_INCLUDED_ */
