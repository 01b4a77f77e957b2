
/*
 * Copyright (C) the ngx_s3jobs_module authors
 */


#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_s3jobs_profile.h"


#define PAIR   "aws_access_key_id=AKID\naws_secret_access_key=wJal/+r\n"

#define TWICE  "has a key that was there before in the section"
#define MORE   "has a credential that goes on in an indented line"
#define NOISE  "has a line that is neither [profile] nor key = value"
#define EARLY  "has a line before the first [profile]"
#define NULLS  "has a NUL byte"

#define OTHER(name)  "has " name ", and keys are all that is read here: "
#define TYPE(name)   "use a source of type \"" name "\""
#define EXPORT                                                                \
    "write them to a file, again and again, with "                            \
    "\"aws configure export-credentials\""


typedef struct {
    const char  *text;
    const char  *profile;
    const char  *id;
    const char  *secret;
    const char  *token;
} good_t;


typedef struct {
    const char  *text;
    const char  *profile;
    ngx_int_t    rc;
    ngx_uint_t   line;
    const char  *err;
} bad_t;


static const good_t  good[] = {
    { "[default]\n" PAIR, "default", "AKID", "wJal/+r", "" },
    { "[default]\naws_access_key_id=AKID\naws_secret_access_key=s",
      "default", "AKID", "s", "" },
    { "\n# c\n ; c\n\n  [default]  \nAWS_Access_Key_ID  =  AKID  \n"
      "aws_secret_access_key:s\n\naws_session_token = t\n",
      "default", "AKID", "s", "t" },
    { "[default]\r\naws_access_key_id = AKID\r\n"
      "aws_secret_access_key = s\r\n", "default", "AKID", "s", "" },
    { "[default]\raws_access_key_id = AKID\raws_secret_access_key = s\r",
      "default", "AKID", "s", "" },
    { "[default]\n\taws_access_key_id = AKID\n\taws_secret_access_key = s\n",
      "default", "AKID", "s", "" },
    { "[default]\n\taws_access_key_id = AKID\n aws_secret_access_key = s\n",
      "default", "AKID", "s", "" },
    { "[a]\n" PAIR "[b]\naws_access_key_id=B\naws_secret_access_key=2\n",
      "b", "B", "2", "" },
    { "[b]\naws_access_key_id=B\naws_secret_access_key=2\n[a]\n" PAIR,
      "b", "B", "2", "" },
    { "[a] # not a comment, but ignored\n" PAIR, "a", "AKID", "wJal/+r", "" },
    { "[ a ]\n" PAIR, " a ", "AKID", "wJal/+r", "" },
    { "[a]b]\n" PAIR, "a]b", "AKID", "wJal/+r", "" },
    { "[]]\n" PAIR, "]", "AKID", "wJal/+r", "" },
    { "[a=b]\n" PAIR, "a=b", "AKID", "wJal/+r", "" },
    { "[profile a]\n" PAIR, "profile a", "AKID", "wJal/+r", "" },
    { "[a]\naws_access_key_id=A#B\naws_secret_access_key=s=:;s\n",
      "a", "A#B", "s=:;s", "" },
    { "[a]\naws_access_key_id=\"A\"\naws_secret_access_key='s'\n",
      "a", "\"A\"", "'s'", "" },
    { "[a]\naws_access_key_id==A\naws_secret_access_key=:s\n",
      "a", "=A", ":s", "" },
    { "[a]\n" PAIR "aws_session_token =\n", "a", "AKID", "wJal/+r", "" },
    { "[a]\n" PAIR "aws_session_token=new\naws_security_token=old\n",
      "a", "AKID", "wJal/+r", "old" },
    { "[a]\n" PAIR "aws_security_token=old\n", "a", "AKID", "wJal/+r",
      "old" },
    { "[DEFAULT]\naws_session_token=t\n[a]\n" PAIR "[DEFAULT]\nx=1\n",
      "a", "AKID", "wJal/+r", "t" },
    { "[DEFAULT]\naws_session_token=t\n[a]\n" PAIR "aws_session_token=u\n",
      "a", "AKID", "wJal/+r", "u" },
    { "[DEFAULT]\n" PAIR "[a]\n", "a", "AKID", "wJal/+r", "" },
    { "[a]\n" PAIR "s3 =\n  x = 1\n  y = 2\n", "a", "AKID", "wJal/+r", "" },
    { "[b]\naws_session_token = x\n  y\n[a]\n" PAIR, "a", "AKID", "wJal/+r",
      "" },
    { "[b]\nx = 1\n  [a]\n  z\n[a]\n" PAIR, "a", "AKID", "wJal/+r", "" },
    { "[DEFAULT]\naws_session_token=t\n u\n[a]\n" PAIR
      "aws_session_token=v\n", "a", "AKID", "wJal/+r", "v" },
    { "[a]\n" PAIR "credential_process=/bin/x\nsso_session=x\n"
      "source_profile=b\nmfa_serial=x\n", "a", "AKID", "wJal/+r", "" },
    { "[b]\nrole_arn=x\n[a]\n" PAIR, "a", "AKID", "wJal/+r", "" },
    { "[a]\n" PAIR "\n\n   # c\n   \n", "a", "AKID", "wJal/+r", "" },
    { "[a]\n" PAIR "\xc3\xa4=\xff\n", "a", "AKID", "wJal/+r", "" },
    { NULL, NULL, NULL, NULL, NULL }
};


static const bad_t  bad[] = {
    { "", "a", NGX_DECLINED, 0, "does not exist" },
    { "[a]\n" PAIR, "b", NGX_DECLINED, 0, "does not exist" },
    { "[a]\n" PAIR, "A", NGX_DECLINED, 0, "does not exist" },
    { "[a]\n" PAIR, "", NGX_DECLINED, 0, "does not exist" },
    { "[ a]\n" PAIR, "a", NGX_DECLINED, 0, "does not exist" },
    { "[aa]\n" PAIR, "a", NGX_DECLINED, 0, "does not exist" },
    { "[DEFAULT]\n" PAIR, "DEFAULT", NGX_DECLINED, 0,
      "does not exist" },
    { "[b]\nx=1\n [a]\n", "a", NGX_DECLINED, 0, "does not exist" },
    { "# c\n[a]\nx=1\n", "a", NGX_DECLINED, 2,
      "has no aws_access_key_id" },
    { "[a]\naws_secret_access_key=s\n", "a", NGX_DECLINED, 1,
      "has no aws_access_key_id" },
    { "[b]\n[a]\naws_access_key_id=A\n", "a", NGX_ERROR, 2,
      "has no aws_secret_access_key" },
    { "[a]\n" PAIR "role_arn=x\n", "a", NGX_ERROR, 4,
      OTHER("role_arn") TYPE("assume_role") },
    { "[a]\nRole_Arn =\nsource_profile=b\n[b]\n" PAIR, "a", NGX_ERROR, 2,
      OTHER("role_arn") TYPE("assume_role") },
    { "[a]\nrole_arn=x\nweb_identity_token_file=/y\n", "a", NGX_ERROR, 3,
      OTHER("web_identity_token_file") TYPE("web_identity") },
    { "[a]\nsso_session=x\nsso_account_id=1\nsso_role_name=y\n", "a",
      NGX_ERROR, 3, OTHER("sso_account_id") EXPORT },
    { "[a]\nsso_session=x\n", "a", NGX_ERROR, 2,
      OTHER("sso_session") EXPORT },
    { "[a]\nsso_start_url=x\n", "a", NGX_ERROR, 2,
      OTHER("sso_start_url") EXPORT },
    { "[a]\n" PAIR "sso_role_name=y\n", "a", NGX_ERROR, 4,
      OTHER("sso_role_name") EXPORT },
    { "[a]\n" PAIR "login_session=y\n", "a", NGX_ERROR, 4,
      OTHER("login_session") EXPORT },
    { "[a]\ncredential_process=/bin/x\n", "a", NGX_ERROR, 2,
      OTHER("credential_process") EXPORT },
    { "[DEFAULT]\ncredential_process=/bin/x\n[a]\n", "a", NGX_ERROR, 2,
      OTHER("credential_process") EXPORT },
    { "[a]\n\naws_access_key_id=\naws_secret_access_key=s\n", "a", NGX_ERROR,
      3, "has an empty aws_access_key_id" },
    { "[a]\naws_access_key_id=A\naws_secret_access_key\t:\t\n", "a",
      NGX_ERROR, 3, "has an empty aws_secret_access_key" },
    { "[a]\naws_access_key_id=A/\naws_secret_access_key=s\n", "a", NGX_ERROR,
      2, "has an aws_access_key_id that is too long, or has a character other "
      "than visible ASCII, or a \"/\" or \",\"" },
    { "[a]\naws_access_key_id=A\naws_secret_access_key=s s\n", "a", NGX_ERROR,
      3, "has an aws_secret_access_key that is too long, or has a character "
      "other than visible ASCII" },
    { "[a]\n" PAIR "aws_session_token=\xc3\xa4\n", "a", NGX_ERROR, 4,
      "has a session token that is too long, or has a character other than "
      "visible ASCII" },
    { "[a]\n" PAIR "aws_session_token=t\n  u\n", "a", NGX_ERROR, 5, MORE },
    { "[a]\n" PAIR "aws_session_token=\n\n\n  u=1\n", "a", NGX_ERROR, 7,
      MORE },
    { "[a]\n" PAIR " [b]\n", "a", NGX_ERROR, 4, MORE },
    { "[DEFAULT]\naws_session_token=t\n u\n[a]\n" PAIR, "a", NGX_ERROR, 3,
      MORE },
    { "[a]\n" PAIR PAIR, "a", NGX_ERROR, 4, TWICE },
    { "[a]\n" PAIR "AWS_ACCESS_KEY_ID: x\n", "a", NGX_ERROR, 4, TWICE },
    { "[b]\nx=1\ny=2\nX=3\n[a]\n" PAIR, "a", NGX_ERROR, 4, TWICE },
    { "[DEFAULT]\nx=1\n[a]\n" PAIR "[DEFAULT]\nx=2\n", "a", NGX_ERROR, 7,
      TWICE },
    { "[a]\n" PAIR "[b]\n[a]\n", "a", NGX_ERROR, 5,
      "has a section that was there before" },
    { "[b]\n[b]\n[a]\n" PAIR, "a", NGX_ERROR, 2,
      "has a section that was there before" },
    { "x=1\n[a]\n" PAIR, "a", NGX_ERROR, 1, EARLY },
    { "\n# c\nx\n", "a", NGX_ERROR, 3, EARLY },
    { "[a\n", "a", NGX_ERROR, 1, EARLY },
    { "[]\n", "", NGX_ERROR, 1, EARLY },
    { "[a]\nx\n" PAIR, "a", NGX_ERROR, 2, NOISE },
    { "[a]\r\nx\r\n", "a", NGX_ERROR, 2, NOISE },
    { "[a]\r\rx\n", "a", NGX_ERROR, 3, NOISE },
    { "[a]\n = x\n", "a", NGX_ERROR, 2, NOISE },
    { "[a]\n[b\n", "a", NGX_ERROR, 2, NOISE },
    { "[a]\n" PAIR "[]\n", "a", NGX_ERROR, 4, NOISE },
    { "\xef\xbb\xbf[a]\n" PAIR, "a", NGX_ERROR, 1,
      "starts with a byte order mark" },
    { NULL, NULL, 0, 0, NULL }
};


static ngx_int_t
parse(const char *data, size_t len, const char *profile, ngx_str_t *text,
    ngx_s3jobs_credentials_t *c, const char **err, ngx_uint_t *line)
{
    ngx_str_t  p;

    text->len = len;
    text->data = malloc(len ? len : 1);
    assert_non_null(text->data);
    memcpy(text->data, data, len);

    p.len = strlen(profile);
    p.data = (u_char *) profile;

    *err = NULL;
    *line = 12345;

    return ngx_s3jobs_credentials_profile(text, &p, c, err, line);
}


static void
same(ngx_str_t *s, const char *expected)
{
    assert_int_equal(s->len, strlen(expected));

    if (s->len) {
        assert_memory_equal(s->data, expected, s->len);
    }
}


static void
test_good(void **state)
{
    ngx_int_t                  rc;
    ngx_str_t                  text;
    ngx_uint_t                 line;
    const char                *err;
    const good_t              *g;
    ngx_s3jobs_credentials_t   c;

    for (g = good; g->text; g++) {
        rc = parse(g->text, strlen(g->text), g->profile, &text, &c, &err,
                   &line);

        if (rc != NGX_OK) {
            fail_msg("%s: line %d %s", g->text, (int) line, err);
        }

        same(&c.access_key_id, g->id);
        same(&c.secret_access_key, g->secret);
        same(&c.session_token, g->token);
        assert_int_equal(c.expires, 0);
        assert_null(ngx_s3jobs_credentials_check(&c));

        free(text.data);
    }
}


static void
test_bad(void **state)
{
    ngx_int_t                  rc;
    ngx_str_t                  text;
    ngx_uint_t                 line;
    const bad_t               *b;
    const char                *err;
    ngx_s3jobs_credentials_t   c;

    for (b = bad; b->text; b++) {
        rc = parse(b->text, strlen(b->text), b->profile, &text, &c, &err,
                   &line);

        if (rc != b->rc || line != b->line || strcmp(err, b->err) != 0) {
            fail_msg("%s: %d, line %d %s", b->text, (int) rc, (int) line,
                     err ? err : "");
        }

        free(text.data);
    }
}


static void
test_nul(void **state)
{
    ngx_str_t                  text;
    ngx_uint_t                 line;
    const char                *err;
    ngx_s3jobs_credentials_t   c;

    static const char          value[] = "[a]\naws_access_key_id=A\0K\n";
    static const char          comment[] = "#\0\n[a]\n" PAIR;

    assert_int_equal(parse(value, sizeof(value) - 1, "a", &text, &c, &err,
                           &line),
                     NGX_ERROR);
    assert_string_equal(err, NULLS);
    assert_int_equal(line, 2);
    free(text.data);

    assert_int_equal(parse(comment, sizeof(comment) - 1, "a", &text, &c, &err,
                           &line),
                     NGX_ERROR);
    assert_string_equal(err, NULLS);
    assert_int_equal(line, 1);
    free(text.data);
}


/* every beginning of a file has an answer; nobody's half is taken */

static void
test_cut(void **state)
{
    size_t                     n;
    ngx_int_t                  rc;
    ngx_str_t                  text;
    ngx_uint_t                 line;
    const char                *err;
    ngx_s3jobs_credentials_t   c;

    static const char          file[] = "[b]\nx=1\n[a]\n" PAIR;

    for (n = 0; n < sizeof(file); n++) {
        rc = parse(file, n, "a", &text, &c, &err, &line);

        if (rc == NGX_OK) {
            same(&c.access_key_id, "AKID");
            assert_memory_equal("wJal/+r", c.secret_access_key.data,
                                c.secret_access_key.len);

        } else {
            assert_non_null(err);
        }

        free(text.data);
    }
}


/* more sections than there are hashes: those that collide are no duplicates */

static void
test_many_profiles(void **state)
{
    char                      *file;
    size_t                     len;
    ngx_str_t                  text;
    ngx_uint_t                 i, line;
    const char                *err;
    ngx_s3jobs_credentials_t   c;

    file = malloc(1024 * 1024);
    assert_non_null(file);

    for (i = 0, len = 0; i < 3000; i++) {
        len += sprintf(file + len, "[account-%d]\naws_access_key_id=AK%d\n"
                       "aws_secret_access_key=s%d\n", (int) i, (int) i,
                       (int) i);
    }

    assert_int_equal(parse(file, len, "account-2999", &text, &c, &err, &line),
                     NGX_OK);
    same(&c.access_key_id, "AK2999");
    free(text.data);

    len += sprintf(file + len, "[account-1234]\n");

    assert_int_equal(parse(file, len, "account-1", &text, &c, &err, &line),
                     NGX_ERROR);
    assert_string_equal(err, "has a section that was there before");
    assert_int_equal(line, 9001);
    free(text.data);

    free(file);
}


static const char *
check(const char *id, const char *secret, const char *token)
{
    ngx_s3jobs_credentials_t  c;

    c.access_key_id.data = (u_char *) id;
    c.access_key_id.len = strlen(id);
    c.secret_access_key.data = (u_char *) secret;
    c.secret_access_key.len = strlen(secret);
    c.session_token.data = (u_char *) token;
    c.session_token.len = strlen(token);
    c.expires = 0;

    return ngx_s3jobs_credentials_check(&c);
}


static void
test_check(void **state)
{
    int                       c;
    char                      one[4], *longest;
    ngx_s3jobs_credentials_t  none;

    static const char         bad_id[] =
        "have an access key id that is too long, or has a character other "
        "than visible ASCII, or a \"/\" or \",\"";
    static const char         bad_secret[] =
        "have a secret access key that is too long, or has a character other "
        "than visible ASCII";
    static const char         bad_token[] =
        "have a session token that is too long, or has a character other "
        "than visible ASCII";

    assert_null(check("A", "s", ""));
    assert_null(check("A", "s", "t"));

    ngx_memzero(&none, sizeof(ngx_s3jobs_credentials_t));
    assert_string_equal(ngx_s3jobs_credentials_check(&none),
                        "lack the access key id");
    assert_string_equal(check("", "s", ""), "lack the access key id");
    assert_string_equal(check("A", "", ""), "lack the secret access key");

    for (c = 1; c < 256; c++) {
        sprintf(one, "%c", c);

        if (c > 0x20 && c < 0x7f) {
            assert_null(check("A", one, one));

        } else {
            assert_string_equal(check(one, "s", ""), bad_id);
            assert_string_equal(check("A", one, ""), bad_secret);
            assert_string_equal(check("A", "s", one), bad_token);
        }
    }

    assert_string_equal(check("A/", "s", ""), bad_id);
    assert_string_equal(check(",A", "s", ""), bad_id);

    longest = malloc(NGX_S3JOBS_TOKEN_MAX + 2);
    assert_non_null(longest);
    memset(longest, 'x', NGX_S3JOBS_TOKEN_MAX + 1);
    longest[NGX_S3JOBS_TOKEN_MAX + 1] = '\0';

    assert_null(check("A", "s", longest + 1));
    assert_string_equal(check("A", "s", longest), bad_token);

    longest[NGX_S3JOBS_KEY_ID_MAX + 1] = '\0';

    assert_null(check(longest + 1, longest + 1, ""));
    assert_string_equal(check(longest, "s", ""), bad_id);
    assert_string_equal(check("A", longest, ""), bad_secret);

    free(longest);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_nul),
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_many_profiles),
        cmocka_unit_test(test_check)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
