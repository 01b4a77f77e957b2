
/*
 * Copyright (C) the ngx_s3jobs_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#if (NGX_FREEBSD)
#include <malloc_np.h>
#else
#include <malloc.h>
#endif

#include <openssl/crypto.h>

#include "ngx_s3jobs_wipe.h"


void *
ngx_s3jobs_wipe_malloc(size_t size)
{
    return malloc(size);
}


void *
ngx_s3jobs_wipe_calloc(size_t n, size_t size)
{
    return calloc(n, size);
}


/* realloc() may leave the old block behind as it was */

void *
ngx_s3jobs_wipe_realloc(void *p, size_t size)
{
    void    *new;
    size_t   old;

    if (p == NULL) {
        return malloc(size);
    }

    old = malloc_usable_size(p);

    if (size && size <= old) {
        return p;
    }

    new = malloc(size);
    if (new == NULL) {
        return NULL;
    }

    ngx_memcpy(new, p, ngx_min(old, size));

    ngx_s3jobs_wipe_free(p);

    return new;
}


char *
ngx_s3jobs_wipe_strdup(const char *s)
{
    return strdup(s);
}


void
ngx_s3jobs_wipe_free(void *p)
{
    if (p) {
        OPENSSL_cleanse(p, malloc_usable_size(p));
        free(p);
    }
}
