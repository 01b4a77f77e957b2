
/*
 * Copyright (C) the ngx_s3jobs_module authors
 */


#ifndef _NGX_HTTP_S3JOBS_MERGE_H_INCLUDED_
#define _NGX_HTTP_S3JOBS_MERGE_H_INCLUDED_


#include "ngx_http_s3jobs_module.h"


/*
 * s3jobs_merge: a content handler that fetches several listings side by side,
 * from the locations of the same server, and writes one document.
 */

char *ngx_http_s3jobs_merge(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);

/* the URIs of all such directives, and whether they are those of listings */
ngx_array_t *ngx_http_s3jobs_merge_create(ngx_conf_t *cf);
ngx_int_t ngx_http_s3jobs_merge_check(ngx_conf_t *cf, ngx_array_t *merged);


#endif /* _NGX_HTTP_S3JOBS_MERGE_H_INCLUDED_ */
