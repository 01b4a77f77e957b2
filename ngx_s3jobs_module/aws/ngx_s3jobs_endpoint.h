
/*
 * Copyright (C) the ngx_s3jobs_module authors
 */


#ifndef _NGX_S3JOBS_ENDPOINT_H_INCLUDED_
#define _NGX_S3JOBS_ENDPOINT_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


#define NGX_S3JOBS_FIPS         0x01
#define NGX_S3JOBS_DUALSTACK    0x02

#define NGX_S3JOBS_ACCOUNT_LEN  12
#define NGX_S3JOBS_REGION_MAX   32

/* the longest name that ngx_s3jobs_endpoint_write() writes, in bytes */
#define NGX_S3JOBS_ENDPOINT_MAX                                               \
    (NGX_S3JOBS_ACCOUNT_LEN + sizeof(".s3-control-fips.dualstack..") - 1      \
     + NGX_S3JOBS_REGION_MAX + sizeof("amazonaws.com.cn") - 1)


/* An account ID is 12 ASCII digits.  Returns 1 or 0. */
ngx_uint_t ngx_s3jobs_account_valid(ngx_str_t *account);


/*
 * Whether the name has the shape of an AWS region: three or more words of
 * a-z and 0-9 joined by "-", the first of them letters, the last one
 * digits, NGX_S3JOBS_REGION_MAX bytes at most.  "aws-global" is none.
 * Returns 1 or 0.
 */
ngx_uint_t ngx_s3jobs_region_valid(ngx_str_t *region);


/*
 * The DNS suffix of the region's partition, as in the SDKs' endpoint rules,
 * "amazonaws.com" if no partition is known for it; static memory.
 */
ngx_str_t *ngx_s3jobs_region_suffix(ngx_str_t *region);


/* Whether the region's partition offers FIPS endpoints.  Returns 1 or 0. */
ngx_uint_t ngx_s3jobs_region_fips(ngx_str_t *region);


/*
 * Writes {account}.s3-control[-fips][.dualstack].{region}.{suffix}, at most
 * NGX_S3JOBS_ENDPOINT_MAX bytes, for a valid account and region; returns its
 * end.  flags: NGX_S3JOBS_FIPS, NGX_S3JOBS_DUALSTACK.
 */
u_char *ngx_s3jobs_endpoint_write(u_char *p, ngx_str_t *account,
    ngx_str_t *region, ngx_uint_t flags);


#endif /* _NGX_S3JOBS_ENDPOINT_H_INCLUDED_ */
