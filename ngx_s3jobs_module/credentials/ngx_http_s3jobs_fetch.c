
/*
 * Copyright (C) the ngx_s3jobs_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include <curl/curl.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "ngx_http_s3jobs_fetch.h"
#include "ngx_s3jobs_wipe.h"


static ngx_int_t ngx_http_s3jobs_fetch_init(void);
static ngx_int_t ngx_http_s3jobs_fetch_headers(ngx_http_s3jobs_fetch_t *f);
static ngx_int_t ngx_http_s3jobs_fetch_options(ngx_http_s3jobs_fetch_t *f);
static ngx_int_t ngx_http_s3jobs_fetch_tls(CURL *easy);
static CURLcode ngx_http_s3jobs_fetch_ssl_ctx(CURL *easy, void *ctx,
    void *data);
static size_t ngx_http_s3jobs_fetch_write(char *p, size_t size, size_t n,
    void *data);
static size_t ngx_http_s3jobs_fetch_header(char *p, size_t size, size_t n,
    void *data);
static int ngx_http_s3jobs_fetch_socket(CURL *easy, curl_socket_t s, int what,
    void *data, void *socket_data);
static ngx_int_t ngx_http_s3jobs_fetch_watch(ngx_event_t *ev, ngx_int_t event,
    ngx_uint_t wanted);
static void ngx_http_s3jobs_fetch_forget(ngx_connection_t *c);
static int ngx_http_s3jobs_fetch_timer(CURLM *multi, long ms, void *data);
static void ngx_http_s3jobs_fetch_event(ngx_event_t *ev);
static void ngx_http_s3jobs_fetch_timeout(ngx_event_t *ev);
static void ngx_http_s3jobs_fetch_process(void);
static void ngx_http_s3jobs_fetch_done(ngx_http_s3jobs_fetch_t *f,
    CURLcode rc);
static void ngx_http_s3jobs_fetch_error(ngx_http_s3jobs_fetch_t *f,
    CURLcode rc, long os_errno);
static void ngx_http_s3jobs_fetch_end(ngx_http_s3jobs_fetch_t *f);


static CURLM        *ngx_http_s3jobs_multi;
static ngx_event_t   ngx_http_s3jobs_fetch_ev;
static ngx_queue_t   ngx_http_s3jobs_fetches;

static ngx_str_t     ngx_http_s3jobs_fetch_ca;
static ngx_str_t     ngx_http_s3jobs_fetch_proxy;
static ngx_str_t     ngx_http_s3jobs_fetch_no_proxy;


/* the first that is set wins */

static struct {
    ngx_str_t   *value;
    const char  *name;
} ngx_http_s3jobs_fetch_env[] = {
    { &ngx_http_s3jobs_fetch_ca, "AWS_CA_BUNDLE" },
    { &ngx_http_s3jobs_fetch_ca, "CURL_CA_BUNDLE" },
    { &ngx_http_s3jobs_fetch_ca, "SSL_CERT_FILE" },
    { &ngx_http_s3jobs_fetch_proxy, "https_proxy" },
    { &ngx_http_s3jobs_fetch_proxy, "HTTPS_PROXY" },
    { &ngx_http_s3jobs_fetch_no_proxy, "no_proxy" },
    { &ngx_http_s3jobs_fetch_no_proxy, "NO_PROXY" },
    { NULL, NULL }
};


void
ngx_http_s3jobs_fetch_configure(void)
{
    char        *p;
    ngx_str_t   *value;
    ngx_uint_t   i;

    ngx_str_null(&ngx_http_s3jobs_fetch_ca);
    ngx_str_null(&ngx_http_s3jobs_fetch_proxy);
    ngx_str_null(&ngx_http_s3jobs_fetch_no_proxy);

    for (i = 0; ngx_http_s3jobs_fetch_env[i].value; i++) {
        value = ngx_http_s3jobs_fetch_env[i].value;
        p = getenv(ngx_http_s3jobs_fetch_env[i].name);

        if (p && value->len == 0) {
            value->data = (u_char *) p;
            value->len = ngx_strlen(p);
        }
    }
}


ngx_int_t
ngx_http_s3jobs_fetch_start(ngx_http_s3jobs_fetch_t *f)
{
    f->status = 0;
    f->header_size = 0;
    f->timed_out = 0;
    f->too_large = 0;
    f->error[0] = '\0';
    f->list = NULL;
    f->easy = NULL;
    f->answer.len = 0;
    f->answer.data = ngx_alloc(NGX_HTTP_S3JOBS_FETCH_MAX, ngx_cycle->log);

    if (f->answer.data == NULL) {
        goto failed;
    }

    if (ngx_http_s3jobs_fetch_init() != NGX_OK) {
        goto failed;
    }

    f->easy = curl_easy_init();
    if (f->easy == NULL) {
        goto failed;
    }

    if (ngx_http_s3jobs_fetch_headers(f) != NGX_OK
        || ngx_http_s3jobs_fetch_options(f) != NGX_OK
        || curl_multi_add_handle(ngx_http_s3jobs_multi, f->easy) != CURLM_OK)
    {
        goto failed;
    }

    ngx_queue_insert_tail(&ngx_http_s3jobs_fetches, &f->queue);

    return NGX_OK;

failed:

    ngx_http_s3jobs_fetch_free(f);

    if (f->answer.data) {
        ngx_free(f->answer.data);
        f->answer.data = NULL;
    }

    if (f->error[0] == '\0') {
        ngx_memcpy(f->error, "libcurl failed", sizeof("libcurl failed"));
    }

    return NGX_ERROR;
}


static ngx_int_t
ngx_http_s3jobs_fetch_init(void)
{
    CURLM  *multi;

    if (ngx_http_s3jobs_multi) {
        return NGX_OK;
    }

    /* answers hold secrets, and libcurl frees its buffers as they are */

    if (curl_global_init_mem(CURL_GLOBAL_DEFAULT, ngx_s3jobs_wipe_malloc,
                             ngx_s3jobs_wipe_free, ngx_s3jobs_wipe_realloc,
                             ngx_s3jobs_wipe_strdup, ngx_s3jobs_wipe_calloc)
        != CURLE_OK)
    {
        return NGX_ERROR;
    }

    multi = curl_multi_init();

    if (multi == NULL) {
        curl_global_cleanup();
        return NGX_ERROR;
    }

    curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION,
                      ngx_http_s3jobs_fetch_socket);
    curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION,
                      ngx_http_s3jobs_fetch_timer);

    ngx_memzero(&ngx_http_s3jobs_fetch_ev, sizeof(ngx_event_t));

    ngx_http_s3jobs_fetch_ev.handler = ngx_http_s3jobs_fetch_timeout;
    ngx_http_s3jobs_fetch_ev.data = &ngx_http_s3jobs_fetch_ev;
    ngx_http_s3jobs_fetch_ev.log = ngx_cycle->log;
    ngx_http_s3jobs_fetch_ev.cancelable = 1;

    ngx_queue_init(&ngx_http_s3jobs_fetches);

    ngx_http_s3jobs_multi = multi;

    return NGX_OK;
}


static ngx_int_t
ngx_http_s3jobs_fetch_headers(ngx_http_s3jobs_fetch_t *f)
{
    u_char             *line;
    size_t              len;
    ngx_uint_t          i;
    ngx_keyval_t       *h;
    struct curl_slist  *list;

    /* without a value: libcurl is to wait for no 100 */

    f->list = curl_slist_append(NULL, "Expect:");
    if (f->list == NULL) {
        return NGX_ERROR;
    }

    for (i = 0; i < f->nheaders; i++) {
        h = &f->headers[i];

        len = h->key.len + sizeof(": ") + h->value.len;

        line = ngx_alloc(len, ngx_cycle->log);
        if (line == NULL) {
            return NGX_ERROR;
        }

        (void) ngx_sprintf(line, "%V: %V%Z", &h->key, &h->value);

        list = curl_slist_append(f->list, (char *) line);

        OPENSSL_cleanse(line, len);
        ngx_free(line);

        if (list == NULL) {
            return NGX_ERROR;
        }

        f->list = list;
    }

    return NGX_OK;
}


#define ngx_http_s3jobs_setopt(easy, option, value)                           \
    if (curl_easy_setopt(easy, option, value) != CURLE_OK) {                  \
        return NGX_ERROR;                                                     \
    }


static ngx_int_t
ngx_http_s3jobs_fetch_options(ngx_http_s3jobs_fetch_t *f)
{
    CURL        *easy;
    const char  *proxy, *no_proxy;

    easy = f->easy;

    ngx_http_s3jobs_setopt(easy, CURLOPT_PRIVATE, f);
    ngx_http_s3jobs_setopt(easy, CURLOPT_ERRORBUFFER, f->error);
    ngx_http_s3jobs_setopt(easy, CURLOPT_URL, (char *) f->url.data);
    ngx_http_s3jobs_setopt(easy, CURLOPT_HTTPHEADER,
                           (struct curl_slist *) f->list);
    ngx_http_s3jobs_setopt(easy, CURLOPT_HTTP_VERSION,
                           (long) CURL_HTTP_VERSION_1_1);
    ngx_http_s3jobs_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
    ngx_http_s3jobs_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);

#if (LIBCURL_VERSION_NUM >= 0x075500)
    ngx_http_s3jobs_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
#else
    ngx_http_s3jobs_setopt(easy, CURLOPT_PROTOCOLS,
                           (long) (CURLPROTO_HTTP|CURLPROTO_HTTPS));
#endif

    if (f->method[0] != 'G') {
        ngx_http_s3jobs_setopt(easy, CURLOPT_POSTFIELDSIZE,
                               (long) f->body.len);
        ngx_http_s3jobs_setopt(easy, CURLOPT_POSTFIELDS,
                               f->body.len ? (char *) f->body.data : "");
        ngx_http_s3jobs_setopt(easy, CURLOPT_CUSTOMREQUEST, f->method);
    }

    /* without signals the resolver gets a thread */

    ngx_http_s3jobs_setopt(easy, CURLOPT_NOSIGNAL, 1L);

#if (LIBCURL_VERSION_NUM >= 0x075700)
    /* the thread may need longer than the fetch, and is not waited for */
    ngx_http_s3jobs_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
#endif

    ngx_http_s3jobs_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
                           (long) f->connect_timeout);
    ngx_http_s3jobs_setopt(easy, CURLOPT_TIMEOUT_MS, (long) f->timeout);

    /* no connection is left open between two fetches */

    ngx_http_s3jobs_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
    ngx_http_s3jobs_setopt(easy, CURLOPT_FORBID_REUSE, 1L);

    /* nor a TLS session, which would hide that a certificate has changed */

    ngx_http_s3jobs_setopt(easy, CURLOPT_SSL_SESSIONID_CACHE, 0L);

    ngx_http_s3jobs_setopt(easy, CURLOPT_WRITEFUNCTION,
                           ngx_http_s3jobs_fetch_write);
    ngx_http_s3jobs_setopt(easy, CURLOPT_WRITEDATA, f);
    ngx_http_s3jobs_setopt(easy, CURLOPT_HEADERFUNCTION,
                           ngx_http_s3jobs_fetch_header);
    ngx_http_s3jobs_setopt(easy, CURLOPT_HEADERDATA, f);

    proxy = "";
    no_proxy = "";

    if (f->proxy && ngx_http_s3jobs_fetch_proxy.len) {
        proxy = (char *) ngx_http_s3jobs_fetch_proxy.data;

        if (ngx_http_s3jobs_fetch_no_proxy.len) {
            no_proxy = (char *) ngx_http_s3jobs_fetch_no_proxy.data;
        }
    }

    ngx_http_s3jobs_setopt(easy, CURLOPT_PROXY, proxy);
    ngx_http_s3jobs_setopt(easy, CURLOPT_NOPROXY, no_proxy);

    return ngx_http_s3jobs_fetch_tls(easy);
}


static ngx_int_t
ngx_http_s3jobs_fetch_tls(CURL *easy)
{
    ngx_http_s3jobs_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
    ngx_http_s3jobs_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
    ngx_http_s3jobs_setopt(easy, CURLOPT_SSLVERSION,
                           (long) CURL_SSLVERSION_TLSv1_2);

    if (ngx_http_s3jobs_fetch_ca.len) {
        ngx_http_s3jobs_setopt(easy, CURLOPT_CAINFO,
                               (char *) ngx_http_s3jobs_fetch_ca.data);
        ngx_http_s3jobs_setopt(easy, CURLOPT_PROXY_CAINFO,
                               (char *) ngx_http_s3jobs_fetch_ca.data);

        /* or the system's directory would be trusted, too */

        ngx_http_s3jobs_setopt(easy, CURLOPT_CAPATH, (char *) NULL);
        ngx_http_s3jobs_setopt(easy, CURLOPT_PROXY_CAPATH, (char *) NULL);

#if (LIBCURL_VERSION_NUM >= 0x075700)

        /* a file may be replaced, and without a directory it is kept */

        (void) curl_easy_setopt(easy, CURLOPT_CA_CACHE_TIMEOUT, 0L);

#endif
    }

    /* fails if libcurl has another TLS library, which zeroes nothing */

    (void) curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION,
                            ngx_http_s3jobs_fetch_ssl_ctx);

    return NGX_OK;
}


static CURLcode
ngx_http_s3jobs_fetch_ssl_ctx(CURL *easy, void *ctx, void *data)
{
#ifdef SSL_OP_CLEANSE_PLAINTEXT
    SSL_CTX_set_options(ctx, SSL_OP_CLEANSE_PLAINTEXT);
#endif

    return CURLE_OK;
}


static size_t
ngx_http_s3jobs_fetch_write(char *p, size_t size, size_t n, void *data)
{
    ngx_http_s3jobs_fetch_t *f = data;

    size *= n;

    if (size > NGX_HTTP_S3JOBS_FETCH_MAX - f->answer.len) {
        f->too_large = 1;
        return 0;
    }

    ngx_memcpy(f->answer.data + f->answer.len, p, size);
    f->answer.len += size;

    return size;
}


static size_t
ngx_http_s3jobs_fetch_header(char *p, size_t size, size_t n, void *data)
{
    ngx_http_s3jobs_fetch_t *f = data;

    size *= n;

    f->header_size += size;

    if (f->header_size > NGX_HTTP_S3JOBS_FETCH_MAX) {
        f->too_large = 1;
        return 0;
    }

    return size;
}


/* libcurl wants level-triggered events, which ngx_handle_*_event() are not */

static int
ngx_http_s3jobs_fetch_socket(CURL *easy, curl_socket_t s, int what,
    void *data, void *socket_data)
{
    ngx_connection_t *c = socket_data;

    if (what == CURL_POLL_REMOVE) {
        if (c) {
            curl_multi_assign(ngx_http_s3jobs_multi, s, NULL);
            ngx_http_s3jobs_fetch_forget(c);
        }

        return 0;
    }

    if (c == NULL) {
        c = ngx_get_connection(s, ngx_cycle->log);
        if (c == NULL) {
            return -1;
        }

        c->log = ngx_cycle->log;
        c->read->log = c->log;
        c->write->log = c->log;
        c->read->handler = ngx_http_s3jobs_fetch_event;
        c->write->handler = ngx_http_s3jobs_fetch_event;

        curl_multi_assign(ngx_http_s3jobs_multi, s, c);
    }

    if (ngx_http_s3jobs_fetch_watch(c->read, NGX_READ_EVENT,
                                    what & CURL_POLL_IN)
        != NGX_OK
        || ngx_http_s3jobs_fetch_watch(c->write, NGX_WRITE_EVENT,
                                       what & CURL_POLL_OUT)
           != NGX_OK)
    {
        return -1;
    }

    return 0;
}


static ngx_int_t
ngx_http_s3jobs_fetch_watch(ngx_event_t *ev, ngx_int_t event,
    ngx_uint_t wanted)
{
    if (wanted && !ev->active) {
        return ngx_add_event(ev, event, NGX_LEVEL_EVENT);
    }

    if (!wanted && ev->active) {
        return ngx_del_event(ev, event, 0);
    }

    return NGX_OK;
}


/* the socket is libcurl's to close */

static void
ngx_http_s3jobs_fetch_forget(ngx_connection_t *c)
{
    (void) ngx_http_s3jobs_fetch_watch(c->read, NGX_READ_EVENT, 0);
    (void) ngx_http_s3jobs_fetch_watch(c->write, NGX_WRITE_EVENT, 0);

    if (c->read->posted) {
        ngx_delete_posted_event(c->read);
    }

    if (c->write->posted) {
        ngx_delete_posted_event(c->write);
    }

    c->read->closed = 1;
    c->write->closed = 1;

    ngx_free_connection(c);

    c->fd = (ngx_socket_t) -1;
}


static int
ngx_http_s3jobs_fetch_timer(CURLM *multi, long ms, void *data)
{
    /* a timer that is set already is moved by ngx_add_timer() only roughly */

    if (ngx_http_s3jobs_fetch_ev.timer_set) {
        ngx_del_timer(&ngx_http_s3jobs_fetch_ev);
    }

    if (ms >= 0) {
        ngx_add_timer(&ngx_http_s3jobs_fetch_ev, (ngx_msec_t) ms + 1);
    }

    return 0;
}


static void
ngx_http_s3jobs_fetch_event(ngx_event_t *ev)
{
    int                running;
    ngx_connection_t  *c;

    c = ev->data;

    curl_multi_socket_action(ngx_http_s3jobs_multi, c->fd,
                             ev->write ? CURL_CSELECT_OUT : CURL_CSELECT_IN,
                             &running);

    ngx_http_s3jobs_fetch_process();
}


static void
ngx_http_s3jobs_fetch_timeout(ngx_event_t *ev)
{
    int  running;

    curl_multi_socket_action(ngx_http_s3jobs_multi, CURL_SOCKET_TIMEOUT, 0,
                             &running);

    ngx_http_s3jobs_fetch_process();
}


static void
ngx_http_s3jobs_fetch_process(void)
{
    int                       left;
    long                      ms;
    CURLMsg                  *msg;
    CURLcode                  rc;
    ngx_http_s3jobs_fetch_t  *f;

    while (ngx_http_s3jobs_multi) {
        msg = curl_multi_info_read(ngx_http_s3jobs_multi, &left);

        if (msg == NULL) {
            break;
        }

        if (msg->msg != CURLMSG_DONE) {
            continue;
        }

        rc = msg->data.result;

        if (curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, &f)
            == CURLE_OK)
        {
            ngx_http_s3jobs_fetch_done(f, rc);
        }
    }

    /*
     * nginx's clock stands while events are handled, so that the timer may
     * have come too early for libcurl, which does not ask for it again.
     */

    if (ngx_http_s3jobs_multi
        && !ngx_http_s3jobs_fetch_ev.timer_set
        && curl_multi_timeout(ngx_http_s3jobs_multi, &ms) == CURLM_OK
        && ms >= 0)
    {
        ngx_add_timer(&ngx_http_s3jobs_fetch_ev, (ngx_msec_t) ms + 1);
    }

    /* nginx would find them, and blame the connection that is next */

    ERR_clear_error();
}


static void
ngx_http_s3jobs_fetch_done(ngx_http_s3jobs_fetch_t *f, CURLcode rc)
{
    long     status, os_errno;
    u_char  *answer;

    status = 0;
    os_errno = 0;

    if (rc == CURLE_OK) {
        (void) curl_easy_getinfo(f->easy, CURLINFO_RESPONSE_CODE, &status);

    } else if (rc == CURLE_COULDNT_CONNECT) {
        (void) curl_easy_getinfo(f->easy, CURLINFO_OS_ERRNO, &os_errno);
    }

    f->status = status;
    f->timed_out = (rc == CURLE_OPERATION_TIMEDOUT);

    ngx_http_s3jobs_fetch_end(f);

    if (f->status == 0) {
        ngx_http_s3jobs_fetch_error(f, rc, os_errno);
    }

    answer = f->answer.data;

    f->handler(f);

    OPENSSL_cleanse(answer, NGX_HTTP_S3JOBS_FETCH_MAX);
    ngx_free(answer);

    if (f->answer.data == answer) {
        ngx_str_null(&f->answer);
    }
}


static void
ngx_http_s3jobs_fetch_error(ngx_http_s3jobs_fetch_t *f, CURLcode rc,
    long os_errno)
{
    size_t       len;
    const char  *err;

    err = f->too_large ? "the answer is larger than 64k"
          : f->error[0] == '\0' ? curl_easy_strerror(rc)
          : NULL;

    if (err) {
        (void) ngx_cpystrn((u_char *) f->error, (u_char *) err,
                           NGX_HTTP_S3JOBS_FETCH_ERROR);
    }

    if (os_errno) {
        len = ngx_strlen(f->error);

        (void) ngx_snprintf((u_char *) f->error + len,
                            NGX_HTTP_S3JOBS_FETCH_ERROR - len - 1,
                            " (%l: %s)%Z", os_errno, strerror(os_errno));
    }
}


static void
ngx_http_s3jobs_fetch_end(ngx_http_s3jobs_fetch_t *f)
{
    ngx_queue_remove(&f->queue);

    curl_multi_remove_handle(ngx_http_s3jobs_multi, f->easy);

    ngx_http_s3jobs_fetch_free(f);
}


void
ngx_http_s3jobs_fetch_free(ngx_http_s3jobs_fetch_t *f)
{
    if (f->easy) {
        curl_easy_cleanup(f->easy);
        f->easy = NULL;
    }

    if (f->list) {
        curl_slist_free_all(f->list);
        f->list = NULL;
    }

    if (f->body.data) {
        OPENSSL_cleanse(f->body.data, f->body.len);
        ngx_free(f->body.data);
        ngx_str_null(&f->body);
    }
}


void
ngx_http_s3jobs_fetch_cancel(ngx_http_s3jobs_fetch_t *f)
{
    if (f->easy == NULL) {
        return;
    }

    ngx_http_s3jobs_fetch_end(f);

    ERR_clear_error();

    OPENSSL_cleanse(f->answer.data, NGX_HTTP_S3JOBS_FETCH_MAX);
    ngx_free(f->answer.data);

    ngx_str_null(&f->answer);
}


void
ngx_http_s3jobs_fetch_cleanup(void)
{
    ngx_queue_t              *q;
    ngx_http_s3jobs_fetch_t  *f;

    if (ngx_http_s3jobs_multi == NULL) {
        return;
    }

    while (!ngx_queue_empty(&ngx_http_s3jobs_fetches)) {
        q = ngx_queue_head(&ngx_http_s3jobs_fetches);
        f = ngx_queue_data(q, ngx_http_s3jobs_fetch_t, queue);

        ngx_http_s3jobs_fetch_cancel(f);
    }

    curl_multi_cleanup(ngx_http_s3jobs_multi);
    ngx_http_s3jobs_multi = NULL;

    ERR_clear_error();

    if (ngx_http_s3jobs_fetch_ev.timer_set) {
        ngx_del_timer(&ngx_http_s3jobs_fetch_ev);
    }
}
