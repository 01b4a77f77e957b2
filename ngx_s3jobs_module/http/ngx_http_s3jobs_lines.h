
/*
 * Copyright (C) the ngx_s3jobs_module authors
 */


#ifndef _NGX_HTTP_S3JOBS_LINES_H_INCLUDED_
#define _NGX_HTTP_S3JOBS_LINES_H_INCLUDED_


#include "ngx_http_s3jobs_module.h"


/* The proxy_* lines that "s3jobs on" stands for, see README.md. */


/*
 * For the directive: reads the lines into the location that is being read.
 * Returns NGX_CONF_OK, or NGX_CONF_ERROR with a message that names the place
 * of the directive.
 */
char *ngx_http_s3jobs_add_lines(ngx_conf_t *cf,
    ngx_http_s3jobs_loc_conf_t *slcf);

/*
 * At the end, when all is inherited: whether the location has a "proxy_pass",
 * and whether these lines are in effect.  Returns as above; messages name
 * the place of the directive.
 */
char *ngx_http_s3jobs_check_lines(ngx_conf_t *cf,
    ngx_http_s3jobs_loc_conf_t *slcf);

/*
 * The same for "s3jobs off": whether a "proxy_pass" has inherited the lines
 * from a location around it, and so would send headers without a value.
 */
char *ngx_http_s3jobs_check_off(ngx_conf_t *cf,
    ngx_http_s3jobs_loc_conf_t *slcf);


#endif /* _NGX_HTTP_S3JOBS_LINES_H_INCLUDED_ */
