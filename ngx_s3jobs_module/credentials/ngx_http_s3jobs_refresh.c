
/*
 * Copyright (C) the ngx_s3jobs_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include <openssl/crypto.h>

#include "ngx_http_s3jobs_provider.h"
#include "ngx_http_s3jobs_refresh.h"


/* in seconds; how long before expiry, see ngx_http_s3jobs_refresh_due() */
#define NGX_HTTP_S3JOBS_REFRESH_FIRST   900
#define NGX_HTTP_S3JOBS_REFRESH_LAST    300

/* in milliseconds */
#define NGX_HTTP_S3JOBS_REFRESH_TICK    1000
#define NGX_HTTP_S3JOBS_REFRESH_SOON    100
#define NGX_HTTP_S3JOBS_REFRESH_LEASE   30000
#define NGX_HTTP_S3JOBS_BACKOFF_MIN     1000
#define NGX_HTTP_S3JOBS_BACKOFF_MAX     60000
#define NGX_HTTP_S3JOBS_STALE_MIN       300000
#define NGX_HTTP_S3JOBS_STALE_MAX       900000

/* in seconds, between two refreshes that S3's refusals ask for */
#define NGX_HTTP_S3JOBS_FORCED          60


static void ngx_http_s3jobs_refresh_tick(ngx_event_t *ev);
static ngx_int_t ngx_http_s3jobs_refresh_take(
    ngx_http_s3jobs_source_t *source, ngx_msec_t *wait);
static ngx_uint_t ngx_http_s3jobs_refresh_leased(
    ngx_http_s3jobs_schedule_t *schedule);
static void ngx_http_s3jobs_refresh_release(
    ngx_http_s3jobs_source_t *source);
static uint64_t ngx_http_s3jobs_refresh_clock(void);
static uint64_t ngx_http_s3jobs_refresh_due(time_t expires, ngx_uint_t same);
static ngx_msec_t ngx_http_s3jobs_refresh_backoff(
    ngx_http_s3jobs_source_t *source, ngx_uint_t failures, time_t expires);
static ssize_t ngx_http_s3jobs_refresh_read(ngx_str_t *path, u_char *buf);
static ngx_uint_t ngx_http_s3jobs_printable(ngx_str_t *s);
static ngx_msec_t ngx_http_s3jobs_refresh_random(ngx_msec_t from,
    ngx_msec_t to);


ngx_int_t
ngx_http_s3jobs_refresh_start(ngx_cycle_t *cycle,
    ngx_http_s3jobs_source_t *source)
{
    if (source->idle) {
        return NGX_OK;
    }

    source->refresh.timer.handler = ngx_http_s3jobs_refresh_tick;
    source->refresh.timer.data = source;
    source->refresh.timer.log = cycle->log;
    source->refresh.timer.cancelable = 1;

    ngx_add_timer(&source->refresh.timer, 1);

    return NGX_OK;
}


void
ngx_http_s3jobs_refresh_stop(ngx_http_s3jobs_source_t *source)
{
    if (source->refresh.timer.timer_set) {
        ngx_del_timer(&source->refresh.timer);
    }

    if (source->refresh.fetch) {
        ngx_http_s3jobs_fetch_cancel(source->refresh.fetch);
    }

    ngx_http_s3jobs_refresh_release(source);
}


static void
ngx_http_s3jobs_refresh_tick(ngx_event_t *ev)
{
    ngx_msec_t                 wait;
    ngx_http_s3jobs_source_t  *source;

    if (ngx_exiting || ngx_quit || ngx_terminate) {
        return;
    }

    source = ev->data;

    if (ngx_http_s3jobs_refresh_take(source, &wait) == NGX_OK) {

        if (source->provider->fetch(source) == NGX_OK) {
            return;
        }

        ngx_http_s3jobs_refresh_release(source);

        wait = NGX_HTTP_S3JOBS_REFRESH_SOON;
    }

    ngx_add_timer(ev, wait);
}


/* NGX_OK: a fetch is due, and this process has the lease for it */

static ngx_int_t
ngx_http_s3jobs_refresh_take(ngx_http_s3jobs_source_t *source,
    ngx_msec_t *wait)
{
    uint64_t                     now;
    ngx_int_t                    rc;
    ngx_atomic_uint_t            generation;
    ngx_http_s3jobs_record_t    *rec;
    ngx_http_s3jobs_schedule_t  *schedule;

    *wait = NGX_HTTP_S3JOBS_REFRESH_TICK;

    rec = ngx_http_s3jobs_lock(source);
    if (rec == NULL) {
        return NGX_AGAIN;
    }

    schedule = &rec->schedule;
    generation = rec->body[rec->current & 1].generation;

    if (schedule->refused) {

        if (schedule->refused == generation
            && schedule->forced + NGX_HTTP_S3JOBS_FORCED <= ngx_time())
        {
            schedule->forced = ngx_time();
            schedule->due = 0;
            schedule->hold = ngx_current_msec;
        }

        schedule->refused = 0;
    }

    now = ngx_http_s3jobs_refresh_clock();
    rc = NGX_AGAIN;

    if (ngx_http_s3jobs_refresh_leased(schedule)) {
        *wait = NGX_HTTP_S3JOBS_REFRESH_SOON;

    } else if (schedule->failures
               && (ngx_msec_int_t) (schedule->hold - ngx_current_msec) > 0)
    {
        *wait = ngx_min(*wait, schedule->hold - ngx_current_msec);

    } else if (schedule->due > now) {
        *wait = ngx_min((uint64_t) *wait, schedule->due - now);

    } else {
        schedule->lease = ngx_pid;
        schedule->lease_end = ngx_current_msec
                             + NGX_HTTP_S3JOBS_REFRESH_LEASE;
        rc = NGX_OK;
    }

    ngx_http_s3jobs_unlock(source);

    return rc;
}


/*
 * The worker that a reload replaces may be in the middle of a fetch, whose
 * end is waited for; one that was killed is not.
 */

static ngx_uint_t
ngx_http_s3jobs_refresh_leased(ngx_http_s3jobs_schedule_t *schedule)
{
    if (schedule->lease == 0 || schedule->lease == ngx_pid) {
        return 0;
    }

    if ((ngx_msec_int_t) (schedule->lease_end - ngx_current_msec) <= 0) {
        return 0;
    }

    return kill(schedule->lease, 0) == 0 || ngx_errno != NGX_ESRCH;
}


static void
ngx_http_s3jobs_refresh_release(ngx_http_s3jobs_source_t *source)
{
    ngx_http_s3jobs_record_t  *rec;

    rec = ngx_http_s3jobs_lock(source);
    if (rec == NULL) {
        return;
    }

    if (rec->schedule.lease == ngx_pid) {
        rec->schedule.lease = 0;
    }

    ngx_http_s3jobs_unlock(source);
}


ngx_int_t
ngx_http_s3jobs_refresh_fetch(ngx_http_s3jobs_source_t *source)
{
    ngx_http_s3jobs_fetch_t  *f;

    f = source->refresh.fetch;

    if (ngx_http_s3jobs_fetch_start(f) != NGX_OK) {
        ngx_http_s3jobs_refresh_failed(source, "%V: %s", &f->shown, f->error);
        return NGX_DECLINED;
    }

    return NGX_OK;
}


void
ngx_http_s3jobs_refresh_answer(ngx_http_s3jobs_source_t *source,
    ngx_s3jobs_credentials_doc_pt parse, ngx_uint_t required)
{
    ngx_int_t                      rc;
    ngx_http_s3jobs_fetch_t       *f;
    ngx_s3jobs_credentials_doc_t  *doc;

    f = source->refresh.fetch;

    if (f->status == 0) {
        ngx_http_s3jobs_refresh_failed(source, "%V: %s", &f->shown, f->error);
        return;
    }

    doc = ngx_alloc(sizeof(ngx_s3jobs_credentials_doc_t), ngx_cycle->log);
    if (doc == NULL) {
        ngx_http_s3jobs_refresh_failed(source, "no memory");
        return;
    }

    rc = parse(&f->answer, required, doc);

    if (rc == NGX_DECLINED) {
        ngx_http_s3jobs_refresh_failed(source,
                                       "%V answered %ui \"%V\": \"%V\"",
                                       &f->shown, f->status, &doc->code,
                                       &doc->message);

    } else if (f->status != 200) {
        ngx_http_s3jobs_refresh_failed(source, "%V answered %ui",
                                       &f->shown, f->status);

    } else if (rc != NGX_OK) {
        ngx_http_s3jobs_refresh_failed(source, "the credentials from %V %s",
                                       &f->shown, doc->error);

    } else {
        ngx_http_s3jobs_refresh_done(source, &doc->credentials);
    }

    OPENSSL_cleanse(doc, sizeof(ngx_s3jobs_credentials_doc_t));
    ngx_free(doc);
}


void
ngx_http_s3jobs_refresh_done(ngx_http_s3jobs_source_t *source,
    ngx_s3jobs_credentials_t *c)
{
    ngx_uint_t                   same;
    ngx_http_s3jobs_record_t    *rec;
    ngx_http_s3jobs_schedule_t  *schedule;

    if (c->expires <= ngx_time() && !source->stale_ok) {
        ngx_http_s3jobs_refresh_failed(source,
                                       "the credentials from %V have expired "
                                       "%T s ago",
                                       &source->refresh.fetch->shown,
                                       ngx_time() - c->expires);
        return;
    }

    same = (ngx_http_s3jobs_publish(source, c, ngx_cycle->log)
            == NGX_DECLINED);

    rec = ngx_http_s3jobs_lock(source);

    if (rec) {
        schedule = &rec->schedule;

        schedule->due = ngx_http_s3jobs_refresh_due(c->expires, same);
        schedule->failures = 0;
        schedule->outcome = ngx_time();

        if (schedule->lease == ngx_pid) {
            schedule->lease = 0;
        }

        ngx_http_s3jobs_unlock(source);
    }

    ngx_add_timer(&source->refresh.timer, NGX_HTTP_S3JOBS_REFRESH_SOON);
}


/*
 * From 15 minutes before expiry on, at the latest 5, at a random time, so
 * that not all gateways ask at once; what lives for less than half an hour is
 * refreshed between a half and two thirds of its life.  Where the service has
 * nothing newer yet, it is asked again each minute, or a quarter of the time
 * that is left.
 */

static uint64_t
ngx_http_s3jobs_refresh_due(time_t expires, ngx_uint_t same)
{
    uint64_t    now;
    ngx_msec_t  left, first, last;

    now = ngx_http_s3jobs_refresh_clock();

    if ((uint64_t) ngx_max(expires, 0) * 1000 <= now) {
        return now + ngx_http_s3jobs_refresh_random(NGX_HTTP_S3JOBS_STALE_MIN,
                                                   NGX_HTTP_S3JOBS_STALE_MAX);
    }

    left = expires * 1000 - now;

    if (same && left <= NGX_HTTP_S3JOBS_REFRESH_FIRST * 1000) {
        left = ngx_min(left / 4, NGX_HTTP_S3JOBS_BACKOFF_MAX);
        return now + ngx_max(left, NGX_HTTP_S3JOBS_BACKOFF_MIN);
    }

    first = ngx_min(NGX_HTTP_S3JOBS_REFRESH_FIRST * 1000, left / 2);
    last = ngx_min(NGX_HTTP_S3JOBS_REFRESH_LAST * 1000, left / 3);

    return now + left - ngx_http_s3jobs_refresh_random(last, first);
}


void
ngx_http_s3jobs_refresh_failed(ngx_http_s3jobs_source_t *source,
    const char *fmt, ...)
{
    u_char                      *p, *last, buf[NGX_MAX_ERROR_STR / 2];
    time_t                       expires;
    va_list                      args;
    ngx_msec_t                   wait;
    ngx_atomic_uint_t            generation;
    ngx_http_s3jobs_record_t    *rec;
    ngx_http_s3jobs_schedule_t  *schedule;

    wait = NGX_HTTP_S3JOBS_BACKOFF_MIN;
    expires = 0;
    generation = 0;

    ngx_http_s3jobs_not_published(source);

    rec = ngx_http_s3jobs_lock(source);

    if (rec) {
        schedule = &rec->schedule;

        generation = rec->body[rec->current & 1].generation;
        expires = rec->body[rec->current & 1].expires;

        schedule->failures++;

        wait = ngx_http_s3jobs_refresh_backoff(source, schedule->failures,
                                               expires);

        schedule->hold = ngx_current_msec + wait;
        schedule->outcome = ngx_time();

        if (schedule->lease == ngx_pid) {
            schedule->lease = 0;
        }

        ngx_http_s3jobs_unlock(source);
    }

    last = buf + sizeof(buf);

    va_start(args, fmt);
    p = ngx_vslprintf(buf, last, fmt, args);
    va_end(args);

    p = ngx_slprintf(p, last, ", next try in %M ms, ", wait);

    if (generation == 0) {
        p = ngx_slprintf(p, last, "no credentials so far");

    } else if (expires > ngx_time()) {
        p = ngx_slprintf(p, last, "those in use are good for %T s",
                         expires - ngx_time());

    } else {
        p = ngx_slprintf(p, last, "those %s have expired",
                         source->stale_ok ? "in use" : "so far");
    }

    ngx_log_error(NGX_LOG_WARN, ngx_cycle->log, 0,
                  "s3jobs credentials \"%V\" from %V: %*s",
                  &source->name, &source->type,
                  (size_t) (p - buf), buf);

    ngx_add_timer(&source->refresh.timer, ngx_min(wait,
                                          NGX_HTTP_S3JOBS_REFRESH_TICK));
}


static ngx_msec_t
ngx_http_s3jobs_refresh_backoff(ngx_http_s3jobs_source_t *source,
    ngx_uint_t failures, time_t expires)
{
    ngx_msec_t  max;

    if (source->stale_ok && expires && expires <= ngx_time()) {
        return ngx_http_s3jobs_refresh_random(NGX_HTTP_S3JOBS_STALE_MIN,
                                              NGX_HTTP_S3JOBS_STALE_MAX);
    }

    max = NGX_HTTP_S3JOBS_BACKOFF_MIN << ngx_min(failures, 6);
    max = ngx_min(max, NGX_HTTP_S3JOBS_BACKOFF_MAX);

    return ngx_http_s3jobs_refresh_random(max / 2, max);
}


static ngx_msec_t
ngx_http_s3jobs_refresh_random(ngx_msec_t from, ngx_msec_t to)
{
    return from + (ngx_msec_t) ngx_random() % (to - from + 1);
}


static uint64_t
ngx_http_s3jobs_refresh_clock(void)
{
    ngx_time_t  *tp;

    tp = ngx_timeofday();

    return (uint64_t) tp->sec * 1000 + tp->msec;
}


ngx_uint_t
ngx_http_s3jobs_refresh_expected(ngx_http_s3jobs_source_t *source,
    ngx_msec_t end)
{
    ngx_http_s3jobs_schedule_t  *schedule;

    schedule = &source->record->schedule;

    return source->provider->fetch
           && !source->idle
           && (schedule->failures == 0
               || (ngx_msec_int_t) (schedule->hold - end) < 0);
}


ngx_uint_t
ngx_http_s3jobs_refresh_awaited(ngx_http_s3jobs_source_t *source)
{
    return source->provider->fetch
           && !source->idle
           && source->record->schedule.failures == 0
           && !ngx_http_s3jobs_has_credentials(source);
}


void
ngx_http_s3jobs_refresh_now(ngx_http_s3jobs_source_t *source,
    ngx_str_t *key_id)
{
    ngx_http_s3jobs_copy_t  *copy;

    copy = source->copy;

    if (copy->generation == 0
        || copy->key_id.len != key_id->len
        || ngx_memcmp(copy->key_id.data, key_id->data, key_id->len) != 0)
    {
        return;
    }

    /* read by the process that refreshes, under the lock */

    source->record->schedule.refused = copy->generation;
}


ngx_int_t
ngx_http_s3jobs_refresh_token(ngx_http_s3jobs_source_t *source,
    ngx_str_t *path, u_char *buf, ngx_str_t *token)
{
    ssize_t      n;
    const char  *err;

    n = ngx_http_s3jobs_refresh_read(path, buf);

    if (n == -1) {
        ngx_http_s3jobs_refresh_failed(source,
                                       "token file \"%V\" cannot be read: %s",
                                       path, strerror(ngx_errno));
        return NGX_DECLINED;
    }

    /* a buffer that is full may not have all of it */

    token->data = buf;
    token->len = n;

    if (n < NGX_HTTP_S3JOBS_TOKEN_BUFFER) {
        while (token->len && buf[token->len - 1] <= ' ') {
            token->len--;
        }
    }

    err = token->len == 0 ? "is empty"
          : token->len > NGX_HTTP_S3JOBS_TOKEN_MAX
            ? "is longer than the 20000 bytes that a token may have"
          : !ngx_http_s3jobs_printable(token)
            ? "holds a character other than printable ASCII"
          : NULL;

    if (err) {
        ngx_http_s3jobs_refresh_failed(source, "token file \"%V\" %s", path,
                                       err);
        return NGX_DECLINED;
    }

    return NGX_OK;
}


static ssize_t
ngx_http_s3jobs_refresh_read(ngx_str_t *path, u_char *buf)
{
    ssize_t    n;
    ngx_fd_t   fd;
    ngx_err_t  err;

    /* not to hang on a FIFO */

    fd = ngx_open_file(path->data, NGX_FILE_RDONLY|NGX_FILE_NONBLOCK,
                       NGX_FILE_OPEN, 0);
    if (fd == NGX_INVALID_FILE) {
        return -1;
    }

    n = ngx_read_fd(fd, buf, NGX_HTTP_S3JOBS_TOKEN_BUFFER);
    err = ngx_errno;

    (void) ngx_close_file(fd);

    ngx_set_errno(err);

    return n;
}


static ngx_uint_t
ngx_http_s3jobs_printable(ngx_str_t *s)
{
    size_t  i;

    for (i = 0; i < s->len; i++) {
        if (s->data[i] < ' ' || s->data[i] >= 0x7f) {
            return 0;
        }
    }

    return 1;
}
