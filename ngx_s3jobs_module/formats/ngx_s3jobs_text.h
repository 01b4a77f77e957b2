
/*
 * Copyright (C) the ngx_s3jobs_module authors
 */


#ifndef _NGX_S3JOBS_TEXT_H_INCLUDED_
#define _NGX_S3JOBS_TEXT_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/*
 * Text that came from outside, for a log or a terminal: in place, each
 * control character (C0, DEL, C1), line and paragraph separator and mark of
 * direction (Unicode's Bidi_Control, UAX 9) becomes a space.  What is not
 * UTF-8 stays.  s->len can only become less.
 */
void ngx_s3jobs_text_clean(ngx_str_t *s);


/* whether s is one or more visible ASCII characters, 0x21 to 0x7e */
ngx_uint_t ngx_s3jobs_text_visible(ngx_str_t *s);


/*
 * The local name of the root element of an XML document, which begins with
 * p: behind a byte order mark, white space, processing instructions and
 * comments.  Returns NGX_OK; NGX_AGAIN if it is not whole yet; NGX_DECLINED
 * if there is none, as in a document with a DOCTYPE.  What is before it is
 * only skipped, and is for a parser to judge.
 */
ngx_int_t ngx_s3jobs_text_root(const u_char *p, size_t len, ngx_str_t *name);


#endif /* _NGX_S3JOBS_TEXT_H_INCLUDED_ */
