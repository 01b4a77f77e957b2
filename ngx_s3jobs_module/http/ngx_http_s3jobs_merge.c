
/*
 * Copyright (C) the ngx_s3jobs_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_s3jobs_module.h"
#include "ngx_http_s3jobs_gather.h"
#include "ngx_http_s3jobs_headers.h"
#include "ngx_http_s3jobs_listing.h"
#include "ngx_http_s3jobs_merge.h"


/* nginx has no name for it */
#define NGX_HTTP_S3JOBS_NOT_ACCEPTABLE  406


typedef struct {
    ngx_http_core_srv_conf_t   *server;
    ngx_str_t                  *uri;
    u_char                     *file;
    ngx_uint_t                  line;
} ngx_http_s3jobs_merged_t;


static ngx_int_t ngx_http_s3jobs_merge_handler(ngx_http_request_t *r);
static ngx_int_t ngx_http_s3jobs_merge_arguments(ngx_http_request_t *r,
    ngx_http_s3jobs_ctx_t *ctx, ngx_str_t *args);
static ngx_int_t ngx_http_s3jobs_merge_start(ngx_http_request_t *r,
    ngx_http_s3jobs_ctx_t *ctx, ngx_str_t *args);
static ngx_http_core_loc_conf_t *ngx_http_s3jobs_merge_find(
    ngx_http_core_loc_conf_t *clcf, ngx_str_t *uri, ngx_uint_t *last);
static ngx_http_core_loc_conf_t *ngx_http_s3jobs_merge_prefix(
    ngx_http_location_tree_node_t *node, ngx_str_t *uri, ngx_uint_t *exact);


char *
ngx_http_s3jobs_merge(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_s3jobs_loc_conf_t *slcf = conf;

    ngx_str_t                    *value, *uri;
    ngx_uint_t                    i;
    ngx_http_s3jobs_merged_t     *m;
    ngx_http_core_loc_conf_t     *clcf;
    ngx_http_s3jobs_main_conf_t  *smcf;

    if (slcf->merge) {
        return "is duplicate";
    }

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    smcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_s3jobs_module);

    if (clcf->handler || slcf->enable == 1) {
        return "is for a location with no content handler of its own";
    }

    smcf->used = 1;
    clcf->handler = ngx_http_s3jobs_merge_handler;

    slcf->merge = ngx_array_create(cf->pool, cf->args->nelts - 1,
                                   sizeof(ngx_str_t));
    if (slcf->merge == NULL) {
        return NGX_CONF_ERROR;
    }

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {

        if (value[i].len == 0 || value[i].data[0] != '/'
            || ngx_strlchr(value[i].data, value[i].data + value[i].len, '?'))
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid URI \"%V\" in \"%V\" directive, it "
                               "must begin with \"/\" and have no arguments",
                               &value[i], &cmd->name);
            return NGX_CONF_ERROR;
        }

        uri = ngx_array_push(slcf->merge);
        m = ngx_array_push(smcf->merged);

        if (uri == NULL || m == NULL) {
            return NGX_CONF_ERROR;
        }

        *uri = value[i];

        m->server = ngx_http_conf_get_module_srv_conf(cf,
                                                      ngx_http_core_module);
        m->uri = uri;
        m->file = cf->conf_file->file.name.data;
        m->line = cf->conf_file->line;
    }

    return NGX_CONF_OK;
}


ngx_array_t *
ngx_http_s3jobs_merge_create(ngx_conf_t *cf)
{
    return ngx_array_create(cf->pool, 4, sizeof(ngx_http_s3jobs_merged_t));
}


/* the locations are there when all directives have been read */

ngx_int_t
ngx_http_s3jobs_merge_check(ngx_conf_t *cf, ngx_array_t *merged)
{
    ngx_uint_t                   i, last;
    ngx_http_s3jobs_merged_t    *m;
    ngx_http_core_loc_conf_t    *clcf;
    ngx_http_s3jobs_loc_conf_t  *slcf;

    m = merged->elts;

    for (i = 0; i < merged->nelts; i++) {
        clcf = m[i].server->ctx->loc_conf[ngx_http_core_module.ctx_index];
        clcf = ngx_http_s3jobs_merge_find(clcf, m[i].uri, &last);
        slcf = clcf->loc_conf
               ? clcf->loc_conf[ngx_http_s3jobs_module.ctx_index] : NULL;

        if (slcf && slcf->enable && slcf->job == NULL) {
            continue;
        }

        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "URI \"%V\" in \"s3jobs_merge\" directive is not that "
                      "of a listing: location \"%V\" %s in %s:%ui",
                      m[i].uri, &clcf->name,
                      (slcf && slcf->enable) ? "has \"s3jobs_job\""
                                             : "has no \"s3jobs on\"",
                      m[i].file, m[i].line);

        return NGX_ERROR;
    }

    return NGX_OK;
}


/* as nginx finds the location of a request */

static ngx_http_core_loc_conf_t *
ngx_http_s3jobs_merge_find(ngx_http_core_loc_conf_t *clcf, ngx_str_t *uri,
    ngx_uint_t *last)
{
    ngx_http_core_loc_conf_t   *found, *inner;
#if (NGX_PCRE)
    ngx_http_core_loc_conf_t  **re;
#endif

    *last = 0;

    found = clcf;
    inner = ngx_http_s3jobs_merge_prefix(clcf->static_locations, uri, last);

    if (inner) {
        if (*last) {
            return inner;
        }

        found = ngx_http_s3jobs_merge_find(inner, uri, last);

        if (*last) {
            return found;
        }
    }

#if (NGX_PCRE)

    if (inner && inner->noregex) {
        return found;
    }

    for (re = clcf->regex_locations; re && *re; re++) {

        if (ngx_regex_exec((*re)->regex->regex, uri, NULL, 0)
            != NGX_REGEX_NO_MATCHED)
        {
            found = ngx_http_s3jobs_merge_find(*re, uri, last);
            *last = 1;
            return found;
        }
    }

#endif

    return found;
}


static ngx_http_core_loc_conf_t *
ngx_http_s3jobs_merge_prefix(ngx_http_location_tree_node_t *node,
    ngx_str_t *uri, ngx_uint_t *exact)
{
    u_char                    *p;
    size_t                     len;
    ngx_int_t                  rc;
    ngx_http_core_loc_conf_t  *found;

    found = NULL;

    p = uri->data;
    len = uri->len;

    while (node) {

        rc = ngx_filename_cmp(p, node->name, ngx_min(len, (size_t) node->len));

        if (rc == 0 && len == (size_t) node->len && node->exact) {
            *exact = 1;
            return node->exact;
        }

        if (rc == 0 && len >= (size_t) node->len && node->inclusive) {
            found = node->inclusive;

            p += node->len;
            len -= node->len;
            node = node->tree;

            continue;
        }

        if (rc == 0) {
            rc = (len >= (size_t) node->len) ? 1 : -1;
        }

        node = (rc < 0) ? node->left : node->right;
    }

    return found;
}


static ngx_int_t
ngx_http_s3jobs_merge_handler(ngx_http_request_t *r)
{
    ngx_int_t               rc;
    ngx_str_t               args;
    ngx_http_s3jobs_ctx_t  *ctx;

    ctx = ngx_http_s3jobs_create_ctx(r);
    if (ctx == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (!(r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD))) {
        return ngx_http_s3jobs_reject(r, ctx, NGX_HTTP_NOT_ALLOWED,
                                      "MethodNotAllowed",
                                      "The method must be GET or HEAD.");
    }

    if (!ngx_http_s3jobs_json(r)) {
        return ngx_http_s3jobs_reject(r, ctx, NGX_HTTP_S3JOBS_NOT_ACCEPTABLE,
                                      "NotAcceptable",
                                      "Several listings in one are JSON.");
    }

    rc = ngx_http_s3jobs_merge_arguments(r, ctx, &args);
    if (rc != NGX_OK) {
        return rc;
    }

    rc = ngx_http_discard_request_body(r);
    if (rc != NGX_OK) {
        return rc;
    }

    return ngx_http_s3jobs_merge_start(r, ctx, &args);
}


static ngx_int_t
ngx_http_s3jobs_merge_arguments(ngx_http_request_t *r,
    ngx_http_s3jobs_ctx_t *ctx, ngx_str_t *args)
{
    ngx_s3jobs_query_t        *q;
    ngx_s3jobs_query_error_t   err;

    q = &ctx->arguments;

    if (ngx_s3jobs_query_parse(&r->args, q, &err) != NGX_OK) {
        return ngx_http_s3jobs_reject_query(r, ctx, &err);
    }

    if (q->next_token.len) {
        ngx_str_set(&err.name, "nextToken");
        ngx_str_set(&err.text, "belongs to one listing, and here are several");

        return ngx_http_s3jobs_reject_query(r, ctx, &err);
    }

    args->data = ngx_pnalloc(r->pool, ngx_s3jobs_query_length(q) + 1);
    if (args->data == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    args->len = ngx_s3jobs_query_write(args->data, q) - args->data;

    return NGX_OK;
}


static ngx_int_t
ngx_http_s3jobs_merge_start(ngx_http_request_t *r, ngx_http_s3jobs_ctx_t *ctx,
    ngx_str_t *args)
{
    ngx_str_t                   *uri;
    ngx_uint_t                   i;
    ngx_http_s3jobs_filter_t    *f;
    ngx_http_s3jobs_gather_t    *g;
    ngx_http_s3jobs_loc_conf_t  *slcf;

    slcf = ngx_http_get_module_loc_conf(r, ngx_http_s3jobs_module);

    f = ngx_http_s3jobs_start(r, ctx, NGX_HTTP_S3JOBS_GATHER);
    if (f == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_http_s3jobs_listing_output(f);

    g = ngx_http_s3jobs_gather_create(r, ctx, slcf->merge->nelts);
    if (g == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    g->merge = 1;
    g->args = *args;

    uri = slcf->merge->elts;

    for (i = 0; i < g->nmembers; i++) {
        g->members[i].uri = uri[i];
    }

    ctx->listed = 1;

    if (r == r->main) {

        if (ngx_handle_read_event(r->connection->read, 0) != NGX_OK) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        r->read_event_handler = ngx_http_test_reading;
    }

    if (ngx_http_s3jobs_gather_wake(r) != NGX_OK) {
        r->buffered &= ~NGX_HTTP_S3JOBS_BUFFERED;

        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    r->main->count++;

    return NGX_DONE;
}
