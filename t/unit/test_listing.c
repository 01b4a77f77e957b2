
/*
 * Copyright (C) the ngx_s3jobs_module authors
 */


#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_s3jobs_listing.h"
#include "ngx_s3jobs_writer.h"
#include "sax_main.h"


#define R(s)    "<ListJobsResult>" s "</ListJobsResult>"
#define J(s)    R("<Jobs><member>" s "</member></Jobs>")
#define O(s)    "{\"Jobs\":[{" s "}]}"

#define D(s)    "<DescribeJobResult><Job>" s "</Job></DescribeJobResult>"
#define M(s)    D("<Operation><LambdaInvoke><UserArguments>" s                \
                  "</UserArguments></LambdaInvoke></Operation>")
#define DO(s)   "{\"Job\":{" s "}}"
#define MO(s)   DO("\"Operation\":{\"LambdaInvoke\":"                         \
                   "{\"UserArguments\":{" s "}}}")


typedef struct {
    const char  *xml;
    const char  *json;     /* NULL: broken */
    ngx_uint_t   jobs;
} case_t;


static const case_t  cases[] = {
    { "<ListJobsResult/>", "{\"Jobs\":[]}", 0 },
    { R(" \n text \n "), "{\"Jobs\":[]}", 0 },
    { R("<Jobs/>"), "{\"Jobs\":[]}", 0 },
    { R("<Jobs> text </Jobs>"), "{\"Jobs\":[]}", 0 },
    { R("<Jobs><member/></Jobs>"), "{\"Jobs\":[{}]}", 1 },
    { R("<Jobs><member>text</member></Jobs>"), "{\"Jobs\":[{}]}", 1 },
    { R("<Jobs><member/>,<JobListDescriptor/><x/></Jobs>"),
      "{\"Jobs\":[{},{},{}]}", 3 },

    /* NextToken comes last, an empty one too */

    { R("<NextToken>a\"b</NextToken><Jobs><member/></Jobs>"),
      "{\"Jobs\":[{}],\"NextToken\":\"a\\\"b\"}", 1 },
    { R("<NextToken/><Jobs/>"), "{\"Jobs\":[],\"NextToken\":\"\"}", 0 },
    { R("<NextToken>a</NextToken><NextToken>b</NextToken>"),
      "{\"Jobs\":[],\"NextToken\":\"a\"}", 0 },
    { R("<NextToken/><NextToken>b</NextToken>"),
      "{\"Jobs\":[],\"NextToken\":\"\"}", 0 },
    { R("<NextToken>a<b/></NextToken>"), NULL, 0 },

    /* what is unknown stands between them */

    { R("<A>1</A><NextToken>t</NextToken><Jobs/><B><C/></B>"),
      "{\"Jobs\":[],\"A\":\"1\",\"B\":{\"C\":\"\"},\"NextToken\":\"t\"}", 0 },
    { R("<A>1</A><A>2</A>"), "{\"Jobs\":[],\"A\":\"1\"}", 0 },
    { R("<JobId>1</JobId>"), "{\"Jobs\":[],\"JobId\":\"1\"}", 0 },

    /* strings */

    { J("<JobId>a</JobId><Status/><Description>b</Description>"),
      O("\"JobId\":\"a\",\"Status\":\"\",\"Description\":\"b\""), 1 },
    { J("<JobId> \n </JobId>"), O("\"JobId\":\" \\n \""), 1 },
    { J("<JobId>a<!-- -->b<![CDATA[<]]>&amp;<?p?>c</JobId>"),
      O("\"JobId\":\"ab<&c\""), 1 },
    { J("<JobId>a</JobId><JobId>b</JobId>"), O("\"JobId\":\"a\""), 1 },
    { J("<JobId/><JobId>b</JobId>"), O("\"JobId\":\"\""), 1 },
    { J("<JobId>a</JobId><JobId><b><c>d</c></b></JobId>"),
      O("\"JobId\":\"a\""), 1 },
    { J("<JobId>a<b/></JobId>"), NULL, 0 },
    { J("<CreationTime>2026-01-02T03:04:05.678Z</CreationTime>"),
      O("\"CreationTime\":\"2026-01-02T03:04:05.678Z\""), 1 },

    /* numbers */

    { J("<Priority>10</Priority>"), O("\"Priority\":10"), 1 },
    { J("<Priority> \n10\t</Priority>"), O("\"Priority\":10"), 1 },
    { J("<Priority>-10</Priority>"), O("\"Priority\":-10"), 1 },
    { J("<Priority>1<!-- -->0</Priority>"), O("\"Priority\":10"), 1 },
    { J("<Priority>&#49;</Priority>"), O("\"Priority\":1"), 1 },
    { J("<Priority>123456789012345678901234567890</Priority>"),
      O("\"Priority\":123456789012345678901234567890"), 1 },
    { J("<Priority/><JobId>a</JobId>"), O("\"JobId\":\"a\""), 1 },
    { J("<Priority> </Priority>"), O(""), 1 },
    { J("<Priority/><Priority>1</Priority>"), O(""), 1 },
    { J("<Priority>1</Priority><Priority>x</Priority>"),
      O("\"Priority\":1"), 1 },
    { J("<Priority>010</Priority>"), NULL, 0 },
    { J("<Priority>+1</Priority>"), NULL, 0 },
    { J("<Priority>1.0</Priority>"), NULL, 0 },
    { J("<Priority>x</Priority>"), NULL, 0 },
    { J("<Priority>1<x/></Priority>"), NULL, 0 },
    { J("<Priority><x/></Priority>"), NULL, 0 },

    /* objects */

    { J("<ProgressSummary/>"), O("\"ProgressSummary\":{}"), 1 },
    { J("<ProgressSummary>text</ProgressSummary>"),
      O("\"ProgressSummary\":{}"), 1 },
    { J("<ProgressSummary><Timers><ElapsedTimeInActiveSeconds>7"
        "</ElapsedTimeInActiveSeconds></Timers><NumberOfTasksFailed>1"
        "</NumberOfTasksFailed></ProgressSummary><JobId>a</JobId>"),
      O("\"ProgressSummary\":{\"Timers\":{\"ElapsedTimeInActiveSeconds\":7},"
        "\"NumberOfTasksFailed\":1},\"JobId\":\"a\""), 1 },
    { J("<ProgressSummary><TotalNumberOfTasks>9007199254740993"
        "</TotalNumberOfTasks></ProgressSummary><ProgressSummary/>"),
      O("\"ProgressSummary\":{\"TotalNumberOfTasks\":9007199254740993}"), 1 },
    { J("<ProgressSummary><Timers/><Timers><x/></Timers></ProgressSummary>"),
      O("\"ProgressSummary\":{\"Timers\":{}}"), 1 },

    /* a name is known only in its place */

    { J("<TotalNumberOfTasks>x</TotalNumberOfTasks>"),
      O("\"TotalNumberOfTasks\":\"x\""), 1 },
    { J("<ProgressSummary><JobId><a/></JobId></ProgressSummary>"),
      O("\"ProgressSummary\":{\"JobId\":{\"a\":\"\"}}"), 1 },
    { J("<Jobs><Priority>x</Priority></Jobs><NextToken>a</NextToken>"),
      O("\"Jobs\":{\"Priority\":\"x\"},\"NextToken\":\"a\""), 1 },
    { J("<priority>x</priority><jobId/>"),
      O("\"priority\":\"x\",\"jobId\":\"\""), 1 },

    /* unknown elements */

    { J("<A>1</A><B/><C> </C>"),
      O("\"A\":\"1\",\"B\":\"\",\"C\":\" \""), 1 },
    { J("<A> <b>1</b> x <c/> </A>"),
      O("\"A\":{\"b\":\"1\",\"c\":\"\"}"), 1 },
    { J("<A>x<b/></A>"), O("\"A\":{\"b\":\"\"}"), 1 },
    { J("<A><b/><b>2</b><member/><b/></A>"),
      O("\"A\":{\"b\":\"\",\"member\":\"\"}"), 1 },
    { J("<A><member>1</member> x <member/><b><c>2</c></b></A>"),
      O("\"A\":[\"1\",\"\",{\"c\":\"2\"}]"), 1 },
    { J("<A> <member><member>1</member></member></A>"),
      O("\"A\":[[\"1\"]]"), 1 },
    { J("<A><b/></A><A/><a/><b/><A><c/></A>"),
      O("\"A\":{\"b\":\"\"},\"a\":\"\",\"b\":\"\""), 1 },
    { J("<A><B><C/></B><B/></A><B/><C/><A/>"),
      O("\"A\":{\"B\":{\"C\":\"\"}},\"B\":\"\",\"C\":\"\""), 1 },
    { J("<\xc3\xa4>\xe2\x80\xa8</\xc3\xa4>"),
      O("\"\xc3\xa4\":\"\\u2028\""), 1 },

    /* namespaces and attributes */

    { "<l:ListJobsResult xmlns:l='u' a='b'><l:Jobs><l:member x='y'>"
      "<l:JobId b='c'>1</l:JobId><JobId>2</JobId><m:A/><A>1</A></l:member>"
      "</l:Jobs></l:ListJobsResult>",
      O("\"JobId\":\"1\",\"A\":\"\""), 1 },

    /* broken */

    { "", NULL, 0 },
    { "<Jobs/>", NULL, 0 },
    { "<listJobsResult/>", NULL, 0 },
    { "<ListJobsResultX/>", NULL, 0 },
    { "<ErrorResponse><Error><Code>x</Code></Error></ErrorResponse>",
      NULL, 0 },
    { R("<Jobs/><Jobs/>"), NULL, 0 },
    { R("<Jobs/><a:Jobs/>"), NULL, 0 },
    { R("") R(""), NULL, 0 },
    { R("") "x", NULL, 0 },
    { "<!DOCTYPE ListJobsResult>" R(""), NULL, 0 },
    { "{\"Jobs\":[]}", NULL, 0 }
};


/* DescribeJob */

static const case_t  job_cases[] = {
    { D(""), DO(""), 1 },
    { D("<JobId>a</JobId><Priority>7</Priority><A>1</A>"),
      DO("\"JobId\":\"a\",\"Priority\":7,\"A\":\"1\""), 1 },

    /* what stands beside Job comes behind it */

    { "<DescribeJobResult><A>1</A><Job><JobId/></Job><B/>"
      "</DescribeJobResult>",
      "{\"Job\":{\"JobId\":\"\"},\"A\":\"1\",\"B\":\"\"}", 1 },

    /* booleans */

    { D("<ConfirmationRequired>true</ConfirmationRequired>"),
      DO("\"ConfirmationRequired\":true"), 1 },
    { D("<Report><Enabled> fal<!-- -->se\n</Enabled></Report>"),
      DO("\"Report\":{\"Enabled\":false}"), 1 },
    { D("<ConfirmationRequired/><JobId>a</JobId>"),
      DO("\"JobId\":\"a\""), 1 },
    { D("<ConfirmationRequired>True</ConfirmationRequired>"), NULL, 0 },
    { D("<ConfirmationRequired>1</ConfirmationRequired>"), NULL, 0 },
    { D("<ConfirmationRequired><a/></ConfirmationRequired>"), NULL, 0 },
    { D("<Enabled>true</Enabled>"), DO("\"Enabled\":\"true\""), 1 },

    /* lists, whatever the items are called */

    { D("<FailureReasons/>"), DO("\"FailureReasons\":[]"), 1 },
    { D("<FailureReasons> text </FailureReasons>"),
      DO("\"FailureReasons\":[]"), 1 },
    { D("<FailureReasons><member><FailureCode>1</FailureCode><x/></member>"
        "<y/></FailureReasons><JobId>a</JobId>"),
      DO("\"FailureReasons\":[{\"FailureCode\":\"1\",\"x\":\"\"},{}],"
         "\"JobId\":\"a\""), 1 },
    { D("<Manifest><Spec><Fields><member>Bucket</member><member/>"
        "<x>&quot;</x></Fields></Spec></Manifest>"),
      DO("\"Manifest\":{\"Spec\":{\"Fields\":[\"Bucket\",\"\",\"\\\"\"]}}"),
      1 },
    { D("<Manifest><Spec><Fields><member><a/></member></Fields></Spec>"
        "</Manifest>"), NULL, 0 },
    { D("<FailureReasons/><FailureReasons><member/></FailureReasons>"),
      DO("\"FailureReasons\":[]"), 1 },

    /* maps: the first entry of a key */

    { M(""), MO(""), 1 },
    { M("<entry><key>a</key><value>1</value></entry>"
        "<entry><value>&quot;</value><key>b\"</key></entry>"),
      MO("\"a\":\"1\",\"b\\\"\":\"\\\"\""), 1 },
    { M("<entry><key>a</key><value>1</value></entry>"
        "<entry><key>a</key><value>2</value></entry>"
        "<entry><key/><value/></entry><entry><key/><value>3</value></entry>"),
      MO("\"a\":\"1\",\"\":\"\""), 1 },
    { M("<entry><key>a</key></entry><entry><value>1</value></entry><entry/>"
        "<entry><x><y/></x><key>b</key><key>c</key><value>2</value></entry>"),
      MO("\"b\":\"2\""), 1 },
    { M("<entry><key>a<b/></key><value/></entry>"), NULL, 0 },
    { M("<entry><key>a</key><value><b/></value></entry>"), NULL, 0 },

    /* an element that the SDKs know by another name */

    { D("<ManifestGenerator><S3JobManifestGenerator><ManifestOutputLocation>"
        "<ManifestEncryption><SSEKMS>x</SSEKMS><SSE-KMS><KeyId>k</KeyId>"
        "</SSE-KMS><SSES3/></ManifestEncryption></ManifestOutputLocation>"
        "</S3JobManifestGenerator></ManifestGenerator>"),
      DO("\"ManifestGenerator\":{\"S3JobManifestGenerator\":"
         "{\"ManifestOutputLocation\":{\"ManifestEncryption\":"
         "{\"SSEKMS\":{\"KeyId\":\"k\"}}}}}"), 1 },

    /* an operation may be empty, and may be unknown */

    { D("<Operation><S3ReplicateObject/></Operation>"),
      DO("\"Operation\":{\"S3ReplicateObject\":{}}"), 1 },
    { D("<Operation><S3New><a>true</a></S3New></Operation>"),
      DO("\"Operation\":{\"S3New\":{\"a\":\"true\"}}"), 1 },

    { "<DescribeJobResult/>", NULL, 0 },
    { "<DescribeJobResult><A/></DescribeJobResult>", NULL, 0 },
    { "<DescribeJobResult><Job/><Job/></DescribeJobResult>", NULL, 0 },
    { "<ListJobsResult><Job/></ListJobsResult>", NULL, 0 }
};


typedef struct {
    u_char      *data;
    size_t       len;
    size_t       size;
    u_char       piece[256];
    size_t       room;
    ngx_uint_t   fail;       /* the call that does; 0: none */
    ngx_uint_t   calls;
} sink_t;


static ngx_int_t
more(ngx_s3jobs_out_t *out)
{
    sink_t *sink = out->data;

    assert_true(sink->fail == 0 || sink->calls < sink->fail);

    if (out->pos > sink->piece) {
        assert_true(sink->len + (out->pos - sink->piece) <= sink->size);

        memcpy(sink->data + sink->len, sink->piece, out->pos - sink->piece);
        sink->len += out->pos - sink->piece;
    }

    if (++sink->calls == sink->fail) {
        return NGX_ERROR;
    }

    out->pos = sink->piece;
    out->end = sink->piece + sink->room;

    return NGX_OK;
}


static ngx_s3jobs_listing_t *
begin(const ngx_s3jobs_document_t *document, ngx_s3jobs_out_t *out,
    sink_t *sink, size_t size, size_t room)
{
    ngx_s3jobs_listing_t  *l;

    memset(sink, 0, sizeof(sink_t));

    sink->size = size;
    sink->room = room;
    sink->data = malloc(size);
    assert_non_null(sink->data);

    memset(out, 0, sizeof(ngx_s3jobs_out_t));

    out->more = more;
    out->data = sink;

    l = ngx_s3jobs_listing_create(document, out);
    assert_non_null(l);

    return l;
}


static void
check(const ngx_s3jobs_document_t *document, const case_t *c, size_t room)
{
    sink_t                 sink;
    ngx_int_t              rc;
    ngx_s3jobs_out_t       out;
    ngx_s3jobs_listing_t  *l;

    l = begin(document, &out, &sink, 4096, room);

    rc = ngx_s3jobs_listing_feed(l, (u_char *) c->xml, strlen(c->xml));

    if (rc == NGX_OK) {
        rc = ngx_s3jobs_listing_finish(l);
    }

    if (rc != (c->json ? NGX_OK : NGX_DECLINED)) {
        fail_msg("%s", c->xml);
    }

    if (c->json) {
        more(&out);

        assert_int_equal(sink.len, strlen(c->json));
        assert_memory_equal(sink.data, c->json, sink.len);
        assert_int_equal(ngx_s3jobs_listing_jobs(l), c->jobs);
        assert_null(ngx_s3jobs_listing_error(l));

    } else {
        assert_non_null(ngx_s3jobs_listing_error(l));
        assert_int_equal(ngx_s3jobs_listing_finish(l), NGX_DECLINED);
    }

    ngx_s3jobs_listing_destroy(l);
    free(sink.data);
}


static void
test_cases(void **state)
{
    size_t      room;
    ngx_uint_t  i;

    for (room = 1; room < 256; room += room) {

        for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
            check(&ngx_s3jobs_list_jobs, &cases[i], room);
        }

        for (i = 0; i < sizeof(job_cases) / sizeof(job_cases[0]); i++) {
            check(&ngx_s3jobs_describe_job, &job_cases[i], room);
        }
    }
}


/* the document that is put together from a part, as the caller does it */

static ngx_int_t
put_together(ngx_s3jobs_listing_t *l, ngx_s3jobs_out_t *out, const char *xml,
    ngx_str_t *entry)
{
    ngx_int_t  rc;
    ngx_str_t  text;

    ngx_s3jobs_listing_part(l, entry);

    ngx_s3jobs_out_write(out, "{\"Jobs\":[", 9);

    rc = ngx_s3jobs_listing_feed(l, (u_char *) xml, strlen(xml));

    if (rc == NGX_OK) {
        rc = ngx_s3jobs_listing_complete(l);
    }

    ngx_s3jobs_out_write(out, "]", 1);

    text = ngx_s3jobs_listing_rest(l);
    ngx_s3jobs_out_write(out, text.data, text.len);

    text = ngx_s3jobs_listing_token(l);

    if (text.data) {
        ngx_s3jobs_out_write(out, ",\"NextToken\":\"", 14);
        ngx_s3jobs_json_escape(out, text.data, text.len);
        ngx_s3jobs_out_write(out, "\"", 1);
    }

    ngx_s3jobs_out_write(out, "}", 1);

    return rc;
}


static void
check_part(const case_t *c, size_t room, const char *begin_with)
{
    sink_t                 sink;
    ngx_int_t              rc;
    ngx_str_t              entry;
    ngx_s3jobs_out_t       out;
    ngx_s3jobs_listing_t  *l;

    entry.data = (u_char *) begin_with;
    entry.len = strlen(begin_with);

    l = begin(&ngx_s3jobs_list_jobs, &out, &sink, 4096, room);

    rc = put_together(l, &out, c->xml, &entry);

    if (rc != (c->json ? NGX_OK : NGX_DECLINED)) {
        fail_msg("%s", c->xml);
    }

    if (c->json) {
        more(&out);

        assert_int_equal(sink.len, strlen(c->json));
        assert_memory_equal(sink.data, c->json, sink.len);
        assert_int_equal(ngx_s3jobs_listing_jobs(l), c->jobs);

    } else {
        assert_int_equal(ngx_s3jobs_listing_complete(l), NGX_DECLINED);
    }

    ngx_s3jobs_listing_destroy(l);
    free(sink.data);
}


static void
test_parts(void **state)
{
    size_t      room;
    ngx_uint_t  i;

    static const case_t  entries[] = {
        { R("<Jobs/>"), "{\"Jobs\":[]}", 0 },
        { R("<Jobs><member/></Jobs>"), O("\"E\":1"), 1 },
        { R("<A>1</A><Jobs><member/><x> </x></Jobs><NextToken>t</NextToken>"),
          "{\"Jobs\":[{\"E\":1},{\"E\":1}],\"A\":\"1\","
          "\"NextToken\":\"t\"}", 2 },
        { J("<JobId>a</JobId>"), O("\"E\":1,\"JobId\":\"a\""), 1 },
        { J("<JobId>&amp;</JobId>"), O("\"E\":1,\"JobId\":\"&\""), 1 },
        { J("<Priority/><A><B/></A>"),
          O("\"E\":1,\"A\":{\"B\":\"\"}"), 1 },
        { R("<Jobs><member><JobId>a</JobId><Priority>1</Priority></member>"
            "<member><JobId>b</JobId><A>1</A></member></Jobs>"),
          "{\"Jobs\":[{\"E\":1,\"JobId\":\"a\",\"Priority\":1},"
          "{\"E\":1,\"JobId\":\"b\",\"A\":\"1\"}]}", 2 }
    };

    for (room = 1; room < 256; room += room) {

        for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
            check_part(&cases[i], room, "");
        }

        for (i = 0; i < sizeof(entries) / sizeof(entries[0]); i++) {
            check_part(&entries[i], room, "\"E\":1");
        }
    }
}


/* complete writes nothing of the end, and close nothing else */

static void
test_complete_and_close(void **state)
{
    sink_t                 sink;
    ngx_str_t              token;
    ngx_s3jobs_out_t       out;
    ngx_s3jobs_listing_t  *l;

    static const char  xml[] =
        R("<Jobs><member/></Jobs><A/><NextToken>t</NextToken>");

    l = begin(&ngx_s3jobs_list_jobs, &out, &sink, 4096, 256);

    assert_int_equal(ngx_s3jobs_listing_feed(l, (u_char *) xml,
                                             sizeof(xml) - 1),
                     NGX_OK);
    assert_int_equal(ngx_s3jobs_listing_complete(l), NGX_OK);

    more(&out);
    assert_int_equal(sink.len, strlen("{\"Jobs\":[{}"));
    assert_memory_equal(sink.data, "{\"Jobs\":[{}", sink.len);

    token = ngx_s3jobs_listing_token(l);
    assert_int_equal(token.len, 1);
    assert_memory_equal(token.data, "t", 1);

    sink.len = 0;
    assert_int_equal(ngx_s3jobs_listing_close(l), NGX_OK);

    more(&out);
    assert_int_equal(sink.len, strlen("],\"A\":\"\",\"NextToken\":\"t\"}"));
    assert_memory_equal(sink.data, "],\"A\":\"\",\"NextToken\":\"t\"}",
                        sink.len);

    ngx_s3jobs_listing_destroy(l);
    free(sink.data);
}


/* whichever call for more room fails, there is no other one */

static void
test_no_room(void **state)
{
    sink_t                 sink;
    ngx_int_t              rc;
    ngx_uint_t             fail;
    ngx_s3jobs_out_t       out;
    ngx_s3jobs_listing_t  *l;

    static const char  xml[] =
        R("<Jobs><member><JobId>1</JobId><Priority>1</Priority>"
          "<Description>&quot;</Description><ProgressSummary/><A>1</A>"
          "<B><member/></B></member><x/></Jobs><C>1</C>"
          "<NextToken>2</NextToken>");

    for (fail = 1; fail < 1000; fail++) {
        l = begin(&ngx_s3jobs_list_jobs, &out, &sink, 4096, 1);
        sink.fail = fail;

        rc = ngx_s3jobs_listing_feed(l, (u_char *) xml, sizeof(xml) - 1);
        assert_int_equal(rc, NGX_OK);

        rc = ngx_s3jobs_listing_finish(l);

        free(sink.data);

        if (rc == NGX_OK) {
            ngx_s3jobs_listing_destroy(l);
            break;
        }

        assert_int_equal(rc, NGX_ERROR);
        assert_int_equal(sink.calls, fail);
        assert_int_equal(ngx_s3jobs_listing_finish(l), NGX_ERROR);

        ngx_s3jobs_listing_destroy(l);
    }

    assert_in_range(fail, 100, 999);

    ngx_s3jobs_listing_destroy(NULL);
}


/* the result for head, n times middle, tail; %d in middle is counted */

static ngx_int_t
repeat(const char *head, const char *middle, size_t times, const char *tail)
{
    char                   buf[256];
    size_t                 i;
    sink_t                 sink;
    ngx_int_t              rc;
    ngx_s3jobs_out_t       out;
    ngx_s3jobs_listing_t  *l;

    l = begin(&ngx_s3jobs_list_jobs, &out, &sink, 4 << 20, 256);

    rc = ngx_s3jobs_listing_feed(l, (u_char *) head, strlen(head));

    for (i = 0; i < times && rc == NGX_OK; i++) {
        snprintf(buf, sizeof(buf), middle, (int) i);
        rc = ngx_s3jobs_listing_feed(l, (u_char *) buf, strlen(buf));
    }

    if (rc == NGX_OK) {
        rc = ngx_s3jobs_listing_feed(l, (u_char *) tail, strlen(tail));
    }

    if (rc == NGX_OK) {
        rc = ngx_s3jobs_listing_finish(l);
    }

    ngx_s3jobs_listing_destroy(l);
    free(sink.data);

    return rc;
}


typedef struct {
    const char  *head;
    const char  *middle;
    const char  *tail;
    size_t       max;        /* times */
} limit_t;


#define A16  "0123456789abcdef"


static const limit_t  limits[] = {

    /* a text */

    { "<ListJobsResult><Jobs><member><JobId>", A16,
      "</JobId></member></Jobs></ListJobsResult>",
      NGX_S3JOBS_LISTING_TEXT_MAX / 16 },
    { "<ListJobsResult><Jobs><member><A>", A16,
      "</A></member></Jobs></ListJobsResult>",
      NGX_S3JOBS_LISTING_TEXT_MAX / 16 },
    { "<ListJobsResult><Jobs><member><Priority>", "1234567890123456",
      "</Priority></member></Jobs></ListJobsResult>",
      NGX_S3JOBS_LISTING_TEXT_MAX / 16 },
    { "<ListJobsResult><NextToken>", A16, "</NextToken></ListJobsResult>",
      NGX_S3JOBS_LISTING_TOKEN_MAX / 16 },

    /* names beside each other, and in each other */

    { "<ListJobsResult><Jobs><member>", "<a%d/>",
      "</member></Jobs></ListJobsResult>", NGX_S3JOBS_LISTING_NAMES_MAX },
    { "<ListJobsResult><Jobs><member><a><b>", "<a%d/>",
      "</b></a></member></Jobs></ListJobsResult>",
      NGX_S3JOBS_LISTING_NAMES_MAX - 2 },

    /* an entry: 64 bytes of JSON at a time, and "A":[] around them */

    { "<ListJobsResult><Jobs><member><A><member/>",
      "<x>" A16 A16 A16 "0123456789abc" "</x>",
      "</A></member></Jobs></ListJobsResult>",
      (NGX_S3JOBS_WRITER_ENTRY_MAX - 6) / 62 }
};


static void
test_limits(void **state)
{
    ngx_uint_t  i;

    for (i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
        assert_int_equal(repeat(limits[i].head, limits[i].middle,
                                limits[i].max, limits[i].tail),
                         NGX_OK);
        assert_int_equal(repeat(limits[i].head, limits[i].middle,
                                limits[i].max + 1, limits[i].tail),
                         NGX_DECLINED);
    }

    /* names of one object do not count for another */

    assert_int_equal(repeat("<ListJobsResult><Jobs>",
                            "<member><a%d/><b><c/></b></member>",
                            1000, "</Jobs></ListJobsResult>"),
                     NGX_OK);
    assert_int_equal(repeat("<ListJobsResult><Jobs>",
                            "<member><A>" A16 A16 A16 "</A></member>",
                            20000, "</Jobs></ListJobsResult>"),
                     NGX_OK);

    /* unknown elements beside Jobs */

    assert_int_equal(repeat("<ListJobsResult><A><member/>",
                            "<x>" A16 A16 A16 "</x>",
                            NGX_S3JOBS_WRITER_REST_MAX / 64,
                            "</A></ListJobsResult>"),
                     NGX_OK);
    assert_int_equal(repeat("<ListJobsResult><A><member/>",
                            "<x>" A16 A16 A16 "</x>",
                            NGX_S3JOBS_WRITER_REST_MAX / 32,
                            "</A></ListJobsResult>"),
                     NGX_DECLINED);
}


sax_main(
    cmocka_unit_test(test_cases),
    cmocka_unit_test(test_parts),
    cmocka_unit_test(test_complete_and_close),
    cmocka_unit_test(test_no_room),
    cmocka_unit_test(test_limits)
)
