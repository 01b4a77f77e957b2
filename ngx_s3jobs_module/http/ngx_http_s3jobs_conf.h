
/*
 * Copyright (C) the ngx_s3jobs_module authors
 */


#ifndef _NGX_HTTP_S3JOBS_CONF_H_INCLUDED_
#define _NGX_HTTP_S3JOBS_CONF_H_INCLUDED_


#include "ngx_http_s3jobs_module.h"


/* The directives, and the configuration of a location. */


extern ngx_command_t  ngx_http_s3jobs_commands[];

void *ngx_http_s3jobs_create_loc_conf(ngx_conf_t *cf);
char *ngx_http_s3jobs_merge_loc_conf(ngx_conf_t *cf, void *parent,
    void *child);


#endif /* _NGX_HTTP_S3JOBS_CONF_H_INCLUDED_ */
