
/*
 * Copyright (C) the ngx_s3jobs_module authors
 */


#ifndef _NGX_S3JOBS_ACCEPT_H_INCLUDED_
#define _NGX_S3JOBS_ACCEPT_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/*
 * How much a client wants JSON and XML (RFC 9110, section 12.5.1): weight
 * in thousandths, and how specific the media range was that gave it.
 */

typedef struct {
    ngx_uint_t    json_weight;
    ngx_uint_t    json_match;    /* 0: none, 1: any, 2: type/any, 3: exact */
    ngx_uint_t    xml_weight;
    ngx_uint_t    xml_match;
} ngx_s3jobs_accept_t;


/*
 * Takes the value of one Accept field line into a, which starts as zeros;
 * what is not a media range is skipped.  Parameters may be quoted strings.
 */
void ngx_s3jobs_accept_parse(ngx_s3jobs_accept_t *a, ngx_str_t *value);


/*
 * Whether JSON is to be sent: it has the greater weight, or the same and was
 * named more exactly (browsers add a wildcard).  XML is the
 * default.  Returns 1 or 0.
 */
ngx_uint_t ngx_s3jobs_accept_json(ngx_s3jobs_accept_t *a);


#endif /* _NGX_S3JOBS_ACCEPT_H_INCLUDED_ */
