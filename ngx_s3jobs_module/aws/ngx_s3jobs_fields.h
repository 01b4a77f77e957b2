
/*
 * Copyright (C) the ngx_s3jobs_module authors
 */


#ifndef _NGX_S3JOBS_FIELDS_H_INCLUDED_
#define _NGX_S3JOBS_FIELDS_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/*
 * The response of ListJobs
 * (https://docs.aws.amazon.com/AmazonS3/latest/API/API_control_ListJobs.html).
 */

typedef enum {
    NGX_S3JOBS_FIELD_STRING = 0,
    NGX_S3JOBS_FIELD_NUMBER,
    NGX_S3JOBS_FIELD_OBJECT,
    NGX_S3JOBS_FIELD_JOBS,       /* an array of ngx_s3jobs_fields_job */
    NGX_S3JOBS_FIELD_TOKEN
} ngx_s3jobs_field_type_e;


typedef struct ngx_s3jobs_field_s  ngx_s3jobs_field_t;

/* a list of fields ends with one that has no name and the id 0 */

struct ngx_s3jobs_field_s {
    ngx_uint_t                 id;        /* less than NGX_S3JOBS_FIELDS */
    ngx_str_t                  name;
    ngx_str_t                  key;       /* JSON: comma, name, colon, quote */
    ngx_s3jobs_field_type_e    type;
    const ngx_s3jobs_field_t  *fields;    /* of an object */
};


#define NGX_S3JOBS_FIELDS  16


extern const ngx_s3jobs_field_t  ngx_s3jobs_fields_result[];
extern const ngx_s3jobs_field_t  ngx_s3jobs_fields_job[];
extern const ngx_s3jobs_field_t  ngx_s3jobs_fields_none[];


#endif /* _NGX_S3JOBS_FIELDS_H_INCLUDED_ */
