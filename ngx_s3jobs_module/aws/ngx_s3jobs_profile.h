
/*
 * Copyright (C) the ngx_s3jobs_module authors
 */


#ifndef _NGX_S3JOBS_PROFILE_H_INCLUDED_
#define _NGX_S3JOBS_PROFILE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/* longest values taken, in bytes */
#define NGX_S3JOBS_KEY_ID_MAX   128
#define NGX_S3JOBS_SECRET_MAX   128
#define NGX_S3JOBS_TOKEN_MAX    8192


typedef struct {
    ngx_str_t    access_key_id;
    ngx_str_t    secret_access_key;
    ngx_str_t    session_token;     /* len 0: long-term credentials */
    time_t       expires;           /* seconds since the epoch, 0: never */
} ngx_s3jobs_credentials_t;


/*
 * Whether the values can be used: key id and secret present, no value longer
 * than its maximum, every byte a visible ASCII character, 0x21 to 0x7e (they
 * become header values), no "/" or "," in the key id (the scope follows it).
 * Returns NULL, or a static text that completes 'credentials ...'; it never
 * holds a value.
 */
const char *ngx_s3jobs_credentials_check(ngx_s3jobs_credentials_t *c);


/*
 * Reads one profile of a shared credentials file, text, as botocore does
 * (https://docs.aws.amazon.com/sdkref/latest/guide/file-format.html): INI as
 * Python's configparser has it, "#" and ";" comment lines, no quoting; a
 * section or a key given twice is an error wherever it is, and so is a
 * credential that is missing, continued in an indented line, or unfit for
 * ngx_s3jobs_credentials_check().  So is a profile that botocore would take
 * for one of another kind, which assumes a role, say, and so is one without
 * keys that runs a program.  The values in c refer to memory of text.  expires
 * is set to 0.
 *
 * Returns NGX_OK; NGX_DECLINED if the profile is not there, line is 0 then, or
 * has no aws_access_key_id; or NGX_ERROR.  For the latter two, err is a static
 * text that completes 'profile "..." ...' without any value, and line, if not
 * 0, the line at fault.
 */
ngx_int_t ngx_s3jobs_credentials_profile(ngx_str_t *text, ngx_str_t *profile,
    ngx_s3jobs_credentials_t *c, const char **err, ngx_uint_t *line);


#endif /* _NGX_S3JOBS_PROFILE_H_INCLUDED_ */
