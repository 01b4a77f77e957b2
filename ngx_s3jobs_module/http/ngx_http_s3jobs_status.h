
/*
 * Copyright (C) the ngx_s3jobs_module authors
 */


#ifndef _NGX_HTTP_S3JOBS_STATUS_H_INCLUDED_
#define _NGX_HTTP_S3JOBS_STATUS_H_INCLUDED_


#include "ngx_http_s3jobs_module.h"


/* The locations that tell how the module is. */


#define NGX_HTTP_S3JOBS_STATUS_JSON        0
#define NGX_HTTP_S3JOBS_STATUS_PROMETHEUS  1
#define NGX_HTTP_S3JOBS_STATUS_READY       2


/* a content handler */
ngx_int_t ngx_http_s3jobs_status_handler(ngx_http_request_t *r);


#endif /* _NGX_HTTP_S3JOBS_STATUS_H_INCLUDED_ */
