
/*
 * Copyright (C) the ngx_s3jobs_module authors
 */


#ifndef _VALID_H_INCLUDED_
#define _VALID_H_INCLUDED_


/* a function that says yes, 1, or no, 0, to a text */

typedef ngx_uint_t (*valid_pt)(ngx_str_t *s);


static ngx_uint_t
valid(valid_pt f, const char *text, size_t len)
{
    ngx_str_t   s;
    ngx_uint_t  rc;

    s.len = len;
    s.data = malloc(len ? len : 1);
    assert_non_null(s.data);
    memcpy(s.data, text, len);

    rc = f(&s);

    free(s.data);

    return rc;
}


static void
check(valid_pt f, const char **texts, ngx_uint_t expected)
{
    for ( /* void */ ; *texts; texts++) {
        if (valid(f, *texts, strlen(*texts)) != expected) {
            fail_msg("\"%s\"", *texts);
        }
    }
}


#endif /* _VALID_H_INCLUDED_ */
