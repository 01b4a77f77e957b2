
/*
 * Copyright (C) the ngx_s3jobs_module authors
 */


#ifndef _NGX_S3JOBS_ELEMENT_H_INCLUDED_
#define _NGX_S3JOBS_ELEMENT_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_s3jobs_fields.h"
#include "ngx_s3jobs_listing.h"
#include "ngx_s3jobs_sax.h"
#include "ngx_s3jobs_writer.h"


/*
 * What becomes of one element: shared by ngx_s3jobs_listing.c, which knows
 * the document around the jobs, and ngx_s3jobs_element.c, which knows the
 * kinds of fields.  Of no use to others.
 */

typedef struct ngx_s3jobs_element_s  ngx_s3jobs_element_t;


/*
 * How a kind of element takes a child, a piece of its text, and its end; when
 * end is called the element around it is the current one again.  NULL: there
 * may be no child, text is dropped, nothing is to be done.
 */

typedef struct {
    void  (*child)(ngx_s3jobs_listing_t *l, const u_char *name, size_t len);
    void  (*text)(ngx_s3jobs_listing_t *l, const u_char *p, size_t len);
    void  (*end)(ngx_s3jobs_listing_t *l, ngx_s3jobs_element_t *el);
} ngx_s3jobs_element_kind_t;


struct ngx_s3jobs_element_s {
    const ngx_s3jobs_element_kind_t  *kind;
    const ngx_s3jobs_field_t         *field;       /* if it is known */
    const ngx_s3jobs_field_t         *fields;      /* known in it */
    const ngx_s3jobs_field_t         *next;        /* likely to come */
    uint32_t                          seen;        /* bits, as in fields */
    ngx_uint_t                        nnames;      /* unknown, before it */
    ngx_str_t                         name;        /* if it is unknown */
};


/* names of unknown elements that were leaves: so many are remembered */
#define NGX_S3JOBS_LISTING_LEAVES    8
#define NGX_S3JOBS_LISTING_LEAF_LEN  61


struct ngx_s3jobs_listing_s {
    const ngx_s3jobs_document_t      *document;
    ngx_s3jobs_writer_t               writer;
    ngx_s3jobs_sax_t                 *sax;

    u_char                           *text;        /* of a leaf, if kept */
    size_t                            len;         /* of it, kept or not */
    size_t                            size;
    ngx_str_t                         token;       /* data NULL: none */
    ngx_str_t                         pair[2];     /* key, value of a map */

    ngx_s3jobs_element_t             *element;
    ngx_uint_t                        nnames;
    ngx_uint_t                        nleaves;
    ngx_uint_t                        plain;       /* entries taken as such */
    ngx_uint_t                        entry;       /* which of their names */
    ngx_uint_t                        root;        /* was there */
    ngx_uint_t                        failed;

    /* not zeroed at first, but for the first element */

    ngx_s3jobs_element_t              elements[NGX_S3JOBS_SAX_DEPTH_MAX + 1];
    ngx_str_t                         names[NGX_S3JOBS_LISTING_NAMES_MAX];
    ngx_str_t                         leaves[NGX_S3JOBS_LISTING_LEAVES];
    u_char                            tags[NGX_S3JOBS_LISTING_LEAVES]
                                          [NGX_S3JOBS_LISTING_LEAF_LEN + 3];
};


/* the kinds, one for each type of field */

#define ngx_s3jobs_element_kind(NAME, name)                                  \
    extern const ngx_s3jobs_element_kind_t  ngx_s3jobs_element_##name;

NGX_S3JOBS_FIELD_TYPES(ngx_s3jobs_element_kind)


/* A document, tag by tag: see ngx_s3jobs_sax.h. */
void ngx_s3jobs_element_start(void *data, const u_char *name, size_t len);
void ngx_s3jobs_element_text(void *data, const u_char *text, size_t len);
void ngx_s3jobs_element_end(void *data);

/* An element begins, in the current one, which knows these fields. */
void ngx_s3jobs_element_push(ngx_s3jobs_listing_t *l,
    const ngx_s3jobs_element_kind_t *kind, const ngx_s3jobs_field_t *fields);

/* The field of that name among those of the current element, or NULL. */
const ngx_s3jobs_field_t *ngx_s3jobs_element_find(ngx_s3jobs_listing_t *l,
    const u_char *name, size_t len);

/* Whether an element that is none of the fields is called as one in JSON. */
ngx_uint_t ngx_s3jobs_element_is_key(const ngx_s3jobs_field_t *field,
    const u_char *name, size_t len);

/* A child of an object. */
void ngx_s3jobs_element_child(ngx_s3jobs_listing_t *l, const u_char *name,
    size_t len);

/* A piece of text that is kept in l->text, and a copy of it all. */
void ngx_s3jobs_element_keep(ngx_s3jobs_listing_t *l, const u_char *p,
    size_t len);
void ngx_s3jobs_element_copy(ngx_s3jobs_listing_t *l, ngx_str_t *s);


#endif /* _NGX_S3JOBS_ELEMENT_H_INCLUDED_ */
