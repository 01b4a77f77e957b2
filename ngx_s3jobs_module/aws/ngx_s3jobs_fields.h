
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

/*
 * A name stands in its end tag, and behind a key there are as many zeros as
 * may be copied with it.
 */

#define ngx_s3jobs_name(name)                                                \
    { sizeof(name) - 1, (u_char *) "</" name ">" + 2 }

#define NGX_S3JOBS_FIELD_ZEROS  "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"         \
                                "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
#define NGX_S3JOBS_FIELD_COPY   32

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

    /* whether ngx_s3jobs_plain.h may take what is plain */

    ngx_uint_t                 plain;
} ngx_s3jobs_document_t;


/* 0 at build time leaves all documents to libxml2 */
#ifndef NGX_S3JOBS_PLAIN
#define NGX_S3JOBS_PLAIN  1
#endif


extern const ngx_s3jobs_document_t  ngx_s3jobs_list_jobs;
extern const ngx_s3jobs_document_t  ngx_s3jobs_describe_job;

extern const ngx_s3jobs_field_t  ngx_s3jobs_fields_none[];
extern const ngx_s3jobs_field_t  ngx_s3jobs_fields_entry[];


/* memcmp() == 0, but inline, by words, the last one with the one before */

static ngx_inline ngx_uint_t
ngx_s3jobs_field_same(const u_char *a, const u_char *b, size_t len)
{
    size_t    n;
    uint32_t  i, j;
    uint64_t  v, w;

    if (len < 8) {

        if (len < 4) {
            return ngx_memcmp(a, b, len) == 0;
        }

        ngx_memcpy(&i, a, 4);
        ngx_memcpy(&j, b, 4);

        if (i != j) {
            return 0;
        }

        ngx_memcpy(&i, a + len - 4, 4);
        ngx_memcpy(&j, b + len - 4, 4);

        return i == j;
    }

    n = 0;

    do {
        ngx_memcpy(&v, a + n, 8);
        ngx_memcpy(&w, b + n, 8);

        if (v != w) {
            return 0;
        }

        n += 8;

    } while (n + 8 < len);

    ngx_memcpy(&v, a + len - 8, 8);
    ngx_memcpy(&w, b + len - 8, 8);

    return v == w;
}


#endif /* _NGX_S3JOBS_FIELDS_H_INCLUDED_ */
