
/*
 * Copyright (C) the ngx_s3jobs_module authors
 */


#ifndef _NGX_S3JOBS_FIELDS_H_INCLUDED_
#define _NGX_S3JOBS_FIELDS_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/*
 * What is known of the documents that become JSON: ListJobs and DescribeJob
 * (https://docs.aws.amazon.com/AmazonS3/latest/API/API_control_ListJobs.html
 * and .../API_control_DescribeJob.html).  A new field is one line in a table
 * of ngx_s3jobs_fields.c, and nothing else here.
 *
 * The kinds of fields, each of which has an ngx_s3jobs_element_NAME in
 * ngx_s3jobs_element.c.  A timestamp is a string.
 */

#define NGX_S3JOBS_FIELD_TYPES(X)                                            \
    X(STRING, string)                                                        \
    X(NUMBER, number)      /* an integer */                                  \
    X(BOOLEAN, boolean)                                                      \
    X(OBJECT, object)                                                        \
    X(LIST, list)          /* each child an item, whatever its name */       \
    X(MAP, map)            /* of strings: <entry><key/><value/></entry> */   \
    X(JOBS, jobs)          /* the array of a listing */                      \
    X(JOB, job)            /* the only job of a document */                  \
    X(TOKEN, token)


#define ngx_s3jobs_field_type(NAME, name)  NGX_S3JOBS_FIELD_##NAME,

typedef enum {
    NGX_S3JOBS_FIELD_TYPES(ngx_s3jobs_field_type)
    NGX_S3JOBS_FIELD_LAST          /* ends a table; it has no name */
} ngx_s3jobs_field_type_e;


typedef struct ngx_s3jobs_field_s  ngx_s3jobs_field_t;

struct ngx_s3jobs_field_s {
    ngx_str_t                  name;
    ngx_str_t                  key;       /* JSON: comma, name, colon, quote */
    ngx_s3jobs_field_type_e    type;
    u_char                     open;      /* a bracket, or 0 */
    const ngx_s3jobs_field_t  *fields;    /* in it; a list: what an item is */
};


/* of one table, as a bit tells which were seen */
#define NGX_S3JOBS_FIELDS_MAX  32


/* a document: its root, and what its JSON begins and ends with */

typedef struct {
    ngx_str_t                  root;
    const ngx_s3jobs_field_t  *fields;
    ngx_str_t                  start;
    ngx_str_t                  end;

    /* why one is refused, for the error log */

    const char                *wrong_root;
    const char                *second;    /* Jobs or Job */
    const char                *none;      /* no Job; NULL: there may be none */
} ngx_s3jobs_document_t;


extern const ngx_s3jobs_document_t  ngx_s3jobs_list_jobs;
extern const ngx_s3jobs_document_t  ngx_s3jobs_describe_job;

extern const ngx_s3jobs_field_t  ngx_s3jobs_fields_none[];
extern const ngx_s3jobs_field_t  ngx_s3jobs_fields_entry[];


/* Whether the field has that name: memcmp(), but inline, by words. */

static ngx_inline ngx_uint_t
ngx_s3jobs_field_is(const ngx_s3jobs_field_t *field, const u_char *name,
    size_t len)
{
    size_t         n;
    uint64_t       v, w;
    const u_char  *p;

    p = field->name.data;

    if (len != field->name.len) {
        return 0;
    }

    if (len < 8) {
        for (n = 0; n < len && name[n] == p[n]; n++) { /* void */ }

        return n == len;
    }

    for (n = 0; n < len; n += 8) {
        n = ngx_min(n, len - 8);

        ngx_memcpy(&v, name + n, 8);
        ngx_memcpy(&w, p + n, 8);

        if (v != w) {
            return 0;
        }
    }

    return 1;
}


#endif /* _NGX_S3JOBS_FIELDS_H_INCLUDED_ */
