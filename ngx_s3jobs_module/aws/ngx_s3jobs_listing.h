
/*
 * Copyright (C) the ngx_s3jobs_module authors
 */


#ifndef _NGX_S3JOBS_LISTING_H_INCLUDED_
#define _NGX_S3JOBS_LISTING_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_s3jobs_fields.h"
#include "ngx_s3jobs_json.h"


/*
 * A ListJobsResult document to JSON, as it arrives, in memory that does not
 * grow with the document:
 *
 *     {"Jobs":[{...},...],"NextToken":"..."}
 *
 * Jobs comes first and NextToken last, wherever they stood; what else there
 * is in ListJobsResult comes between them.  Known numbers are copied as they
 * are, without the white space around them; other than an integer of JSON
 * breaks the document, as does an element inside of a known value.  An
 * unknown element is a string, or an object if it has children, or an array
 * if the first of them is a "member".  Of siblings of one name the first is
 * taken, but a second Jobs breaks the document.  Text between elements is
 * dropped.
 *
 * A DescribeJobResult becomes {"Job":{...}} by the same rules.  Known lists
 * are arrays, empty ones too, whatever their items are called; maps are
 * objects, in which the first entry of a key is taken; booleans are "true" or
 * "false", and an empty one is left out.  A document without Job is broken.
 *
 * Nothing that was written parses as JSON before ngx_s3jobs_listing_finish()
 * has returned NGX_OK.
 */

typedef struct ngx_s3jobs_listing_s  ngx_s3jobs_listing_t;


/*
 * What is more than this breaks the document: bytes of text of one element
 * and of NextToken (the API says 1024), names of unknown elements and keys of
 * maps around one place.  See also ngx_s3jobs_sax.h and ngx_s3jobs_writer.h.
 */
#define NGX_S3JOBS_LISTING_TEXT_MAX   65536
#define NGX_S3JOBS_LISTING_TOKEN_MAX  4096
#define NGX_S3JOBS_LISTING_NAMES_MAX  256


/*
 * A converter of &ngx_s3jobs_list_jobs or &ngx_s3jobs_describe_job that
 * writes to out, which must outlive it; NULL if there is no memory.  Free it
 * with ngx_s3jobs_listing_destroy(), which takes NULL.
 */
ngx_s3jobs_listing_t *ngx_s3jobs_listing_create(
    const ngx_s3jobs_document_t *document, ngx_s3jobs_out_t *out);
void ngx_s3jobs_listing_destroy(ngx_s3jobs_listing_t *l);


/*
 * The next piece of the document, and its end.  Both return NGX_OK;
 * NGX_DECLINED once the document is known to be broken, then and ever after;
 * or NGX_ERROR if out->more() failed or memory ran out.
 */
ngx_int_t ngx_s3jobs_listing_feed(ngx_s3jobs_listing_t *l, const u_char *p,
    size_t len);
ngx_int_t ngx_s3jobs_listing_finish(ngx_s3jobs_listing_t *l);


/*
 * For an array that goes on with the entries of another document: complete
 * and close are the two halves of finish, of which close ends the JSON.
 * After part, which comes before the first feed, only entries are written,
 * with commas between them; each begins with entry, JSON that must outlive l
 * (members without the braces; len 0: nothing).
 *
 * After complete there are the NextToken, data NULL if there was none, and
 * what stands beside Jobs, JSON that begins with a comma, len 0 if it is
 * nothing.
 */
void ngx_s3jobs_listing_part(ngx_s3jobs_listing_t *l, ngx_str_t *entry);
ngx_int_t ngx_s3jobs_listing_complete(ngx_s3jobs_listing_t *l);
ngx_int_t ngx_s3jobs_listing_close(ngx_s3jobs_listing_t *l);
ngx_str_t ngx_s3jobs_listing_token(ngx_s3jobs_listing_t *l);
ngx_str_t ngx_s3jobs_listing_rest(ngx_s3jobs_listing_t *l);


/*
 * Entries written so far; how many of them libxml2 has not seen; why the
 * document is broken, for the error log.
 */
ngx_uint_t ngx_s3jobs_listing_jobs(ngx_s3jobs_listing_t *l);
ngx_uint_t ngx_s3jobs_listing_plain(ngx_s3jobs_listing_t *l);
const char *ngx_s3jobs_listing_error(ngx_s3jobs_listing_t *l);


#endif /* _NGX_S3JOBS_LISTING_H_INCLUDED_ */
