
/*
 * A filter below the module that refuses each answer of 200, as modules for
 * access rules and image filters do: it finalizes the request.
 */

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>


static ngx_int_t finalize_init(ngx_conf_t *cf);


static ngx_http_output_header_filter_pt  next_header_filter;

static ngx_http_module_t  finalize_ctx = {
    NULL, finalize_init, NULL, NULL, NULL, NULL, NULL, NULL
};

ngx_module_t  finalize_filter = {
    NGX_MODULE_V1, &finalize_ctx, NULL, NGX_HTTP_MODULE,
    NULL, NULL, NULL, NULL, NULL, NULL, NULL, NGX_MODULE_V1_PADDING
};

ngx_module_t  *ngx_modules[] = { &finalize_filter, NULL };
char  *ngx_module_names[] = { "finalize_filter", NULL };
char  *ngx_module_order[] = {
    "finalize_filter", "ngx_http_s3jobs_module",
    "ngx_http_copy_filter_module", NULL
};


static ngx_int_t
finalize_header_filter(ngx_http_request_t *r)
{
    if (r->headers_out.status == NGX_HTTP_OK && r->err_status == 0) {
        return ngx_http_filter_finalize_request(r, &finalize_filter,
                                                NGX_HTTP_FORBIDDEN);
    }

    return next_header_filter(r);
}


static ngx_int_t
finalize_init(ngx_conf_t *cf)
{
    next_header_filter = ngx_http_top_header_filter;
    ngx_http_top_header_filter = finalize_header_filter;

    return NGX_OK;
}
