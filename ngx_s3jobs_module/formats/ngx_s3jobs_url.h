
/*
 * Copyright (C) the ngx_s3jobs_module authors
 */


#ifndef _NGX_S3JOBS_URL_H_INCLUDED_
#define _NGX_S3JOBS_URL_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/* parts of the text that was parsed */

typedef struct {
    ngx_str_t    host;      /* without port and brackets */
    ngx_str_t    header;    /* value of Host: without the scheme's own port */
    ngx_str_t    path;      /* with the query, from the "/"; len 0: none */
    ngx_uint_t   https;
    ngx_uint_t   loopback;  /* localhost, 127.0.0.0/8 or ::1 */
} ngx_s3jobs_url_t;


/*
 * Splits the URL of a credential service.  https:// may lead anywhere;
 * http:// carries secrets in the clear, and may lead to loopback and to the
 * hosts of the list plain only, which an empty string ends (NULL: none).
 * User names and fragments are refused.  Returns NULL, or a static text that
 * completes 'the URL ...'.
 */
const char *ngx_s3jobs_url_parse(ngx_str_t *text, const ngx_str_t *plain,
    ngx_s3jobs_url_t *url);


/*
 * The scheme, host and port of a URL, that need not be valid, as a part of
 * it: what may be logged, since a path can be a secret, as that of the
 * container agent is.  Of a URL with a user name it is the scheme alone.
 */
ngx_str_t ngx_s3jobs_url_origin(ngx_str_t *text);


/*
 * Whether the text is a HOST or HOST:PORT as it may stand in a Host header:
 * a name (or an IPv4 address) of at most 253 bytes, or an IPv6 address in
 * brackets; a port from 1 to 65535.  Returns 1 or 0.
 */
ngx_uint_t ngx_s3jobs_host_valid(ngx_str_t *host);


#endif /* _NGX_S3JOBS_URL_H_INCLUDED_ */
