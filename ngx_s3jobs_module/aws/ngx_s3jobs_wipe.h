
/*
 * Copyright (C) the ngx_s3jobs_module authors
 */


#ifndef _NGX_S3JOBS_WIPE_H_INCLUDED_
#define _NGX_S3JOBS_WIPE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/*
 * malloc() and its kin for libraries through which secrets pass: memory is
 * zeroed before it is freed or moved.  Blocks of malloc() itself may be given
 * to ngx_s3jobs_wipe_free() and ngx_s3jobs_wipe_realloc(), and blocks of
 * these functions to free().
 */
void *ngx_s3jobs_wipe_malloc(size_t size);
void *ngx_s3jobs_wipe_calloc(size_t n, size_t size);
void *ngx_s3jobs_wipe_realloc(void *p, size_t size);
char *ngx_s3jobs_wipe_strdup(const char *s);
void ngx_s3jobs_wipe_free(void *p);


#endif /* _NGX_S3JOBS_WIPE_H_INCLUDED_ */
