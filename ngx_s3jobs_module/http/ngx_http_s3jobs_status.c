
/*
 * Copyright (C) the ngx_s3jobs_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_s3jobs_module.h"
#include "ngx_http_s3jobs_provider.h"
#include "ngx_http_s3jobs_status.h"
#include "ngx_s3jobs_json.h"


/* longest text of one ngx_http_s3jobs_print() */
#define NGX_HTTP_S3JOBS_PRINT  256

#define NGX_HTTP_S3JOBS_PAGE   8192

#define NGX_HTTP_S3JOBS_KEY_ID_END  4


/* what is told of a source, as it is now */

typedef struct {
    ngx_http_s3jobs_source_t    *source;

    ngx_uint_t                   usable;
    ngx_uint_t                   expires;     /* 0: never */
    ngx_uint_t                   success;     /* 0: none so far */
    ngx_uint_t                   failure;     /* 0: none since then */
    ngx_uint_t                   next;        /* 0: never */

    ngx_uint_t                   refreshed;
    ngx_uint_t                   failed;
    ngx_uint_t                   signatures;
    ngx_uint_t                   timeouts;

    u_char                       end[NGX_HTTP_S3JOBS_KEY_ID_END];
    size_t                       end_len;
} ngx_http_s3jobs_health_t;


/* a metric of each source */

typedef struct {
    const char                  *name;
    const char                  *type;        /* a gauge has a label more */
    const char                  *help;        /* NULL: it goes on */
    const char                  *result;
    size_t                       offset;
    ngx_uint_t                   optional;    /* 0 is no value */
} ngx_http_s3jobs_metric_t;


typedef struct {
    ngx_s3jobs_out_t             out;
    ngx_chain_t                 *chain;
    ngx_chain_t                **last;
    ngx_buf_t                   *page;
    ngx_http_request_t          *request;
    ngx_http_s3jobs_counters_t  *counters;
    ngx_http_s3jobs_health_t    *health;
    ngx_uint_t                   n;
    ngx_uint_t                   failed;
} ngx_http_s3jobs_report_t;


static ngx_int_t ngx_http_s3jobs_collect(ngx_http_s3jobs_report_t *rp);
static void ngx_http_s3jobs_health(ngx_http_s3jobs_health_t *h,
    ngx_http_s3jobs_source_t *source);
static time_t ngx_http_s3jobs_next_try(ngx_http_s3jobs_source_t *source,
    ngx_http_s3jobs_schedule_t *schedule);
static ngx_uint_t ngx_http_s3jobs_is_ready(ngx_http_s3jobs_report_t *rp);

static void ngx_http_s3jobs_ready(ngx_http_s3jobs_report_t *rp);
static void ngx_http_s3jobs_json_report(ngx_http_s3jobs_report_t *rp);
static void ngx_http_s3jobs_json_source(ngx_http_s3jobs_report_t *rp,
    ngx_http_s3jobs_health_t *h);
static void ngx_http_s3jobs_json_time(ngx_http_s3jobs_report_t *rp,
    const char *name, time_t t);
static void ngx_http_s3jobs_json_tally(ngx_http_s3jobs_report_t *rp,
    const char *name, ngx_http_s3jobs_tally_t *tally);

static void ngx_http_s3jobs_prometheus(ngx_http_s3jobs_report_t *rp);
static void ngx_http_s3jobs_family(ngx_http_s3jobs_report_t *rp,
    const char *name, const char *type, const char *help);
static void ngx_http_s3jobs_metric_tally(ngx_http_s3jobs_report_t *rp,
    const char *name, ngx_http_s3jobs_tally_t *tally);
static void ngx_http_s3jobs_metric_sources(ngx_http_s3jobs_report_t *rp);

static void ngx_http_s3jobs_print(ngx_http_s3jobs_report_t *rp,
    const char *fmt, ...);
static void ngx_http_s3jobs_name(ngx_http_s3jobs_report_t *rp,
    ngx_str_t *name);
static void ngx_http_s3jobs_label(ngx_http_s3jobs_report_t *rp,
    ngx_str_t *value);
static void ngx_http_s3jobs_write(ngx_http_s3jobs_report_t *rp,
    const void *p, size_t len);
static ngx_int_t ngx_http_s3jobs_report_page(ngx_s3jobs_out_t *out);
static ngx_int_t ngx_http_s3jobs_send_report(ngx_http_s3jobs_report_t *rp,
    ngx_uint_t status, ngx_str_t *type);


static ngx_http_s3jobs_metric_t  ngx_http_s3jobs_metrics[] = {

    { "signatures_total", "counter", "Requests signed.", NULL,
      offsetof(ngx_http_s3jobs_health_t, signatures), 0 },

    { "wait_timeouts_total", "counter",
      "Requests that waited for credentials in vain.", NULL,
      offsetof(ngx_http_s3jobs_health_t, timeouts), 0 },

    { "credentials_usable", "gauge",
      "Whether requests can be signed.", NULL,
      offsetof(ngx_http_s3jobs_health_t, usable), 0 },

    { "credentials_expiration_timestamp_seconds", "gauge",
      "When the credentials expire, if they do.", NULL,
      offsetof(ngx_http_s3jobs_health_t, expires), 1 },

    { "credentials_last_success_timestamp_seconds", "gauge",
      "When credentials were last got.", NULL,
      offsetof(ngx_http_s3jobs_health_t, success), 1 },

    { "credentials_refreshes_total", "counter",
      "Attempts to get credentials.", "success",
      offsetof(ngx_http_s3jobs_health_t, refreshed), 0 },

    { "credentials_refreshes_total", "counter", NULL, "failure",
      offsetof(ngx_http_s3jobs_health_t, failed), 0 },

    { NULL, NULL, NULL, NULL, 0, 0 }
};


static const char  *ngx_http_s3jobs_retry_names[] = {
    "throttled",
    "failed",
    "credentials",
    "clock"
};


ngx_int_t
ngx_http_s3jobs_status_handler(ngx_http_request_t *r)
{
    ngx_int_t                    rc;
    ngx_str_t                   *type;
    ngx_uint_t                   status;
    ngx_http_s3jobs_report_t     rp;
    ngx_http_s3jobs_loc_conf_t  *slcf;

    static ngx_str_t  json = ngx_string("application/json");
    static ngx_str_t  text =
        ngx_string("text/plain; version=0.0.4; charset=utf-8");

    if (!(r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD))) {
        return NGX_HTTP_NOT_ALLOWED;
    }

    rc = ngx_http_discard_request_body(r);

    if (rc != NGX_OK) {
        return rc;
    }

    ngx_memzero(&rp, sizeof(ngx_http_s3jobs_report_t));

    rp.request = r;
    rp.last = &rp.chain;
    rp.out.more = ngx_http_s3jobs_report_page;
    rp.out.data = &rp;

    if (ngx_http_s3jobs_collect(&rp) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    slcf = ngx_http_get_module_loc_conf(r, ngx_http_s3jobs_module);

    status = NGX_HTTP_OK;
    type = &json;

    switch (slcf->status) {

    case NGX_HTTP_S3JOBS_STATUS_READY:
        ngx_http_s3jobs_ready(&rp);

        if (!ngx_http_s3jobs_is_ready(&rp)) {
            status = NGX_HTTP_SERVICE_UNAVAILABLE;
        }

        break;

    case NGX_HTTP_S3JOBS_STATUS_PROMETHEUS:
        ngx_http_s3jobs_prometheus(&rp);
        type = &text;
        break;

    default: /* NGX_HTTP_S3JOBS_STATUS_JSON */
        ngx_http_s3jobs_json_report(&rp);
        break;
    }

    if (rp.failed) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_s3jobs_send_report(&rp, status, type);
}


static ngx_int_t
ngx_http_s3jobs_collect(ngx_http_s3jobs_report_t *rp)
{
    ngx_uint_t                    i;
    ngx_http_s3jobs_source_t    **sp;
    ngx_http_s3jobs_sources_t    *ss;
    ngx_http_s3jobs_main_conf_t  *smcf;

    smcf = ngx_http_get_module_main_conf(rp->request, ngx_http_s3jobs_module);
    ss = &smcf->sources;

    rp->counters = ss->counters;
    rp->n = ss->sources->nelts;
    rp->health = ngx_pcalloc(rp->request->pool,
                             rp->n * sizeof(ngx_http_s3jobs_health_t) + 1);
    if (rp->health == NULL) {
        return NGX_ERROR;
    }

    sp = ss->sources->elts;

    for (i = 0; i < rp->n; i++) {
        ngx_http_s3jobs_health(&rp->health[i], sp[i]);
    }

    return NGX_OK;
}


static void
ngx_http_s3jobs_health(ngx_http_s3jobs_health_t *h,
    ngx_http_s3jobs_source_t *source)
{
    ngx_str_t                 *key_id;
    ngx_http_s3jobs_copy_t    *copy;
    ngx_http_s3jobs_record_t  *rec;

    h->source = source;
    h->usable = (ngx_http_s3jobs_check_credentials(source) == NGX_OK);

    copy = source->copy;
    key_id = &copy->key_id;

    if (copy->generation) {
        h->expires = copy->expires;
        h->end_len = ngx_min(key_id->len, NGX_HTTP_S3JOBS_KEY_ID_END);
        ngx_memcpy(h->end, key_id->data + key_id->len - h->end_len,
                   h->end_len);
    }

    rec = ngx_http_s3jobs_lock(source);

    if (rec == NULL) {
        return;
    }

    h->success = rec->usage.success;
    h->failure = rec->usage.failure;
    h->refreshed = rec->usage.refreshed;
    h->failed = rec->usage.failed;
    h->signatures = rec->usage.signatures;
    h->timeouts = rec->usage.timeouts;
    h->next = ngx_http_s3jobs_next_try(source, &rec->schedule);

    ngx_http_s3jobs_unlock(source);
}


static time_t
ngx_http_s3jobs_next_try(ngx_http_s3jobs_source_t *source,
    ngx_http_s3jobs_schedule_t *schedule)
{
    ngx_msec_int_t  left;

    if (source->idle || source->provider->fetch == NULL) {
        return 0;
    }

    if (schedule->failures) {
        left = schedule->hold - ngx_current_msec;
        return ngx_time() + ngx_max(left, 0) / 1000;
    }

    return ngx_max((time_t) (schedule->due / 1000), ngx_time());
}


static ngx_uint_t
ngx_http_s3jobs_is_ready(ngx_http_s3jobs_report_t *rp)
{
    ngx_uint_t  i;

    for (i = 0; i < rp->n; i++) {
        if (rp->health[i].source->named && !rp->health[i].usable) {
            return 0;
        }
    }

    return 1;
}


static void
ngx_http_s3jobs_ready(ngx_http_s3jobs_report_t *rp)
{
    ngx_uint_t   i;
    const char  *before;

    if (ngx_http_s3jobs_is_ready(rp)) {
        ngx_http_s3jobs_print(rp, "{\"ready\":true}");
        return;
    }

    before = "{\"ready\":false,\"without\":[\"";

    for (i = 0; i < rp->n; i++) {
        if (rp->health[i].source->named && !rp->health[i].usable) {
            ngx_http_s3jobs_print(rp, "%s", before);
            ngx_http_s3jobs_name(rp, &rp->health[i].source->name);
            before = "\",\"";
        }
    }

    ngx_http_s3jobs_print(rp, "\"]}");
}


static void
ngx_http_s3jobs_json_report(ngx_http_s3jobs_report_t *rp)
{
    ngx_uint_t                   i;
    ngx_http_s3jobs_counters_t  *c;

    c = rp->counters;

    ngx_http_s3jobs_print(rp, "{\"version\":\"%s\",\"nginx\":\"%s\","
                          "\"ready\":%s,\"sources\":[",
                          NGX_HTTP_S3JOBS_VERSION, NGINX_VERSION,
                          ngx_http_s3jobs_is_ready(rp) ? "true" : "false");

    for (i = 0; i < rp->n; i++) {
        ngx_http_s3jobs_print(rp, i ? "," : "");
        ngx_http_s3jobs_json_source(rp, &rp->health[i]);
    }

    ngx_http_s3jobs_print(rp, "]");

    ngx_http_s3jobs_json_tally(rp, "requests", c->requests);
    ngx_http_s3jobs_json_tally(rp, "upstreamResponses", c->answers);

    ngx_http_s3jobs_print(rp, ",\"retries\":{");

    for (i = 0; i < NGX_HTTP_S3JOBS_RETRIES; i++) {
        ngx_http_s3jobs_print(rp, "%s\"%s\":%uA", i ? "," : "",
                              ngx_http_s3jobs_retry_names[i], c->retries[i]);
    }

    ngx_http_s3jobs_print(rp, "},\"jobs\":%uA,\"documentBytes\":"
                          "{\"xml\":%uA,\"json\":%uA}}",
                          c->jobs, c->xml, c->json);
}


static void
ngx_http_s3jobs_json_source(ngx_http_s3jobs_report_t *rp,
    ngx_http_s3jobs_health_t *h)
{
    ngx_str_t  end;

    end.data = h->end;
    end.len = h->end_len;

    ngx_http_s3jobs_print(rp, "{\"name\":\"");
    ngx_http_s3jobs_name(rp, &h->source->name);
    ngx_http_s3jobs_print(rp, "\",\"type\":\"%V\",\"usable\":%s,"
                          "\"keyIdEnd\":\"", &h->source->type,
                          h->usable ? "true" : "false");
    ngx_http_s3jobs_name(rp, &end);
    ngx_http_s3jobs_print(rp, "\"");

    ngx_http_s3jobs_json_time(rp, "expires", h->expires);
    ngx_http_s3jobs_json_time(rp, "lastSuccess", h->success);
    ngx_http_s3jobs_json_time(rp, "lastFailure", h->failure);
    ngx_http_s3jobs_json_time(rp, "nextRefresh", h->next);

    ngx_http_s3jobs_print(rp, ",\"refreshes\":%ui,\"failures\":%ui,"
                          "\"signatures\":%ui,\"waitTimeouts\":%ui}",
                          h->refreshed, h->failed, h->signatures,
                          h->timeouts);
}


static void
ngx_http_s3jobs_json_time(ngx_http_s3jobs_report_t *rp, const char *name,
    time_t t)
{
    ngx_tm_t  tm;

    if (t <= 0) {
        ngx_http_s3jobs_print(rp, ",\"%s\":null", name);
        return;
    }

    ngx_gmtime(t, &tm);

    ngx_http_s3jobs_print(rp, ",\"%s\":\"%4d-%02d-%02dT%02d:%02d:%02dZ\"",
                          name, tm.ngx_tm_year, tm.ngx_tm_mon,
                          tm.ngx_tm_mday, tm.ngx_tm_hour, tm.ngx_tm_min,
                          tm.ngx_tm_sec);
}


static void
ngx_http_s3jobs_json_tally(ngx_http_s3jobs_report_t *rp, const char *name,
    ngx_http_s3jobs_tally_t *tally)
{
    ngx_str_t   code;
    ngx_uint_t  i;

    ngx_http_s3jobs_print(rp, ",\"%s\":[", name);

    for (i = 0; i < NGX_HTTP_S3JOBS_TALLY; i++) {

        if (tally[i].key == 0) {
            continue;
        }

        code = ngx_s3jobs_error_name(ngx_http_s3jobs_tally_code(tally[i].key));

        ngx_http_s3jobs_print(rp, "%s{\"status\":%ui,\"code\":\"%V\","
                              "\"count\":%uA}", i ? "," : "",
                              ngx_http_s3jobs_tally_status(tally[i].key),
                              &code, tally[i].count);
    }

    ngx_http_s3jobs_print(rp, "]");
}


static void
ngx_http_s3jobs_prometheus(ngx_http_s3jobs_report_t *rp)
{
    ngx_uint_t                   i;
    ngx_http_s3jobs_counters_t  *c;

    c = rp->counters;

    ngx_http_s3jobs_family(rp, "build_info", "gauge",
                           "Versions of the module and of nginx.");
    ngx_http_s3jobs_print(rp, "nginx_s3jobs_build_info{version=\"%s\","
                          "nginx=\"%s\"} 1\n",
                          NGX_HTTP_S3JOBS_VERSION, NGINX_VERSION);

    ngx_http_s3jobs_family(rp, "requests_total", "counter",
                           "Requests of clients, by status and error code.");
    ngx_http_s3jobs_metric_tally(rp, "requests_total", c->requests);

    ngx_http_s3jobs_family(rp, "upstream_responses_total", "counter",
                           "Answers of S3 Control, by status and error "
                           "code.");
    ngx_http_s3jobs_metric_tally(rp, "upstream_responses_total", c->answers);

    ngx_http_s3jobs_family(rp, "retries_total", "counter",
                           "Requests sent again to S3 Control.");

    for (i = 0; i < NGX_HTTP_S3JOBS_RETRIES; i++) {
        ngx_http_s3jobs_print(rp, "nginx_s3jobs_retries_total{reason=\"%s\"} "
                              "%uA\n", ngx_http_s3jobs_retry_names[i],
                              c->retries[i]);
    }

    ngx_http_s3jobs_family(rp, "jobs_total", "counter",
                           "Jobs sent to clients as JSON.");
    ngx_http_s3jobs_print(rp, "nginx_s3jobs_jobs_total %uA\n", c->jobs);

    ngx_http_s3jobs_family(rp, "document_bytes_total", "counter",
                           "Bytes of listings, XML read and JSON written.");
    ngx_http_s3jobs_print(rp,
                          "nginx_s3jobs_document_bytes_total"
                          "{format=\"xml\"} %uA\n"
                          "nginx_s3jobs_document_bytes_total"
                          "{format=\"json\"} %uA\n", c->xml, c->json);

    if (rp->n) {
        ngx_http_s3jobs_metric_sources(rp);
    }
}


static void
ngx_http_s3jobs_family(ngx_http_s3jobs_report_t *rp, const char *name,
    const char *type, const char *help)
{
    ngx_http_s3jobs_print(rp, "# HELP nginx_s3jobs_%s %s\n"
                          "# TYPE nginx_s3jobs_%s %s\n",
                          name, help, name, type);
}


static void
ngx_http_s3jobs_metric_tally(ngx_http_s3jobs_report_t *rp, const char *name,
    ngx_http_s3jobs_tally_t *tally)
{
    ngx_str_t   code;
    ngx_uint_t  i;

    for (i = 0; i < NGX_HTTP_S3JOBS_TALLY; i++) {

        if (tally[i].key == 0) {
            continue;
        }

        code = ngx_s3jobs_error_name(ngx_http_s3jobs_tally_code(tally[i].key));

        ngx_http_s3jobs_print(rp, "nginx_s3jobs_%s{status=\"%ui\","
                              "code=\"%V\"} %uA\n", name,
                              ngx_http_s3jobs_tally_status(tally[i].key),
                              &code, tally[i].count);
    }
}


static void
ngx_http_s3jobs_metric_sources(ngx_http_s3jobs_report_t *rp)
{
    ngx_uint_t                 value;
    ngx_http_s3jobs_health_t  *h;
    ngx_http_s3jobs_metric_t  *m;

    for (m = ngx_http_s3jobs_metrics; m->name; m++) {

        if (m->help) {
            ngx_http_s3jobs_family(rp, m->name, m->type, m->help);
        }

        for (h = rp->health; h < rp->health + rp->n; h++) {
            value = *(ngx_uint_t *) ((char *) h + m->offset);

            if (m->optional && value == 0) {
                continue;
            }

            ngx_http_s3jobs_print(rp, "nginx_s3jobs_%s{source=\"", m->name);
            ngx_http_s3jobs_label(rp, &h->source->name);

            if (m->result) {
                ngx_http_s3jobs_print(rp, "\",result=\"%s", m->result);

            } else if (m->type[0] == 'g') {
                ngx_http_s3jobs_print(rp, "\",type=\"%V", &h->source->type);
            }

            ngx_http_s3jobs_print(rp, "\"} %ui\n", value);
        }
    }
}


static void
ngx_http_s3jobs_print(ngx_http_s3jobs_report_t *rp, const char *fmt, ...)
{
    u_char   *p, buf[NGX_HTTP_S3JOBS_PRINT];
    va_list   args;

    va_start(args, fmt);
    p = ngx_vslprintf(buf, buf + NGX_HTTP_S3JOBS_PRINT, fmt, args);
    va_end(args);

    ngx_http_s3jobs_write(rp, buf, p - buf);
}


static void
ngx_http_s3jobs_name(ngx_http_s3jobs_report_t *rp, ngx_str_t *name)
{
    if (ngx_s3jobs_json_escape(&rp->out, name->data, name->len) != NGX_OK) {
        rp->failed = 1;
    }
}


/* the text format has three escapes, and is UTF-8 */

static void
ngx_http_s3jobs_label(ngx_http_s3jobs_report_t *rp, ngx_str_t *value)
{
    u_char     *p, *last;
    ngx_int_t   n;

    last = value->data + value->len;

    for (p = value->data; p < last; p += ngx_max(n, 1)) {

        n = ngx_s3jobs_utf8_length(p, last);

        if (n <= 0) {
            ngx_http_s3jobs_write(rp, "\xef\xbf\xbd", 3);

        } else if (*p == '\n') {
            ngx_http_s3jobs_write(rp, "\\n", 2);

        } else {
            if (*p == '"' || *p == '\\') {
                ngx_http_s3jobs_write(rp, "\\", 1);
            }

            ngx_http_s3jobs_write(rp, p, n);
        }
    }
}


static void
ngx_http_s3jobs_write(ngx_http_s3jobs_report_t *rp, const void *p, size_t len)
{
    if (ngx_s3jobs_out_write(&rp->out, p, len) != NGX_OK) {
        rp->failed = 1;
    }
}


static ngx_int_t
ngx_http_s3jobs_report_page(ngx_s3jobs_out_t *out)
{
    ngx_buf_t                 *b;
    ngx_pool_t                *pool;
    ngx_chain_t               *cl;
    ngx_http_s3jobs_report_t  *rp;

    rp = out->data;
    pool = rp->request->pool;

    if (rp->page) {
        rp->page->last = out->pos;
    }

    b = ngx_create_temp_buf(pool, NGX_HTTP_S3JOBS_PAGE);
    cl = ngx_alloc_chain_link(pool);

    if (b == NULL || cl == NULL) {
        return NGX_ERROR;
    }

    cl->buf = b;
    cl->next = NULL;

    *rp->last = cl;
    rp->last = &cl->next;
    rp->page = b;

    out->pos = b->pos;
    out->end = b->end;

    return NGX_OK;
}


static ngx_int_t
ngx_http_s3jobs_send_report(ngx_http_s3jobs_report_t *rp, ngx_uint_t status,
    ngx_str_t *type)
{
    off_t                length;
    ngx_int_t            rc;
    ngx_chain_t         *cl;
    ngx_http_request_t  *r;

    r = rp->request;

    rp->page->last = rp->out.pos;
    rp->page->last_buf = (r == r->main);
    rp->page->last_in_chain = 1;

    length = 0;

    for (cl = rp->chain; cl; cl = cl->next) {
        length += cl->buf->last - cl->buf->pos;
    }

    r->headers_out.status = status;
    r->headers_out.content_length_n = length;
    r->headers_out.content_type = *type;
    r->headers_out.content_type_len = type->len;

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    return ngx_http_output_filter(r, rp->chain);
}
