
/*
 * Copyright (C) the ngx_s3jobs_module authors
 */


#ifndef _NGX_S3JOBS_SAX_H_INCLUDED_
#define _NGX_S3JOBS_SAX_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/*
 * A push parser for the XML of AWS, over libxml2's SAX interface: elements
 * and text only, UTF-8 only.  Namespace prefixes, attributes, comments and
 * processing instructions are dropped; a DOCTYPE is refused, so there are no
 * entities but the five, and nothing is ever loaded.
 */


/*
 * libxml2 enforces no limit when the handlers are one's own.  In bytes: an
 * element's name; what libxml2 has allocated for the different names of a
 * document; a tag, comment, processing instruction or CDATA section, which
 * it keeps whole.  The latter two are looked at after each block of 4 kB.
 */
#define NGX_S3JOBS_SAX_DEPTH_MAX   32
#define NGX_S3JOBS_SAX_NAME_MAX    256
#define NGX_S3JOBS_SAX_NAMES_MAX   65536
#define NGX_S3JOBS_SAX_MARKUP_MAX  16384


typedef struct ngx_s3jobs_sax_s  ngx_s3jobs_sax_t;


/*
 * The caller's handlers; data is theirs.  They end the document with
 * ngx_s3jobs_sax_refuse(), and are not called again after that.  Text of
 * one element may come in any number of pieces, none empty, each of whole
 * characters.  A name is valid as long as the parser is.  The calls are the
 * same however the document came in pieces.
 */

typedef struct {
    void  (*start)(void *data, const u_char *name, size_t len);
    void  (*text)(void *data, const u_char *text, size_t len);
    void  (*end)(void *data);
} ngx_s3jobs_sax_handler_t;


/*
 * Once per process, before all parsers: libxml2's own memory.  Messages of
 * libxml2 that belong to no parser are silenced for the process.
 */
void ngx_s3jobs_sax_init(void);


/*
 * A parser, NULL if there is no memory.  The memory is libxml2's (malloc),
 * bounded, whatever the document's size; free it with
 * ngx_s3jobs_sax_destroy(), which takes NULL.
 */
ngx_s3jobs_sax_t *ngx_s3jobs_sax_create(
    const ngx_s3jobs_sax_handler_t *handler, void *data);
void ngx_s3jobs_sax_destroy(ngx_s3jobs_sax_t *sax);


/*
 * Takes the next piece of the document, of any length; it is parsed in blocks
 * of 4 kB.  Returns NGX_OK, or NGX_ERROR once the document is known to be
 * broken, then and ever after.
 */
ngx_int_t ngx_s3jobs_sax_feed(ngx_s3jobs_sax_t *sax, const u_char *p,
    size_t len);


/*
 * The document ends here.  Returns NGX_OK if it is complete and well-formed,
 * else NGX_ERROR.
 */
ngx_int_t ngx_s3jobs_sax_finish(ngx_s3jobs_sax_t *sax);


/*
 * A copy of text that is valid as long as the parser is, one for all texts
 * that are equal; NULL if there is no memory.  It counts as a name does.
 */
const u_char *ngx_s3jobs_sax_keep(ngx_s3jobs_sax_t *sax, const u_char *text,
    size_t len);


/*
 * Why the document was refused, one line for the error log; static, or
 * memory of the parser.  ngx_s3jobs_sax_refuse() sets it (the first reason
 * stays); reason is static.
 */
const char *ngx_s3jobs_sax_error(ngx_s3jobs_sax_t *sax);
void ngx_s3jobs_sax_refuse(ngx_s3jobs_sax_t *sax, const char *reason);


#endif /* _NGX_S3JOBS_SAX_H_INCLUDED_ */
