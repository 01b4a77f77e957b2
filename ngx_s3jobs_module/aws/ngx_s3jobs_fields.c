
/*
 * Copyright (C) the ngx_s3jobs_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_s3jobs_fields.h"


#define ngx_s3jobs_string(id, name)                                          \
    { id, ngx_string(name), ngx_string(",\"" name "\":\""),                  \
      NGX_S3JOBS_FIELD_STRING, NULL }

#define ngx_s3jobs_number(id, name)                                          \
    { id, ngx_string(name), ngx_string(",\"" name "\":"),                    \
      NGX_S3JOBS_FIELD_NUMBER, NULL }

#define ngx_s3jobs_object(id, name, fields)                                  \
    { id, ngx_string(name), ngx_string(",\"" name "\":"),                    \
      NGX_S3JOBS_FIELD_OBJECT, fields }

#define ngx_s3jobs_last                                                      \
    { 0, ngx_null_string, ngx_null_string, NGX_S3JOBS_FIELD_STRING, NULL }


static const ngx_s3jobs_field_t  ngx_s3jobs_fields_timers[] = {
    ngx_s3jobs_number(1, "ElapsedTimeInActiveSeconds"),
    ngx_s3jobs_last
};


static const ngx_s3jobs_field_t  ngx_s3jobs_fields_progress[] = {
    ngx_s3jobs_number(2, "TotalNumberOfTasks"),
    ngx_s3jobs_number(3, "NumberOfTasksSucceeded"),
    ngx_s3jobs_number(4, "NumberOfTasksFailed"),
    ngx_s3jobs_object(5, "Timers", ngx_s3jobs_fields_timers),
    ngx_s3jobs_last
};


const ngx_s3jobs_field_t  ngx_s3jobs_fields_job[] = {
    ngx_s3jobs_string(6, "JobId"),
    ngx_s3jobs_string(7, "Description"),
    ngx_s3jobs_string(8, "Operation"),
    ngx_s3jobs_number(9, "Priority"),
    ngx_s3jobs_string(10, "Status"),
    ngx_s3jobs_string(11, "CreationTime"),
    ngx_s3jobs_string(12, "TerminationDate"),
    ngx_s3jobs_object(13, "ProgressSummary", ngx_s3jobs_fields_progress),
    ngx_s3jobs_last
};


const ngx_s3jobs_field_t  ngx_s3jobs_fields_result[] = {
    { 14, ngx_string("Jobs"), ngx_null_string, NGX_S3JOBS_FIELD_JOBS, NULL },
    { 15, ngx_string("NextToken"), ngx_null_string, NGX_S3JOBS_FIELD_TOKEN,
      NULL },
    ngx_s3jobs_last
};


const ngx_s3jobs_field_t  ngx_s3jobs_fields_none[] = {
    ngx_s3jobs_last
};
