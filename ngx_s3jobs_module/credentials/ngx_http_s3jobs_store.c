
/*
 * Copyright (C) the ngx_s3jobs_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include <openssl/crypto.h>

#include "ngx_http_s3jobs_store.h"
#include "ngx_http_s3jobs_refresh.h"


#define NGX_HTTP_S3JOBS_ZONE_SIZE                                             \
    (sizeof(ngx_http_s3jobs_sh_t) + 16 * ngx_pagesize)


static ngx_int_t ngx_http_s3jobs_init_zone(ngx_shm_zone_t *zone, void *data);
static void ngx_http_s3jobs_log_change(ngx_http_s3jobs_source_t *source,
    ngx_s3jobs_credentials_t *c, ngx_log_t *log);
static ngx_http_s3jobs_record_t *ngx_http_s3jobs_get_record(
    ngx_http_s3jobs_sh_t *sh, ngx_http_s3jobs_source_t *source);
static void ngx_http_s3jobs_set_body(ngx_http_s3jobs_body_t *body,
    ngx_s3jobs_credentials_t *c);
static void ngx_http_s3jobs_initial_cleanup(void *data);
static void ngx_http_s3jobs_sources_cleanup(void *data);
static ngx_int_t ngx_http_s3jobs_update_copy(ngx_http_s3jobs_source_t *source);
static ngx_int_t ngx_http_s3jobs_add_key(ngx_http_s3jobs_source_t *source,
    ngx_str_t *date, ngx_str_t *region, u_char *key);


static ngx_str_t  ngx_http_s3jobs_zone_name =
    ngx_string("s3jobs_credentials");


ngx_int_t
ngx_http_s3jobs_check_credentials(ngx_http_s3jobs_source_t *source)
{
    ngx_http_s3jobs_record_t  *rec;

    rec = source->record;

    if (rec->body[rec->current & 1].generation != source->generation
        || source->generation == 0)
    {
        if (ngx_http_s3jobs_update_copy(source) != NGX_OK) {
            return NGX_DECLINED;
        }
    }

    if (source->generation == 0) {
        return NGX_AGAIN;
    }

    if (source->expires && source->expires <= ngx_time()
        && !source->stale_ok)
    {
        return NGX_DECLINED;
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_s3jobs_get_credentials(ngx_http_s3jobs_source_t *source,
    ngx_str_t *date, ngx_str_t *region, u_char key[NGX_S3JOBS_SHA256_LEN])
{
    ngx_int_t               rc;
    ngx_uint_t              i;
    ngx_http_s3jobs_key_t  *k;

    rc = ngx_http_s3jobs_check_credentials(source);

    if (rc != NGX_OK) {
        return rc;
    }

    for (i = 0; i < NGX_HTTP_S3JOBS_KEYS; i++) {
        k = &source->keys[i];

        if (k->region_len == region->len
            && ngx_memcmp(k->date, date->data, sizeof(k->date)) == 0
            && ngx_memcmp(k->region, region->data, region->len) == 0)
        {
            ngx_memcpy(key, k->key, NGX_S3JOBS_SHA256_LEN);
            return NGX_OK;
        }
    }

    return ngx_http_s3jobs_add_key(source, date, region, key);
}


ngx_uint_t
ngx_http_s3jobs_has_credentials(ngx_http_s3jobs_source_t *source)
{
    ngx_http_s3jobs_record_t  *rec;

    rec = source->record;

    return rec->body[rec->current & 1].generation != 0;
}


ngx_int_t
ngx_http_s3jobs_copy_credentials(ngx_http_s3jobs_source_t *source,
    ngx_http_s3jobs_body_t *copy)
{
    ngx_slab_pool_t  *shpool;

    ngx_memzero(copy, sizeof(ngx_http_s3jobs_body_t));

    shpool = (ngx_slab_pool_t *) source->zone->shm.addr;

    ngx_shmtx_lock(&shpool->mutex);

    if (ngx_memcmp(source->record->id, source->id, sizeof(source->id)) == 0) {
        *copy = source->record->body[source->record->current & 1];
    }

    ngx_shmtx_unlock(&shpool->mutex);

    if (copy->generation == 0
        || (copy->expires && copy->expires <= ngx_time()
            && !source->stale_ok))
    {
        return NGX_DECLINED;
    }

    return NGX_OK;
}


/* the worker's copy of what is in the zone, but for the secret */

static ngx_int_t
ngx_http_s3jobs_update_copy(ngx_http_s3jobs_source_t *source)
{
    ngx_slab_pool_t         *shpool;
    ngx_http_s3jobs_body_t  *body;

    shpool = (ngx_slab_pool_t *) source->zone->shm.addr;

    ngx_shmtx_lock(&shpool->mutex);

    if (ngx_memcmp(source->record->id, source->id, sizeof(source->id)) != 0) {

        /* two reloads ago: the record serves another source now */

        source->generation = 0;

        ngx_shmtx_unlock(&shpool->mutex);

        return NGX_DECLINED;
    }

    body = &source->record->body[source->record->current & 1];

    source->generation = body->generation;
    source->expires = body->expires;
    source->key_id.len = body->key_id_len;
    source->key_id.data = source->key_id_buf;
    source->token.len = body->token_len;
    source->token.data = source->token_buf;

    ngx_memcpy(source->key_id_buf, body->key_id, body->key_id_len);
    ngx_memcpy(source->token_buf, body->token, body->token_len);

    ngx_shmtx_unlock(&shpool->mutex);

    OPENSSL_cleanse(source->keys, sizeof(source->keys));
    ngx_s3jobs_sigv4_forget();

    return NGX_OK;
}


static ngx_int_t
ngx_http_s3jobs_add_key(ngx_http_s3jobs_source_t *source, ngx_str_t *date,
    ngx_str_t *region, u_char *key)
{
    u_char                   buf[NGX_S3JOBS_SECRET_MAX];
    ngx_int_t                rc;
    ngx_str_t                secret;
    ngx_slab_pool_t         *shpool;
    ngx_http_s3jobs_key_t   *k;
    ngx_http_s3jobs_body_t  *body;

    static ngx_str_t  service = ngx_string("s3");

    shpool = (ngx_slab_pool_t *) source->zone->shm.addr;

    for ( ;; ) {
        ngx_shmtx_lock(&shpool->mutex);

        body = &source->record->body[source->record->current & 1];

        if (body->generation == source->generation) {
            break;
        }

        ngx_shmtx_unlock(&shpool->mutex);

        if (ngx_http_s3jobs_update_copy(source) != NGX_OK
            || source->generation == 0)
        {
            return NGX_DECLINED;
        }
    }

    secret.len = body->secret_len;
    secret.data = buf;
    ngx_memcpy(buf, body->secret, body->secret_len);

    ngx_shmtx_unlock(&shpool->mutex);

    k = &source->keys[source->next_key];
    source->next_key = (source->next_key + 1) % NGX_HTTP_S3JOBS_KEYS;

    rc = ngx_s3jobs_sigv4_key(k->key, &secret, date, region, &service);

    OPENSSL_cleanse(buf, sizeof(buf));

    if (rc != NGX_OK) {
        k->region_len = 0;
        return NGX_DECLINED;
    }

    ngx_memcpy(k->date, date->data, sizeof(k->date));
    ngx_memcpy(k->region, region->data, region->len);
    k->region_len = region->len;

    ngx_memcpy(key, k->key, NGX_S3JOBS_SHA256_LEN);

    return NGX_OK;
}


ngx_int_t
ngx_http_s3jobs_publish(ngx_http_s3jobs_source_t *source,
    ngx_s3jobs_credentials_t *c, ngx_log_t *log)
{
    ngx_slab_pool_t           *shpool;
    ngx_http_s3jobs_sh_t      *sh;
    ngx_http_s3jobs_body_t    *body, *old;
    ngx_http_s3jobs_record_t  *rec;

    sh = source->zone->data;
    rec = source->record;
    shpool = (ngx_slab_pool_t *) source->zone->shm.addr;

    ngx_shmtx_lock(&shpool->mutex);

    old = &rec->body[rec->current & 1];
    body = &rec->body[(rec->current & 1) ^ 1];

    if (ngx_memcmp(rec->id, source->id, sizeof(rec->id)) != 0
        || (old->generation
            && old->expires == c->expires
            && old->key_id_len == c->access_key_id.len
            && old->secret_len == c->secret_access_key.len
            && old->token_len == c->session_token.len
            && ngx_memcmp(old->key_id, c->access_key_id.data,
                          old->key_id_len)
               == 0
            && ngx_memcmp(old->secret, c->secret_access_key.data,
                          old->secret_len)
               == 0
            && ngx_memcmp(old->token, c->session_token.data, old->token_len)
               == 0))
    {
        ngx_shmtx_unlock(&shpool->mutex);
        return NGX_DECLINED;
    }

    ngx_http_s3jobs_set_body(body, c);

    body->generation = ++sh->generation;

    ngx_memory_barrier();

    rec->current ^= 1;

    ngx_memory_barrier();

    OPENSSL_cleanse(old, sizeof(ngx_http_s3jobs_body_t));

    ngx_shmtx_unlock(&shpool->mutex);

    ngx_http_s3jobs_log_change(source, c, log);

    return NGX_OK;
}


ngx_int_t
ngx_http_s3jobs_add_zone(ngx_conf_t *cf, ngx_http_s3jobs_sources_t *ss)
{
    ss->zone = ngx_shared_memory_add(cf, &ngx_http_s3jobs_zone_name,
                                     NGX_HTTP_S3JOBS_ZONE_SIZE,
                                     &ngx_http_s3jobs_zone_name);
    if (ss->zone == NULL) {
        return NGX_ERROR;
    }

    ss->zone->init = ngx_http_s3jobs_init_zone;

    return NGX_OK;
}


static ngx_int_t
ngx_http_s3jobs_init_zone(ngx_shm_zone_t *zone, void *data)
{
    ngx_slab_pool_t       *shpool;
    ngx_http_s3jobs_sh_t  *sh;

    if (data) {
        zone->data = data;
        return NGX_OK;
    }

    shpool = (ngx_slab_pool_t *) zone->shm.addr;

    if (zone->shm.exists) {
        zone->data = shpool->data;
        return NGX_OK;
    }

    sh = ngx_slab_calloc(shpool, sizeof(ngx_http_s3jobs_sh_t));
    if (sh == NULL) {
        return NGX_ERROR;
    }

    shpool->data = sh;
    zone->data = sh;

    return NGX_OK;
}


/* the key id is no secret, yet its last four characters will do */

static void
ngx_http_s3jobs_log_change(ngx_http_s3jobs_source_t *source,
    ngx_s3jobs_credentials_t *c, ngx_log_t *log)
{
    u_char     date[NGX_S3JOBS_DATE_LEN];
    ngx_str_t  end;

    end.len = ngx_min(c->access_key_id.len, 4);
    end.data = c->access_key_id.data + c->access_key_id.len - end.len;

    if (c->expires == 0) {
        ngx_log_error(NGX_LOG_NOTICE, log, 0,
                      "s3jobs credentials \"%V\" from %V: key id ending in "
                      "\"%V\", %s, no expiry known",
                      &source->name, &source->provider->name, &end,
                      c->session_token.len ? "temporary" : "long-term");
        return;
    }

    ngx_s3jobs_sigv4_date(date, ngx_max(c->expires, 0));

    ngx_log_error(NGX_LOG_NOTICE, log, 0,
                  "s3jobs credentials \"%V\" from %V: key id ending in "
                  "\"%V\", temporary, expire at %*s, in %T s",
                  &source->name, &source->provider->name, &end,
                  (size_t) NGX_S3JOBS_DATE_LEN, date,
                  c->expires - ngx_time());
}


/*
 * Runs in the master when the new configuration has been accepted, so that a
 * reload that fails leaves the old credentials alone.
 */

ngx_int_t
ngx_http_s3jobs_publish_initial(ngx_cycle_t *cycle,
    ngx_http_s3jobs_sources_t *ss)
{
    ngx_uint_t                  i;
    ngx_slab_pool_t            *shpool;
    ngx_http_s3jobs_sh_t       *sh;
    ngx_s3jobs_credentials_t    c;
    ngx_http_s3jobs_source_t   *source, **sp;

    if (ss->zone == NULL || ngx_test_config) {
        return NGX_OK;
    }

    sh = ss->zone->data;
    sp = ss->sources->elts;

    shpool = (ngx_slab_pool_t *) ss->zone->shm.addr;

    ngx_shmtx_lock(&shpool->mutex);

    sh->cycle++;

    for (i = 0; i < ss->sources->nelts; i++) {
        sp[i]->zone = ss->zone;
        sp[i]->record = ngx_http_s3jobs_get_record(sh, sp[i]);
    }

    ngx_shmtx_unlock(&shpool->mutex);

    for (i = 0; i < ss->sources->nelts; i++) {
        source = sp[i];

        if (source->by_default) {
            ngx_log_error(NGX_LOG_NOTICE, cycle->log, 0,
                          "s3jobs credentials \"%V\": type \"default\" has "
                          "chosen \"%V\"",
                          &source->name, &source->provider->name);
        }

        if (source->initial == NULL) {
            continue;
        }

        c.access_key_id.data = source->initial->key_id;
        c.access_key_id.len = source->initial->key_id_len;
        c.secret_access_key.data = source->initial->secret;
        c.secret_access_key.len = source->initial->secret_len;
        c.session_token.data = source->initial->token;
        c.session_token.len = source->initial->token_len;
        c.expires = source->initial->expires;

        (void) ngx_http_s3jobs_publish(source, &c, cycle->log);

        ngx_http_s3jobs_initial_cleanup(source);
    }

    return NGX_OK;
}


/* the source's record, or the one that has been out of use for longest */

static ngx_http_s3jobs_record_t *
ngx_http_s3jobs_get_record(ngx_http_s3jobs_sh_t *sh,
    ngx_http_s3jobs_source_t *source)
{
    ngx_uint_t                 i;
    ngx_http_s3jobs_record_t  *rec, *oldest;

    oldest = NULL;

    for (i = 0; i < NGX_HTTP_S3JOBS_RECORDS_MAX; i++) {
        rec = &sh->records[i];

        if (rec->used
            && ngx_memcmp(rec->id, source->id, sizeof(rec->id)) == 0)
        {
            rec->used = sh->cycle;
            return rec;
        }

        if (oldest == NULL || rec->used < oldest->used) {
            oldest = rec;
        }
    }

    OPENSSL_cleanse(oldest, sizeof(ngx_http_s3jobs_record_t));

    ngx_memcpy(oldest->id, source->id, sizeof(oldest->id));
    oldest->used = sh->cycle;

    return oldest;
}


static void
ngx_http_s3jobs_set_body(ngx_http_s3jobs_body_t *body,
    ngx_s3jobs_credentials_t *c)
{
    body->expires = c->expires;
    body->key_id_len = c->access_key_id.len;
    body->secret_len = c->secret_access_key.len;
    body->token_len = c->session_token.len;

    ngx_memcpy(body->key_id, c->access_key_id.data, body->key_id_len);
    ngx_memcpy(body->secret, c->secret_access_key.data, body->secret_len);
    ngx_memcpy(body->token, c->session_token.data, body->token_len);
}


ngx_int_t
ngx_http_s3jobs_set_initial(ngx_conf_t *cf, ngx_http_s3jobs_source_t *source,
    ngx_s3jobs_credentials_t *c)
{
    ngx_pool_cleanup_t      *cln;
    ngx_http_s3jobs_body_t  *body;

    cln = ngx_pool_cleanup_add(cf->pool, 0);
    if (cln == NULL) {
        return NGX_ERROR;
    }

    body = ngx_calloc(sizeof(ngx_http_s3jobs_body_t), cf->log);
    if (body == NULL) {
        return NGX_ERROR;
    }

    source->initial = body;

    cln->handler = ngx_http_s3jobs_initial_cleanup;
    cln->data = source;

    ngx_http_s3jobs_set_body(body, c);

    return NGX_OK;
}


static void
ngx_http_s3jobs_initial_cleanup(void *data)
{
    ngx_http_s3jobs_source_t *source = data;

    if (source->initial == NULL) {
        return;
    }

    OPENSSL_cleanse(source->initial, sizeof(ngx_http_s3jobs_body_t));
    ngx_free(source->initial);

    source->initial = NULL;
}


/*
 * One process looks after the credentials: the first worker, or the single
 * process.  The cache manager runs init_process too, with ngx_worker 0.
 */

ngx_int_t
ngx_http_s3jobs_start_sources(ngx_cycle_t *cycle,
    ngx_http_s3jobs_sources_t *ss)
{
    ngx_uint_t                  i;
    ngx_pool_cleanup_t         *cln;
    ngx_http_s3jobs_source_t  **sp;

    if (ss->zone == NULL
        || !(ngx_process == NGX_PROCESS_SINGLE
             || (ngx_process == NGX_PROCESS_WORKER && ngx_worker == 0)))
    {
        return NGX_OK;
    }

    /* a single process frees a configuration and lives on */

    cln = ngx_pool_cleanup_add(cycle->pool, 0);
    if (cln == NULL) {
        return NGX_ERROR;
    }

    cln->handler = ngx_http_s3jobs_sources_cleanup;
    cln->data = ss;

    sp = ss->sources->elts;

    for (i = 0; i < ss->sources->nelts; i++) {
        if (sp[i]->provider->start
            && sp[i]->provider->start(cycle, sp[i]) != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    ss->started = 1;

    return NGX_OK;
}


void
ngx_http_s3jobs_stop_sources(ngx_http_s3jobs_sources_t *ss)
{
    ngx_uint_t                  i;
    ngx_http_s3jobs_source_t  **sp;

    if (!ss->started) {
        return;
    }

    ss->started = 0;

    sp = ss->sources->elts;

    for (i = 0; i < ss->sources->nelts; i++) {
        ngx_http_s3jobs_refresh_stop(sp[i]);
    }

    ngx_http_s3jobs_fetch_cleanup();
}


static void
ngx_http_s3jobs_sources_cleanup(void *data)
{
    ngx_http_s3jobs_sources_t *ss = data;

    ngx_http_s3jobs_stop_sources(ss);
}
