
/*
 * Copyright (C) the ngx_s3jobs_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_md5.h>

#include <openssl/crypto.h>

#include "ngx_http_s3jobs_module.h"


#define NGX_HTTP_S3JOBS_ZONE_SIZE                                             \
    (sizeof(ngx_http_s3jobs_sh_t) + 16 * ngx_pagesize)


static ngx_int_t ngx_http_s3jobs_init_zone(ngx_shm_zone_t *zone, void *data);
static ngx_http_s3jobs_record_t *ngx_http_s3jobs_get_record(
    ngx_http_s3jobs_sh_t *sh, ngx_http_s3jobs_source_t *source);
static void ngx_http_s3jobs_initial_cleanup(void *data);
static ngx_int_t ngx_http_s3jobs_update_copy(ngx_http_s3jobs_source_t *source);
static ngx_int_t ngx_http_s3jobs_add_key(ngx_http_s3jobs_source_t *source,
    ngx_str_t *date, ngx_str_t *region, u_char *key);


static ngx_str_t  ngx_http_s3jobs_zone_name =
    ngx_string("s3jobs_credentials");


/* in the order of ngx_http_s3jobs_param_e */

static ngx_str_t  ngx_http_s3jobs_params[] = {
    ngx_string("path"),
    ngx_string("profile"),
    ngx_string("uri"),
    ngx_string("token_file"),
    ngx_string("endpoint"),
    ngx_string("role_arn"),
    ngx_string("session_name"),
    ngx_string("from"),
    ngx_string("external_id"),
    ngx_string("duration"),
    ngx_string("region")
};


static ngx_http_s3jobs_provider_t  *ngx_http_s3jobs_providers[] = {
    &ngx_http_s3jobs_env_provider,
    &ngx_http_s3jobs_file_provider,
    NULL
};


ngx_int_t
ngx_http_s3jobs_get_credentials(ngx_http_s3jobs_source_t *source,
    ngx_str_t *date, ngx_str_t *region, u_char key[NGX_S3JOBS_SHA256_LEN])
{
    ngx_uint_t                 i;
    ngx_http_s3jobs_key_t     *k;
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


/* the worker's copy of what is in the zone, but for the secret */

static ngx_int_t
ngx_http_s3jobs_update_copy(ngx_http_s3jobs_source_t *source)
{
    u_char                  *token;
    ngx_slab_pool_t         *shpool;
    ngx_http_s3jobs_body_t  *body;

    if (source->token_buf == NULL) {
        token = ngx_alloc(NGX_S3JOBS_TOKEN_MAX, ngx_cycle->log);
        if (token == NULL) {
            return NGX_ERROR;
        }

        source->token_buf = token;
    }

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

    body->expires = c->expires;
    body->key_id_len = c->access_key_id.len;
    body->secret_len = c->secret_access_key.len;
    body->token_len = c->session_token.len;

    ngx_memcpy(body->key_id, c->access_key_id.data, body->key_id_len);
    ngx_memcpy(body->secret, c->secret_access_key.data, body->secret_len);
    ngx_memcpy(body->token, c->session_token.data, body->token_len);

    body->generation = ++sh->generation;

    ngx_memory_barrier();

    rec->current ^= 1;

    ngx_memory_barrier();

    OPENSSL_cleanse(old, sizeof(ngx_http_s3jobs_body_t));

    ngx_shmtx_unlock(&shpool->mutex);

    ngx_log_error(NGX_LOG_NOTICE, log, 0,
                  "s3jobs credentials \"%V\" from %V: key id ending in "
                  "\"%*s\", %s",
                  &source->name, &source->provider->name,
                  ngx_min(c->access_key_id.len, 4),
                  c->access_key_id.data + c->access_key_id.len
                  - ngx_min(c->access_key_id.len, 4),
                  c->session_token.len ? "temporary" : "long-term");

    return NGX_OK;
}


char *
ngx_http_s3jobs_credentials_source(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf)
{
    ngx_http_s3jobs_main_conf_t *smcf = conf;

    u_char                      *p;
    ngx_str_t                   *value, *v;
    ngx_uint_t                   i, n;
    ngx_md5_t                    md5;
    ngx_http_s3jobs_source_t    *source, **sp;
    ngx_http_s3jobs_provider_t  *provider;

    value = cf->args->elts;

    if (ngx_http_s3jobs_find_source(&smcf->sources, &value[1])) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "duplicate credentials source \"%V\" in "
                           "\"s3jobs_credentials_source\" directive",
                           &value[1]);
        return NGX_CONF_ERROR;
    }

    if (smcf->sources.sources->nelts == NGX_HTTP_S3JOBS_SOURCES_MAX) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "too many \"s3jobs_credentials_source\" "
                           "directives, %d are allowed",
                           NGX_HTTP_S3JOBS_SOURCES_MAX);
        return NGX_CONF_ERROR;
    }

    source = ngx_pcalloc(cf->pool, sizeof(ngx_http_s3jobs_source_t));
    if (source == NULL) {
        return NGX_CONF_ERROR;
    }

    source->name = value[1];

    for (i = 0; ngx_http_s3jobs_providers[i]; i++) {
        provider = ngx_http_s3jobs_providers[i];

        if (provider->name.len == value[2].len
            && ngx_strcmp(provider->name.data, value[2].data) == 0)
        {
            source->provider = provider;
            break;
        }
    }

    provider = source->provider;

    if (provider == NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "unknown type \"%V\" in "
                           "\"s3jobs_credentials_source\" directive",
                           &value[2]);
        return NGX_CONF_ERROR;
    }

    for (n = 3; n < cf->args->nelts; n++) {
        v = &value[n];

        p = ngx_strlchr(v->data, v->data + v->len, '=');

        for (i = 0; p && i < NGX_HTTP_S3JOBS_NPARAMS; i++) {
            if ((provider->allowed & (1 << i))
                && ngx_http_s3jobs_params[i].len == (size_t) (p - v->data)
                && ngx_strncmp(ngx_http_s3jobs_params[i].data, v->data,
                               p - v->data)
                   == 0)
            {
                break;
            }
        }

        if (p == NULL || i == NGX_HTTP_S3JOBS_NPARAMS) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "unknown parameter \"%V\" in "
                               "\"s3jobs_credentials_source\" directive "
                               "of type \"%V\"", v, &provider->name);
            return NGX_CONF_ERROR;
        }

        p++;

        if (p == v->data + v->len || source->params[i].len) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "%s parameter \"%V\" in "
                               "\"s3jobs_credentials_source\" directive",
                               source->params[i].len ? "duplicate" : "empty",
                               v);
            return NGX_CONF_ERROR;
        }

        source->params[i].data = p;
        source->params[i].len = v->data + v->len - p;
    }

    for (i = 0; i < NGX_HTTP_S3JOBS_NPARAMS; i++) {
        if ((provider->required & (1 << i)) && source->params[i].len == 0) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "parameter \"%V=\" is missing in "
                               "\"s3jobs_credentials_source\" directive "
                               "of type \"%V\"",
                               &ngx_http_s3jobs_params[i], &provider->name);
            return NGX_CONF_ERROR;
        }
    }

    if (provider->configure(cf, source) != NGX_CONF_OK) {
        return NGX_CONF_ERROR;
    }

    /* a changed definition must not find the old one's record */

    ngx_md5_init(&md5);
    ngx_md5_update(&md5, source->name.data, source->name.len + 1);
    ngx_md5_update(&md5, provider->name.data, provider->name.len);

    for (i = 0; i < NGX_HTTP_S3JOBS_NPARAMS; i++) {
        ngx_md5_update(&md5, &source->params[i].len, sizeof(size_t));
        ngx_md5_update(&md5, source->params[i].data, source->params[i].len);
    }

    ngx_md5_final(source->id, &md5);

    sp = ngx_array_push(smcf->sources.sources);
    if (sp == NULL) {
        return NGX_CONF_ERROR;
    }

    *sp = source;

    return NGX_CONF_OK;
}


ngx_http_s3jobs_source_t *
ngx_http_s3jobs_find_source(ngx_http_s3jobs_sources_t *ss, ngx_str_t *name)
{
    ngx_uint_t                  i;
    ngx_http_s3jobs_source_t  **sp;

    sp = ss->sources->elts;

    for (i = 0; i < ss->sources->nelts; i++) {
        if (sp[i]->name.len == name->len
            && ngx_memcmp(sp[i]->name.data, name->data, name->len) == 0)
        {
            return sp[i];
        }
    }

    return NULL;
}


char *
ngx_http_s3jobs_init_sources(ngx_conf_t *cf, ngx_http_s3jobs_sources_t *ss)
{
    if (ss->sources->nelts == 0) {
        return NGX_CONF_OK;
    }

    ss->zone = ngx_shared_memory_add(cf, &ngx_http_s3jobs_zone_name,
                                     NGX_HTTP_S3JOBS_ZONE_SIZE,
                                     &ngx_http_s3jobs_module);
    if (ss->zone == NULL) {
        return NGX_CONF_ERROR;
    }

    ss->zone->init = ngx_http_s3jobs_init_zone;

    return NGX_CONF_OK;
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

    if (ss->zone == NULL) {
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

    body->expires = c->expires;
    body->key_id_len = c->access_key_id.len;
    body->secret_len = c->secret_access_key.len;
    body->token_len = c->session_token.len;

    ngx_memcpy(body->key_id, c->access_key_id.data, body->key_id_len);
    ngx_memcpy(body->secret, c->secret_access_key.data, body->secret_len);
    ngx_memcpy(body->token, c->session_token.data, body->token_len);

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
    ngx_http_s3jobs_source_t  **sp;

    if (ss->zone == NULL
        || !(ngx_process == NGX_PROCESS_SINGLE
             || (ngx_process == NGX_PROCESS_WORKER && ngx_worker == 0)))
    {
        return NGX_OK;
    }

    sp = ss->sources->elts;

    for (i = 0; i < ss->sources->nelts; i++) {
        if (sp[i]->provider->start
            && sp[i]->provider->start(cycle, sp[i]) != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}
