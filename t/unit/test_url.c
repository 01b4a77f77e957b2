
/*
 * Copyright (C) the ngx_s3jobs_module authors
 */


#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_s3jobs_url.h"
#include "valid.h"


#define SCHEME  "begins with neither \"https://\" nor \"http://\""
#define HOST    "has an invalid host or port"
#define PLAIN   "must begin with \"https://\", since its host is not known "  \
                "to be on this machine"


#define NAME_61                                                               \
    "abcdefghijklmnopqrstuvwxyz-0123456789-abcdefghijklmnopqrstuvw"
#define NAME_63  NAME_61 "xy"


typedef struct {
    const char  *text;
    const char  *error;
    const char  *host;
    const char  *header;
    const char  *path;
    ngx_uint_t   https;
    ngx_uint_t   loopback;
} url_t;


static const char  *good_hosts[] = {
    "localhost", "a", "127.0.0.1", "127.0.0.1:9000", "[::1]", "[::1]:443",
    "[fd00:ec2::23]:1", "[::ffff:1.2.3.4]", "s3_stand-in:65535",
    "123456789012.control.vpce-x.s3.eu-west-1.vpce.amazonaws.com",
    "123456789012.127.0.0.1", "123456789012.127.0.0.1.nip.io", "EXAMPLE.com", "1a", "3com.1st",
    NAME_63, NAME_63 "." NAME_63 "." NAME_63 "." NAME_61, NULL
};


static const char  *bad_hosts[] = {
    "", ".", ":", ":80", "a:", "a:0", "a:01", "a:65536", "a:99999999999999",
    "a:8o", "a:80:80", "a.", ".a", "a..b", "-a", "a-", "a.-b", "a-.b",
    "a b", "a/b", "a?b", "a@b", "user:pw@a", "http://a", "a\r\nX: y", "a,b",
    "\xc3\xa4", "[", "[]", "]", "[::1", "[::1]443", "[::1]:",
    "[::1]x:443", "[1.2.3.4]", "[::1%25lo]", "[::1%lo]", "::1", "[:::]",
    "[localhost]", "[0:0:0:0:0:0:0:0:0]",
    "[0000:0000:0000:0000:0000:0000:255.255.255.2555]",
    NAME_63 "z", NAME_63 "." NAME_63 "." NAME_63 "." NAME_61 "x", NULL
};


static const ngx_str_t  plain[] = {
    ngx_string("169.254.170.2"),
    ngx_string("fd00:ec2::23"),
    ngx_null_string
};


static const url_t  urls[] = {
    { "https://example.com", NULL, "example.com", "example.com", "", 1, 0 },
    { "HTTPS://example.com:443/", NULL, "example.com", "example.com", "/", 1,
      0 },
    { "https://example.com:80/a?b=c", NULL, "example.com", "example.com:80",
      "/a?b=c", 1, 0 },
    { "https://10.0.0.1:8443/", NULL, "10.0.0.1", "10.0.0.1:8443", "/", 1, 0 },
    { "https://[2001:db8::1]:443/", NULL, "2001:db8::1", "[2001:db8::1]", "/",
      1, 0 },
    { "http://127.0.0.1", NULL, "127.0.0.1", "127.0.0.1", "", 0, 1 },
    { "http://127.255.0.3:80/x", NULL, "127.255.0.3", "127.255.0.3", "/x", 0,
      1 },
    { "http://localhost:443/", NULL, "localhost", "localhost:443", "/", 0, 1 },
    { "http://LOCALHOST/", NULL, "LOCALHOST", "LOCALHOST", "/", 0, 1 },
    { "http://[::1]:8080/", NULL, "::1", "[::1]:8080", "/", 0, 1 },
    { "https://127.0.0.1/", NULL, "127.0.0.1", "127.0.0.1", "/", 1, 1 },
    { "http://169.254.170.2/v2", NULL, "169.254.170.2", "169.254.170.2", "/v2",
      0, 0 },
    { "http://[FD00:ec2::23]/v1", NULL, "FD00:ec2::23", "[FD00:ec2::23]",
      "/v1", 0, 0 },
    { "http://169.254.170.22/", PLAIN, NULL, NULL, NULL, 0, 0 },
    { "http://169.254.169.254/", PLAIN, NULL, NULL, NULL, 0, 0 },
    { "http://example.com/", PLAIN, NULL, NULL, NULL, 0, 0 },
    { "http://127.0.0.1.example.com/", PLAIN, NULL, NULL, NULL, 0, 0 },
    { "http://127.0.0.256/", PLAIN, NULL, NULL, NULL, 0, 0 },
    { "http://127.0.0.1.1/", PLAIN, NULL, NULL, NULL, 0, 0 },
    { "http://127.1/", PLAIN, NULL, NULL, NULL, 0, 0 },
    { "http://127.0.0.0001/", PLAIN, NULL, NULL, NULL, 0, 0 },
    { "http://localhost.example.com/", PLAIN, NULL, NULL, NULL, 0, 0 },
    { "http://[::2]/", PLAIN, NULL, NULL, NULL, 0, 0 },
    { "", SCHEME, NULL, NULL, NULL, 0, 0 },
    { "example.com", SCHEME, NULL, NULL, NULL, 0, 0 },
    { "ftp://example.com", SCHEME, NULL, NULL, NULL, 0, 0 },
    { "https:/example.com", SCHEME, NULL, NULL, NULL, 0, 0 },
    { "https://", HOST, NULL, NULL, NULL, 0, 0 },
    { "https:///x", HOST, NULL, NULL, NULL, 0, 0 },
    { "https://a@b/", HOST, NULL, NULL, NULL, 0, 0 },
    { "http://127.0.0.1:80@evil.example.com/", HOST, NULL, NULL, NULL, 0, 0 },
    { "http://127.0.0.1\\@evil.example.com/", HOST, NULL, NULL, NULL, 0, 0 },
    { "http://127.0.0.1#@evil.example.com/", HOST, NULL, NULL, NULL, 0, 0 },
    { "https://a:0/", HOST, NULL, NULL, NULL, 0, 0 },
    { "https://a:65536/", HOST, NULL, NULL, NULL, 0, 0 },
    { "https://a b/", HOST, NULL, NULL, NULL, 0, 0 },
    { "https://[::1/", HOST, NULL, NULL, NULL, 0, 0 },
    { "https://a?b", "has a query without a path", NULL, NULL, NULL, 0, 0 },
    { "https://a/b c", "has an invalid character in its path", NULL, NULL,
      NULL, 0, 0 },
    { "https://a/b#c", "has an invalid character in its path", NULL, NULL,
      NULL, 0, 0 },
    { "https://a/\r\nb", "has an invalid character in its path", NULL, NULL,
      NULL, 0, 0 },
    { "https://a/\xc3\xa4", "has an invalid character in its path", NULL, NULL,
      NULL, 0, 0 },
    { NULL, NULL, NULL, NULL, NULL, 0, 0 }
};


static void
same(ngx_str_t *s, const char *expected)
{
    assert_int_equal(s->len, ngx_strlen(expected));
    assert_memory_equal(s->data, expected, s->len);
}


static void
test_urls(void **state)
{
    ngx_str_t          text;
    const url_t       *u;
    const char        *error;
    ngx_s3jobs_url_t   url;

    for (u = urls; u->text; u++) {
        text.len = ngx_strlen(u->text);
        text.data = malloc(text.len + 1);
        assert_non_null(text.data);
        ngx_memcpy(text.data, u->text, text.len);

        error = ngx_s3jobs_url_parse(&text, plain, &url);

        if (u->error) {
            if (error == NULL || ngx_strcmp(error, u->error) != 0) {
                fail_msg("%s: %s", u->text, error ? error : "good");
            }

        } else {
            if (error) {
                fail_msg("%s: %s", u->text, error);
            }

            same(&url.host, u->host);
            same(&url.header, u->header);
            same(&url.path, u->path);
            assert_int_equal(url.https, u->https);
            assert_int_equal(url.loopback, u->loopback);
        }

        free(text.data);
    }
}


/* what is logged of a URL, whatever is wrong with it */

static void
test_origin(void **state)
{
    ngx_str_t    text, origin;
    ngx_uint_t   i;

    static const char  *urls[][2] = {
        { "http://127.0.0.1:80/secret", "http://127.0.0.1:80" },
        { "https://host?secret", "https://host" },
        { "https://host#secret", "https://host" },
        { "https://me:secret@host/", "https://" },
        { "me:secret@host/", "" },
        { "https://host/a@b", "https://host" },
        { "https://host/://secret", "https://host" },
        { "https://[::1]:1/secret", "https://[::1]:1" },
        { "http:/secret", "http:" },
        { "/secret", "" },
        { "http://", "http://" },
        { "http:", "http:" },
        { "", "" }
    };

    for (i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
        text.len = strlen(urls[i][0]);
        text.data = malloc(text.len ? text.len : 1);
        assert_non_null(text.data);
        memcpy(text.data, urls[i][0], text.len);

        origin = ngx_s3jobs_url_origin(&text);

        assert_int_equal(origin.len, strlen(urls[i][1]));
        assert_memory_equal(origin.data, urls[i][1], origin.len);

        free(text.data);
    }
}


static void
test_no_list(void **state)
{
    ngx_str_t         text = ngx_string("http://169.254.170.2/");
    ngx_s3jobs_url_t  url;

    assert_non_null(ngx_s3jobs_url_parse(&text, NULL, &url));
    assert_null(ngx_s3jobs_url_parse(&text, plain, &url));
}


static void
test_host(void **state)
{
    check(ngx_s3jobs_host_valid, good_hosts, 1);
    check(ngx_s3jobs_host_valid, bad_hosts, 0);

    assert_int_equal(valid(ngx_s3jobs_host_valid, "a\0b", 3), 0);
    assert_int_equal(valid(ngx_s3jobs_host_valid, "[::1\0]", 6), 0);
    assert_int_equal(valid(ngx_s3jobs_host_valid, "127.0.0.1\0", 10), 0);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_urls),
        cmocka_unit_test(test_origin),
        cmocka_unit_test(test_no_list),
        cmocka_unit_test(test_host)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
