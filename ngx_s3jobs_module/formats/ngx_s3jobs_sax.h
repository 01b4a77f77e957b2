
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
 * Text that a handler may take without libxml2: it is UTF-8 with line feeds
 * only and no NUL; there are NGX_S3JOBS_SAX_ZEROS zeros behind it.
 */

#define NGX_S3JOBS_SAX_TEXT_MAX  (4096 + 1024 + 4)
#define NGX_S3JOBS_SAX_ZEROS     32

typedef struct {
    u_char      *pos;            /* moved behind what was taken */
    u_char      *last;
    unsigned     whole:1;        /* libxml2 has seen nothing of the document */
    unsigned     open:1;         /* what libxml2 has got ends in a '<' */
    unsigned     done:1;         /* set: the document may end at pos */
    unsigned     stop:1;         /* set: all that follows is libxml2's */
} ngx_s3jobs_sax_text_t;


/*
 * The caller's handlers; data is theirs.  They end the document with
 * ngx_s3jobs_sax_refuse(), and are not called again after that.  Text of
 * one element may come in any number of pieces, none empty, each of whole
 * characters.  A name is valid as long as the parser is.  The calls are the
 * same however the document came in pieces.
 *
 * Three more make up a short cut, or are NULL.  Where libxml2 stands between
 * two tags with nothing but white space before it, take gets the text first.
 * What it takes, whole elements with the white space around them, libxml2
 * never sees; if the text is whole, that may be tags as well.  It returns
 * NGX_OK if it has taken all, NGX_AGAIN if it wants to see more behind pos
 * first, or NGX_DECLINED if libxml2 has to judge; then border says how much
 * of the text, at least one byte, libxml2 gets before take is asked again; it
 * may be called in the middle of anything.  Should libxml2 be
 * needed after all, replay writes at most NGX_S3JOBS_SAX_REPLAY_MAX bytes of
 * a document that leads to where the handler is, for which it is not called,
 * and returns their end.
 */

#define NGX_S3JOBS_SAX_REPLAY_MAX  256

typedef struct {
    void  (*start)(void *data, const u_char *name, size_t len);
    void  (*text)(void *data, const u_char *text, size_t len);
    void  (*end)(void *data);

    ngx_int_t  (*take)(void *data, ngx_s3jobs_sax_text_t *t);
    size_t     (*border)(void *data, ngx_s3jobs_sax_text_t *t);
    u_char    *(*replay)(void *data, u_char *p);
} ngx_s3jobs_sax_handler_t;


/*
 * Once per process, before all parsers: libxml2's own memory.  Messages of
 * libxml2 that belong to no parser are silenced for the process.
 */
void ngx_s3jobs_sax_init(void);


/*
 * A parser, NULL if there is no memory.  The memory is libxml2's (malloc),
 * bounded, whatever the document's size; free it with
 * ngx_s3jobs_sax_destroy(), which takes NULL.  If there is a short cut,
 * libxml2's part is made only when it is needed.
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
 * Whether memory ran out, and the document is not to blame.
 */
ngx_uint_t ngx_s3jobs_sax_failed(ngx_s3jobs_sax_t *sax);


/*
 * Why the document was refused, one line for the error log; static, or
 * memory of the parser.  ngx_s3jobs_sax_refuse() sets it (the first reason
 * stays); reason is static.
 */
const char *ngx_s3jobs_sax_error(ngx_s3jobs_sax_t *sax);
void ngx_s3jobs_sax_refuse(ngx_s3jobs_sax_t *sax, const char *reason);


#endif /* _NGX_S3JOBS_SAX_H_INCLUDED_ */
