
/*
 * Copyright (C) the ngx_s3jobs_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include <openssl/crypto.h>

#include "ngx_http_s3jobs_source.h"


#define NGX_HTTP_S3JOBS_ZONE_SIZE                                             \
    (sizeof(ngx_http_s3jobs_sh_t) + 16 * ngx_pagesize)


typedef struct {
    ngx_atomic_t                generation;   /* the last one given out */
    ngx_uint_t                  cycle;
    ngx_http_s3jobs_counters_t  counters;
    ngx_http_s3jobs_record_t    records[NGX_HTTP_S3JOBS_RECORDS_MAX];
} ngx_http_s3jobs_sh_t;


static ngx_int_t ngx_http_s3jobs_init_zone(ngx_shm_zone_t *zone, void *data);
static void ngx_http_s3jobs_log_change(ngx_http_s3jobs_source_t *source,
    ngx_s3jobs_credentials_t *c, ngx_log_t *log);
static ngx_http_s3jobs_record_t *ngx_http_s3jobs_get_record(
    ngx_http_s3jobs_sh_t *sh, ngx_http_s3jobs_source_t *source);
static ngx_uint_t ngx_http_s3jobs_same_body(ngx_http_s3jobs_body_t *body,
    ngx_s3jobs_credentials_t *c);
static void ngx_http_s3jobs_set_body(ngx_http_s3jobs_body_t *body,
    ngx_s3jobs_credentials_t *c);
static void ngx_http_s3jobs_initial_cleanup(void *data);
static ngx_int_t ngx_http_s3jobs_update_copy(ngx_http_s3jobs_source_t *source);
static ngx_int_t ngx_http_s3jobs_add_key(ngx_http_s3jobs_source_t *source,
    ngx_str_t *date, ngx_str_t *region, u_char *key);


static ngx_str_t  ngx_http_s3jobs_zone_name = ngx_string("s3jobs_state");


ngx_int_t
ngx_http_s3jobs_check_credentials(ngx_http_s3jobs_source_t *source)
{
    ngx_http_s3jobs_copy_t    *copy;
    ngx_http_s3jobs_record_t  *rec;

    rec = source->record;
    copy = source->copy;

    if (rec->body[rec->current & 1].generation != copy->generation
        || copy->generation == 0)
    {
        if (ngx_http_s3jobs_update_copy(source) != NGX_OK) {
            return NGX_DECLINED;
        }
    }

    if (copy->generation == 0) {
        return NGX_AGAIN;
    }

    if (copy->expires && copy->expires <= ngx_time() && !source->stale_ok) {
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
        k = &source->copy->keys[i];

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
    ngx_http_s3jobs_record_t  *rec;

    ngx_memzero(copy, sizeof(ngx_http_s3jobs_body_t));

    rec = ngx_http_s3jobs_lock(source);

    if (rec) {
        *copy = rec->body[rec->current & 1];
        ngx_http_s3jobs_unlock(source);
    }

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
    ngx_http_s3jobs_body_t    *body;
    ngx_http_s3jobs_copy_t    *copy;
    ngx_http_s3jobs_record_t  *rec;

    copy = source->copy;

    rec = ngx_http_s3jobs_lock(source);

    if (rec == NULL) {
        copy->generation = 0;
        return NGX_DECLINED;
    }

    body = &rec->body[rec->current & 1];

    copy->generation = body->generation;
    copy->expires = body->expires;
    copy->key_id.len = body->key_id_len;
    copy->key_id.data = copy->key_id_buf;
    copy->token.len = body->token_len;
    copy->token.data = copy->token_buf;

    ngx_memcpy(copy->key_id_buf, body->key_id, body->key_id_len);
    ngx_memcpy(copy->token_buf, body->token, body->token_len);

    ngx_http_s3jobs_unlock(source);

    OPENSSL_cleanse(copy->keys, sizeof(copy->keys));
    ngx_s3jobs_sigv4_forget();

    return NGX_OK;
}


static ngx_int_t
ngx_http_s3jobs_add_key(ngx_http_s3jobs_source_t *source, ngx_str_t *date,
    ngx_str_t *region, u_char *key)
{
    u_char                     buf[NGX_S3JOBS_SECRET_MAX];
    ngx_int_t                  rc;
    ngx_str_t                  secret;
    ngx_http_s3jobs_key_t     *k;
    ngx_http_s3jobs_body_t    *body;
    ngx_http_s3jobs_copy_t    *copy;
    ngx_http_s3jobs_record_t  *rec;

    static ngx_str_t  service = ngx_string("s3");

    copy = source->copy;

    for ( ;; ) {
        rec = ngx_http_s3jobs_lock(source);

        if (rec) {
            body = &rec->body[rec->current & 1];

            if (body->generation == copy->generation) {
                break;
            }

            ngx_http_s3jobs_unlock(source);
        }

        if (ngx_http_s3jobs_update_copy(source) != NGX_OK
            || copy->generation == 0)
        {
            return NGX_DECLINED;
        }
    }

    secret.len = body->secret_len;
    secret.data = buf;
    ngx_memcpy(buf, body->secret, body->secret_len);

    ngx_http_s3jobs_unlock(source);

    k = &copy->keys[copy->next_key];
    copy->next_key = (copy->next_key + 1) % NGX_HTTP_S3JOBS_KEYS;

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
    ngx_http_s3jobs_sh_t      *sh;
    ngx_http_s3jobs_body_t    *body, *old;
    ngx_http_s3jobs_record_t  *rec;

    sh = source->zone->data;

    rec = ngx_http_s3jobs_lock(source);

    if (rec == NULL) {
        return NGX_DECLINED;
    }

    rec->usage.success = ngx_time();
    rec->usage.failure = 0;
    ngx_http_s3jobs_count(&rec->usage.refreshed, 1);

    old = &rec->body[rec->current & 1];
    body = &rec->body[(rec->current & 1) ^ 1];

    if (ngx_http_s3jobs_same_body(old, c)) {
        ngx_http_s3jobs_unlock(source);
        return NGX_DECLINED;
    }

    ngx_http_s3jobs_set_body(body, c);

    body->generation = ++sh->generation;

    ngx_memory_barrier();

    rec->current ^= 1;

    ngx_memory_barrier();

    OPENSSL_cleanse(old, sizeof(ngx_http_s3jobs_body_t));

    ngx_http_s3jobs_unlock(source);

    ngx_http_s3jobs_log_change(source, c, log);

    return NGX_OK;
}


void
ngx_http_s3jobs_not_published(ngx_http_s3jobs_source_t *source)
{
    ngx_http_s3jobs_record_t  *rec;

    rec = ngx_http_s3jobs_lock(source);

    if (rec) {
        rec->usage.failure = ngx_time();
        ngx_http_s3jobs_count(&rec->usage.failed, 1);

        ngx_http_s3jobs_unlock(source);
    }
}


static ngx_uint_t
ngx_http_s3jobs_same_body(ngx_http_s3jobs_body_t *body,
    ngx_s3jobs_credentials_t *c)
{
    return body->generation
           && body->expires == c->expires
           && body->key_id_len == c->access_key_id.len
           && body->secret_len == c->secret_access_key.len
           && body->token_len == c->session_token.len
           && ngx_memcmp(body->key_id, c->access_key_id.data,
                         body->key_id_len)
              == 0
           && ngx_memcmp(body->secret, c->secret_access_key.data,
                         body->secret_len)
              == 0
           && ngx_memcmp(body->token, c->session_token.data, body->token_len)
              == 0;
}


ngx_http_s3jobs_record_t *
ngx_http_s3jobs_lock(ngx_http_s3jobs_source_t *source)
{
    ngx_slab_pool_t  *shpool;

    shpool = (ngx_slab_pool_t *) source->zone->shm.addr;

    ngx_shmtx_lock(&shpool->mutex);

    if (ngx_memcmp(source->record->id, source->id, sizeof(source->id)) != 0) {
        ngx_shmtx_unlock(&shpool->mutex);
        return NULL;
    }

    return source->record;
}


void
ngx_http_s3jobs_unlock(ngx_http_s3jobs_source_t *source)
{
    ngx_slab_pool_t  *shpool;

    shpool = (ngx_slab_pool_t *) source->zone->shm.addr;

    ngx_shmtx_unlock(&shpool->mutex);
}


ngx_shm_zone_t *
ngx_http_s3jobs_store_zone(ngx_conf_t *cf)
{
    ngx_shm_zone_t  *zone;

    zone = ngx_shared_memory_add(cf, &ngx_http_s3jobs_zone_name,
                                 NGX_HTTP_S3JOBS_ZONE_SIZE,
                                 &ngx_http_s3jobs_zone_name);
    if (zone == NULL) {
        return NULL;
    }

    zone->init = ngx_http_s3jobs_init_zone;

    return zone;
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
                      &source->name, &source->type, &end,
                      c->session_token.len ? "temporary" : "long-term");
        return;
    }

    ngx_s3jobs_sigv4_date(date, ngx_max(c->expires, 0));

    ngx_log_error(NGX_LOG_NOTICE, log, 0,
                  "s3jobs credentials \"%V\" from %V: key id ending in "
                  "\"%V\", temporary, expire at %*s, in %T s",
                  &source->name, &source->type, &end,
                  (size_t) NGX_S3JOBS_DATE_LEN, date,
                  c->expires - ngx_time());
}


ngx_http_s3jobs_counters_t *
ngx_http_s3jobs_store_counters(ngx_shm_zone_t *zone)
{
    ngx_http_s3jobs_sh_t  *sh;

    sh = zone->data;

    return &sh->counters;
}


void
ngx_http_s3jobs_store_cycle(ngx_shm_zone_t *zone)
{
    ngx_uint_t                 i;
    ngx_slab_pool_t           *shpool;
    ngx_http_s3jobs_sh_t      *sh;
    ngx_http_s3jobs_record_t  *rec;

    sh = zone->data;
    shpool = (ngx_slab_pool_t *) zone->shm.addr;

    ngx_shmtx_lock(&shpool->mutex);

    sh->cycle++;

    /* of the cycle before workers may live, and this one may return to it */

    for (i = 0; i < NGX_HTTP_S3JOBS_RECORDS_MAX; i++) {
        rec = &sh->records[i];

        if (rec->used && rec->used + 2 < sh->cycle) {
            OPENSSL_cleanse(rec, sizeof(ngx_http_s3jobs_record_t));
        }
    }

    ngx_shmtx_unlock(&shpool->mutex);
}


void
ngx_http_s3jobs_store_attach(ngx_shm_zone_t *zone,
    ngx_http_s3jobs_source_t *source)
{
    ngx_slab_pool_t  *shpool;

    shpool = (ngx_slab_pool_t *) zone->shm.addr;

    ngx_shmtx_lock(&shpool->mutex);

    source->zone = zone;
    source->record = ngx_http_s3jobs_get_record(zone->data, source);

    ngx_shmtx_unlock(&shpool->mutex);
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


void
ngx_http_s3jobs_publish_initial(ngx_http_s3jobs_source_t *source,
    ngx_log_t *log)
{
    ngx_http_s3jobs_body_t    *body;
    ngx_s3jobs_credentials_t   c;

    body = source->initial;

    if (body == NULL) {
        return;
    }

    c.access_key_id.data = body->key_id;
    c.access_key_id.len = body->key_id_len;
    c.secret_access_key.data = body->secret;
    c.secret_access_key.len = body->secret_len;
    c.session_token.data = body->token;
    c.session_token.len = body->token_len;
    c.expires = body->expires;

    (void) ngx_http_s3jobs_publish(source, &c, log);

    ngx_http_s3jobs_initial_cleanup(source);
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
