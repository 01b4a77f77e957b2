
/*
 * Copyright (C) the ngx_s3jobs_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_s3jobs_module.h"
#include "ngx_http_s3jobs_lines.h"


static char *ngx_http_s3jobs_parse(ngx_conf_t *cf, char *text, size_t len);
static char *ngx_http_s3jobs_check_handler(ngx_conf_t *cf,
    ngx_http_s3jobs_loc_conf_t *slcf);
static char *ngx_http_s3jobs_find_handler(ngx_conf_t *cf,
    ngx_http_s3jobs_main_conf_t *smcf);
static char *ngx_http_s3jobs_check_inherited(ngx_conf_t *cf,
    ngx_http_s3jobs_loc_conf_t *slcf);
static char *ngx_http_s3jobs_check_headers(ngx_conf_t *cf,
    ngx_http_s3jobs_loc_conf_t *slcf);
static ngx_uint_t ngx_http_s3jobs_spoils(ngx_keyval_t *header, ngx_uint_t i);
static ngx_uint_t ngx_http_s3jobs_sets_header(ngx_str_t *name);
static ngx_uint_t ngx_http_s3jobs_inherited(ngx_conf_t *cf,
    ngx_http_s3jobs_loc_conf_t *slcf, ngx_str_t *name);
static void *ngx_http_s3jobs_proxy_value(void *conf, ngx_str_t *name);
static void ngx_http_s3jobs_warn_of_http(ngx_conf_t *cf,
    ngx_http_s3jobs_loc_conf_t *slcf);
static ngx_str_t *ngx_http_s3jobs_remote_server(
    ngx_http_upstream_srv_conf_t *uscf);
static ngx_uint_t ngx_http_s3jobs_is_local(struct sockaddr *sa);


/* nginx exports it, though not in a header of every version */

extern ngx_module_t  ngx_http_proxy_module;


/*
 * What is sent to S3 Control, exactly, and what an answer may not do to
 * nginx.  On one line, so that each is on that of "s3jobs on".
 */

static char  ngx_http_s3jobs_lines[] =
    "proxy_http_version 1.1;"
    "proxy_method GET;"
    "proxy_pass_request_headers off;"
    "proxy_pass_request_body off;"
    "proxy_set_body \"\";"
    "proxy_set_header Host $s3jobs_host;"
    "proxy_set_header X-Amz-Account-Id $s3jobs_account;"
    "proxy_set_header X-Amz-Content-Sha256 $s3jobs_content_sha256;"
    "proxy_set_header X-Amz-Date $s3jobs_date;"
    "proxy_set_header X-Amz-Security-Token $s3jobs_security_token;"
    "proxy_set_header Authorization $s3jobs_authorization;"
    "proxy_set_header Connection \"\";"
    "proxy_set_header Content-Length \"\";"
    "proxy_set_header Transfer-Encoding \"\";"
    "proxy_ignore_headers X-Accel-Redirect X-Accel-Expires"
    " X-Accel-Limit-Rate X-Accel-Buffering X-Accel-Charset;"
#if (NGX_HTTP_SSL)
    "proxy_ssl_verify on;"
    "proxy_ssl_server_name on;"
    "proxy_ssl_name $s3jobs_host;"
#endif
#if (NGX_HTTP_CACHE)
    "proxy_cache_key $s3jobs_cache_key;"
#endif
    "}";


static ngx_str_t  ngx_http_s3jobs_set_header = ngx_string("proxy_set_header");


char *
ngx_http_s3jobs_add_lines(ngx_conf_t *cf, ngx_http_s3jobs_loc_conf_t *slcf)
{
    slcf->proxy_conf = ngx_http_conf_get_module_loc_conf(cf,
                                                       ngx_http_proxy_module);

    return ngx_http_s3jobs_parse(cf, ngx_http_s3jobs_lines,
                                 sizeof(ngx_http_s3jobs_lines) - 1);
}


/*
 * The text takes the place of the rest of a block, which its "}" ends, in
 * the file that is being read: so messages name the file and the line.
 */

static char *
ngx_http_s3jobs_parse(ngx_conf_t *cf, char *text, size_t len)
{
    char       *rv;
    ngx_buf_t   b, *rest;

    ngx_memzero(&b, sizeof(ngx_buf_t));

    b.start = (u_char *) text;
    b.pos = b.start;
    b.last = b.start + len;
    b.end = b.last;
    b.memory = 1;

    rest = cf->conf_file->buffer;
    cf->conf_file->buffer = &b;

    rv = ngx_conf_parse(cf, NULL);

    cf->conf_file->buffer = rest;

    return rv;
}


char *
ngx_http_s3jobs_check_lines(ngx_conf_t *cf, ngx_http_s3jobs_loc_conf_t *slcf)
{
    if (ngx_http_s3jobs_check_handler(cf, slcf) != NGX_CONF_OK
        || ngx_http_s3jobs_check_inherited(cf, slcf) != NGX_CONF_OK
        || ngx_http_s3jobs_check_headers(cf, slcf) != NGX_CONF_OK)
    {
        return NGX_CONF_ERROR;
    }

    ngx_http_s3jobs_warn_of_http(cf, slcf);

    return NGX_CONF_OK;
}


/* with another handler the request would go out as the client sent it */

static char *
ngx_http_s3jobs_check_handler(ngx_conf_t *cf,
    ngx_http_s3jobs_loc_conf_t *slcf)
{
    ngx_http_core_loc_conf_t     *clcf;
    ngx_http_s3jobs_main_conf_t  *smcf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (clcf->handler == NULL && clcf->noname) {

        /* "if" and "limit_except" take it from around them, later */

        return NGX_CONF_OK;
    }

    smcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_s3jobs_module);

    if (smcf->proxy_handler == NULL
        && ngx_http_s3jobs_find_handler(cf, smcf) != NGX_CONF_OK)
    {
        return NGX_CONF_ERROR;
    }

    if (clcf->handler == smcf->proxy_handler) {
        return NGX_CONF_OK;
    }

    ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                  "\"s3jobs on\" in location \"%V\" has %s in %s:%ui",
                  &clcf->name,
                  clcf->handler ? "a content handler that is not "
                                  "\"proxy_pass\""
                                : "no content handler, it needs "
                                  "\"proxy_pass\"",
                  slcf->enable_place.file, slcf->enable_place.line);

    return NGX_CONF_ERROR;
}


/* nginx does not export it, but shows it to a location with "proxy_pass" */

static char *
ngx_http_s3jobs_find_handler(ngx_conf_t *cf,
    ngx_http_s3jobs_main_conf_t *smcf)
{
    char                      *rv;
    void                     **loc_conf;
    ngx_uint_t                 i, n;
    ngx_conf_t                 scratch;
    ngx_http_module_t         *module;
    ngx_http_conf_ctx_t        ctx;
    ngx_http_core_loc_conf_t  *clcf;

    static char           pass[] = "proxy_pass $s3jobs_host; }";
    static ngx_module_t  *modules[] = { &ngx_http_core_module,
                                        &ngx_http_proxy_module };

    loc_conf = ngx_pcalloc(cf->pool, sizeof(void *) * ngx_http_max_module);
    if (loc_conf == NULL) {
        return NGX_CONF_ERROR;
    }

    for (i = 0; i < 2; i++) {
        n = modules[i]->ctx_index;
        module = modules[i]->ctx;

        loc_conf[n] = module->create_loc_conf(cf);
        if (loc_conf[n] == NULL) {
            return NGX_CONF_ERROR;
        }
    }

    ctx = *(ngx_http_conf_ctx_t *) cf->ctx;
    ctx.loc_conf = loc_conf;

    scratch = *cf;
    scratch.ctx = &ctx;
    scratch.cmd_type = NGX_HTTP_LOC_CONF;

    rv = ngx_http_s3jobs_parse(&scratch, pass, sizeof(pass) - 1);

    clcf = loc_conf[ngx_http_core_module.ctx_index];
    smcf->proxy_handler = clcf->handler;

    return rv;
}


/*
 * A location inside of one with "s3jobs on" inherits the lines but those of
 * a name that it has itself.  The key of the cache is not to be seen from
 * here, but with each answer.
 */

static char *
ngx_http_s3jobs_check_inherited(ngx_conf_t *cf,
    ngx_http_s3jobs_loc_conf_t *slcf)
{
    char                      *p, *name;
    ngx_str_t                  s;
    ngx_http_core_loc_conf_t  *clcf;

    for (p = ngx_http_s3jobs_lines; *p != '}'; p = ngx_strchr(p, ';') + 1) {
        name = p;
        p = ngx_strchr(p, ' ');

        s.data = (u_char *) name;
        s.len = p - name;

        if (ngx_http_s3jobs_inherited(cf, slcf, &s)) {
            continue;
        }

        clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "location \"%V\" inherits \"s3jobs on\" but has \"%V\" "
                      "of its own: it must say \"s3jobs on\" itself, as does "
                      "the location around it in %s:%ui",
                      &clcf->name, &s, slcf->enable_place.file,
                      slcf->enable_place.line);

        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


/* nginx sends each line, and S3 refuses what is not signed or comes twice */

static char *
ngx_http_s3jobs_check_headers(ngx_conf_t *cf,
    ngx_http_s3jobs_loc_conf_t *slcf)
{
    ngx_uint_t                 i;
    ngx_array_t               *headers;
    ngx_keyval_t              *header;
    ngx_http_core_loc_conf_t  *clcf;

    headers = ngx_http_s3jobs_proxy_value(
                 ngx_http_conf_get_module_loc_conf(cf, ngx_http_proxy_module),
                 &ngx_http_s3jobs_set_header);
    header = headers->elts;

    for (i = 0; i < headers->nelts; i++) {
        if (ngx_http_s3jobs_spoils(header, i)) {
            break;
        }
    }

    if (i == headers->nelts) {
        return NGX_CONF_OK;
    }

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                  "\"proxy_set_header %V\" in location \"%V\" %s "
                  "\"s3jobs on\" in %s:%ui",
                  &header[i].key, &clcf->name,
                  ngx_http_s3jobs_sets_header(&header[i].key)
                  ? "sets again what is set by"
                  : "would go up without being signed, which S3 Control "
                    "refuses,",
                  slcf->enable_place.file, slcf->enable_place.line);

    return NGX_CONF_ERROR;
}


/* whether the header of this number is ours a second time, or unsigned */

static ngx_uint_t
ngx_http_s3jobs_spoils(ngx_keyval_t *header, ngx_uint_t i)
{
    ngx_str_t   *name;
    ngx_uint_t   n;

    name = &header[i].key;

    if (!ngx_http_s3jobs_sets_header(name)) {
        return ngx_strncasecmp(name->data, (u_char *) "X-Amz-", 6) == 0;
    }

    for (n = 0; n < i; n++) {
        if (header[n].key.len == name->len
            && ngx_strncasecmp(header[n].key.data, name->data, name->len) == 0)
        {
            return 1;
        }
    }

    return 0;
}


static ngx_uint_t
ngx_http_s3jobs_sets_header(ngx_str_t *name)
{
    char  *p;

    for (p = ngx_http_s3jobs_lines; *p != '}'; p = ngx_strchr(p, ';') + 1) {

        if (ngx_strncmp(p, "proxy_set_header ", 17) == 0
            && ngx_strncasecmp((u_char *) p + 17, name->data, name->len) == 0
            && p[17 + name->len] == ' ')
        {
            return 1;
        }
    }

    return 0;
}


char *
ngx_http_s3jobs_check_off(ngx_conf_t *cf, ngx_http_s3jobs_loc_conf_t *slcf)
{
    ngx_http_core_loc_conf_t     *clcf;
    ngx_http_s3jobs_main_conf_t  *smcf;

    smcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_s3jobs_module);
    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (slcf->proxy_conf == NULL
        || clcf->handler == NULL
        || clcf->handler != smcf->proxy_handler
        || !ngx_http_s3jobs_inherited(cf, slcf,
                                      &ngx_http_s3jobs_set_header))
    {
        return NGX_CONF_OK;
    }

    ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                  "location \"%V\" with \"s3jobs off\" inherits the "
                  "\"proxy_set_header\" lines of \"s3jobs on\" around it: it "
                  "needs its own, or a place outside, \"s3jobs on\" in %s:%ui",
                  &clcf->name, slcf->enable_place.file,
                  slcf->enable_place.line);

    return NGX_CONF_ERROR;
}


/*
 * Whether the value of a line is that of the location that says "s3jobs on".
 * All values are words that inheritance copies, or begin with one.
 */

static ngx_uint_t
ngx_http_s3jobs_inherited(ngx_conf_t *cf, ngx_http_s3jobs_loc_conf_t *slcf,
    ngx_str_t *name)
{
    void  *here;

    here = ngx_http_conf_get_module_loc_conf(cf, ngx_http_proxy_module);

    return ngx_http_s3jobs_proxy_value(here, name)
           == ngx_http_s3jobs_proxy_value(slcf->proxy_conf, name);
}


/* NULL for what has no place of its own in the proxy's configuration */

static void *
ngx_http_s3jobs_proxy_value(void *conf, ngx_str_t *name)
{
    ngx_command_t  *cmd;

    for (cmd = ngx_http_proxy_module.commands; cmd->name.len; cmd++) {
        if (cmd->name.len == name->len
            && ngx_strncmp(cmd->name.data, name->data, name->len) == 0)
        {
            break;
        }
    }

    return cmd->offset ? *(void **) ((char *) conf + cmd->offset) : NULL;
}


/* a signature is good for whoever reads it, and for all that it signs */

static void
ngx_http_s3jobs_warn_of_http(ngx_conf_t *cf, ngx_http_s3jobs_loc_conf_t *slcf)
{
    ngx_str_t                 *server;
    ngx_http_core_loc_conf_t  *clcf;
    ngx_http_upstream_conf_t  *ucf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    /* the first member of the proxy's configuration, of which it is private */

    ucf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_proxy_module);

    if (clcf->noname || ucf->upstream == NULL) {
        return;
    }

#if (NGX_HTTP_SSL)

    if (ucf->ssl && ucf->ssl->ctx) {
        return;
    }

#endif

    server = ngx_http_s3jobs_remote_server(ucf->upstream);

    if (server == NULL) {
        return;
    }

    ngx_log_error(NGX_LOG_WARN, cf->log, 0,
                  "\"proxy_pass\" in location \"%V\" sends signatures and "
                  "session tokens in clear text to \"%V\": use \"https://\" "
                  "for what is not on this machine, \"s3jobs on\" in %s:%ui",
                  &clcf->name, server, slcf->enable_place.file,
                  slcf->enable_place.line);
}


/* the name of a server that is not this machine, or else NULL */

static ngx_str_t *
ngx_http_s3jobs_remote_server(ngx_http_upstream_srv_conf_t *uscf)
{
    ngx_uint_t                   i, n;
    ngx_http_upstream_server_t  *us;

    static ngx_str_t  localhost = ngx_string("localhost");

    if (uscf->servers == NULL) {

        /* "proxy_pass" with a name that is no upstream{} */

        return (uscf->host.len == localhost.len
                && ngx_strncasecmp(uscf->host.data, localhost.data,
                                   localhost.len)
                   == 0)
               ? NULL : &uscf->host;
    }

    us = uscf->servers->elts;

    for (i = 0; i < uscf->servers->nelts; i++) {

        if (us[i].naddrs == 0) {

            /* resolved while nginx runs */

            return &us[i].name;
        }

        for (n = 0; n < us[i].naddrs; n++) {
            if (!ngx_http_s3jobs_is_local(us[i].addrs[n].sockaddr)) {
                return &us[i].addrs[n].name;
            }
        }
    }

    return NULL;
}


static ngx_uint_t
ngx_http_s3jobs_is_local(struct sockaddr *sa)
{
    struct sockaddr_in   *sin;
#if (NGX_HAVE_INET6)
    struct sockaddr_in6  *sin6;
#endif

    switch (sa->sa_family) {

    case AF_INET:
        sin = (struct sockaddr_in *) sa;
        return (ntohl(sin->sin_addr.s_addr) >> 24) == 127;

#if (NGX_HAVE_INET6)
    case AF_INET6:
        sin6 = (struct sockaddr_in6 *) sa;
        return IN6_IS_ADDR_LOOPBACK(&sin6->sin6_addr);
#endif

    default: /* AF_UNIX */
        return 1;
    }
}
