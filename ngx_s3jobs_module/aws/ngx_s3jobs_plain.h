
/*
 * Copyright (C) the ngx_s3jobs_module authors
 */


#ifndef _NGX_S3JOBS_PLAIN_H_INCLUDED_
#define _NGX_S3JOBS_PLAIN_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_s3jobs_sax.h"


/*
 * The plain part of a listing, taken without libxml2: a short cut as
 * ngx_s3jobs_sax.h describes it, for data that is an ngx_s3jobs_listing_t.
 * What is taken gives the JSON that it would give by way of libxml2, byte for
 * byte; ngx_s3jobs_plain.c says what is not.
 */
ngx_int_t ngx_s3jobs_plain_take(void *data, ngx_s3jobs_sax_text_t *t);
size_t ngx_s3jobs_plain_border(void *data, ngx_s3jobs_sax_text_t *t);
u_char *ngx_s3jobs_plain_replay(void *data, u_char *p);


#endif /* _NGX_S3JOBS_PLAIN_H_INCLUDED_ */
