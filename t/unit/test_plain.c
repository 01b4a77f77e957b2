
/*
 * Copyright (C) the ngx_s3jobs_module authors
 */


/*
 * The short cut of ngx_s3jobs_plain.c against libxml2 alone: for every
 * document the verdict, the JSON, the number of jobs and the reason are the
 * same.  It is also counted that the short cut was taken where it should be.
 *
 *     test_plain [MUTANTS [SEED]]
 */


#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <ngx_config.h>
#include <ngx_core.h>
#include <dirent.h>
#include <stdio.h>
#include "ngx_s3jobs_listing.h"
#include "ngx_s3jobs_sax.h"
#include "ngx_s3jobs_writer.h"


#define BLOCK     4096
#define ROOM      (4 << 20)

#define NS        " xmlns=\"http://awss3control.amazonaws.com/doc/2018-08-20/\""
#define DECL      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"

#define R(s)      "<ListJobsResult>" s "</ListJobsResult>"
#define J(s)      R("<Jobs>" s "</Jobs>")
#define E(s)      J("<member>" s "</member>")


typedef struct {
    u_char      *json;
    size_t       len;
    ngx_int_t    rc;
    ngx_uint_t   jobs;
    ngx_uint_t   plain;
    char         reason[160];
} result_t;


static ngx_uint_t  mutants = 3000;
static unsigned    seed = 1;

static size_t    room = ROOM;
static result_t  ours;
static result_t  alone;

static const ngx_s3jobs_field_t  *fields;      /* instead of ListJobs' */


static unsigned
rnd(unsigned n)
{
    seed = seed * 1103515245 + 12345;

    return (seed >> 8) % n;
}


/* in pieces of at most step bytes, random ones if that is 0 */

static void
convert(result_t *r, ngx_uint_t plain, const u_char *p, size_t len,
    size_t first, size_t step, unsigned pieces)
{
    size_t                  n;
    u_char                 *piece;
    const char             *reason;
    ngx_s3jobs_out_t        out;
    ngx_s3jobs_listing_t   *l;
    ngx_s3jobs_document_t   document;

    document = ngx_s3jobs_list_jobs;
    document.plain = plain;

    if (fields) {
        document.fields = fields;
    }

    memset(&out, 0, sizeof(out));
    out.pos = r->json;
    out.end = r->json + room;

    l = ngx_s3jobs_listing_create(&document, &out);
    assert_non_null(l);

    r->rc = NGX_OK;

    for (n = first; len && r->rc == NGX_OK; p += n, len -= n, n = step) {

        if (step == 0 && pieces) {
            pieces = pieces * 1103515245 + 12345;
            n = 1 + (pieces >> 8) % ((pieces & 64) ? 9000 : 300);
        }

        n = ngx_min(n, len);

        piece = malloc(n);
        memcpy(piece, p, n);
        r->rc = ngx_s3jobs_listing_feed(l, piece, n);
        free(piece);
    }

    if (r->rc == NGX_OK) {
        r->rc = ngx_s3jobs_listing_finish(l);
    }

    reason = ngx_s3jobs_listing_error(l);

    r->len = out.pos - r->json;
    r->jobs = ngx_s3jobs_listing_jobs(l);
    r->plain = ngx_s3jobs_listing_plain(l);
    snprintf(r->reason, sizeof(r->reason), "%s", reason ? reason : "");

    ngx_s3jobs_listing_destroy(l);
}


static void
check_same(const u_char *p, size_t len)
{
    FILE  *f;

    if (ours.rc == alone.rc && ours.len == alone.len
        && memcmp(ours.json, alone.json, ours.len) == 0
        && ours.jobs == alone.jobs
        && strcmp(ours.reason, alone.reason) == 0)
    {
        return;
    }

    f = fopen("build/unit/test_plain.xml", "w");

    if (f) {
        fwrite(p, 1, len, f);
        fclose(f);
    }

    fail_msg("build/unit/test_plain.xml (seed %u): %d %zu %d \"%s\", by "
             "libxml2 alone %d %zu %d \"%s\"", seed,
             (int) ours.rc, ours.len, (int) ours.jobs, ours.reason,
             (int) alone.rc, alone.len, (int) alone.jobs, alone.reason);
}


static void
compare(const u_char *p, size_t len)
{
    convert(&ours, 1, p, len, len, len, 0);
    convert(&alone, 0, p, len, len, len, 0);

    assert_int_equal(alone.plain, 0);

    check_same(p, len);
}


/* ---- what is taken, and what is not */

typedef struct {
    const char  *xml;
    ngx_uint_t   jobs;
    ngx_uint_t   plain;
} case_t;


#define JOB                                                                  \
    "<JobId>1</JobId><Description>a</Description><Operation>b</Operation>"   \
    "<Priority>7</Priority><ProgressSummary><TotalNumberOfTasks>8"           \
    "</TotalNumberOfTasks><Timers><ElapsedTimeInActiveSeconds>9"             \
    "</ElapsedTimeInActiveSeconds></Timers></ProgressSummary>"


static const case_t  cases[] = {

    /* around the entries */

    { E(JOB), 1, 1 },
    { DECL E(JOB), 1, 1 },
    { "<?xml version=\"1.0\"?>" E(JOB), 1, 1 },
    { "\xef\xbb\xbf" E(JOB), 1, 1 },
    { DECL "<ListJobsResult" NS "><Jobs><member>" JOB "</member></Jobs>"
      "</ListJobsResult>\n", 1, 1 },
    { " \n" R(" \n <Jobs>\n\t<member>\n" JOB "\n</member>\n </Jobs> "
              "<NextToken>t</NextToken> \n") "\n ", 1, 1 },
    { R("<NextToken>t</NextToken><Jobs><member>" JOB "</member></Jobs>"),
      1, 1 },
    { R("<Jobs><member/><JobListDescriptor/><member></member></Jobs>"),
      3, 3 },
    { R("<Jobs/>"), 0, 0 },
    { R("<NextToken/><Jobs></Jobs>"), 0, 0 },
    { R(""), 0, 0 },

    /* unusual there: libxml2 first, and the entries are taken again */

    { "<!-- x -->" E(JOB), 1, 0 },
    { "<?xml version='1.0'?>" E(JOB), 1, 0 },
    { "<ListJobsResult a='1'><Jobs><member>" JOB "</member></Jobs>"
      "</ListJobsResult>", 1, 1 },
    { R("<NextToken>&lt;</NextToken><Jobs><member>" JOB "</member></Jobs>"),
      1, 1 },
    { R("<A/><Jobs><member>" JOB "</member></Jobs><B/>"), 1, 1 },
    { J("<member>" JOB "</member><!-- x --><member>" JOB "</member>"), 2, 1 },
    { J("<member>" JOB "</member>x<member>" JOB "</member>"), 2, 1 },
    { J("<member>" JOB "</member><x/><member>" JOB "</member>"), 3, 2 },
    { J("<member a='1'>" JOB "</member><member>" JOB "</member>"), 2, 1 },
    { J("<member>" JOB "</member>") "<!-- -->", 1, 1 },
    { R("<Jobs><member>" JOB "</member></Jobs><Jobs/>"), 1, 1 },
    { R("<Jobs><member>" JOB "</member></Jobs><NextToken>a</NextToken>"
        "<NextToken>b</NextToken>"), 1, 1 },

    /* what looks like the start of an entry and is none */

    { J("<member>" JOB "<!--</member><member>--></member><member/>"), 2, 0 },
    { J("<member>" JOB "</member><!-- <member> --><member/>"), 2, 1 },
    { J("<member>" JOB "</member><![CDATA[ <member>]]><member/>"), 2, 1 },
    { J("<member>" JOB "</member><![CDATA[<member>]]><member/>"), 2, 1 },
    { J("<member>" JOB "</member><?p <member>?><member/>"), 2, 1 },
    { J("<member><JobId><![CDATA[</JobId></member> <member>]]></JobId>"
        "</member><member/>"), 2, 0 },
    { J("<member><A><member></member> <member/></A></member><member/>"),
      2, 1 },
    { R("<A><member/><member/></A><Jobs><member/></Jobs>"), 1, 1 },

    /* strings */

    { E("<JobId></JobId><Status/>"), 1, 1 },
    { E("<Description>&lt;&gt;&amp;&quot;&apos;</Description>"), 1, 1 },
    { E("<Description>\"\\\t\n a>b ]> ]]&gt; ]]</Description>"), 1, 1 },
    { E("<Description>1234567\"1234567\\12345678\"</Description>"), 1, 1 },
    { E("<Description>\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\xe2\x80\xa7"
        "\xef\xbf\xbd</Description>"), 1, 1 },
    { E("<Description>a]]>b</Description>"), 0, 0 },
    { E("<Description>a\xe2\x80\xa8</Description>"), 1, 0 },
    { E("<Description>\xe2\x80\xa9</Description>"), 1, 0 },
    { E("<Description>\xef\xbf\xbe</Description>"), 0, 0 },
    { E("<Description>\xef\xbf\xbf</Description>"), 0, 0 },
    { E("<Description>\x7f</Description>"), 1, 0 },
    { E("<Description>\x01</Description>"), 0, 0 },
    { E("<Description>\r\n</Description>"), 1, 1 },
    { E("<Description>&#65;</Description>"), 1, 0 },
    { E("<Description>&x;</Description>"), 0, 0 },
    { E("<Description>&amp</Description>"), 0, 0 },
    { E("<Description><![CDATA[a]]></Description>"), 1, 0 },
    { E("<Description>a<!-- -->b</Description>"), 1, 0 },
    { E("<Description>a<b/></Description>"), 0, 0 },
    { E("<Description a='1'>a</Description>"), 1, 0 },
    { E("<Description >a</Description>"), 1, 0 },
    { E("<Description>a</Description >"), 1, 0 },
    { E("<Description>a</Descriptio>"), 0, 0 },
    { E("<JobId>a</JobId><JobId>b</JobId>"), 1, 0 },

    /* numbers */

    { E("<Priority>0</Priority>"), 1, 1 },
    { E("<Priority>-12</Priority>"), 1, 1 },
    { E("<Priority>123456789012345678901234567890123456789012</Priority>"),
      1, 1 },
    { E("<Priority></Priority><JobId/>"), 1, 1 },
    { E("<Priority/>"), 1, 1 },
    { E("<Priority> 7</Priority>"), 1, 0 },
    { E("<Priority>-0</Priority>"), 1, 1 },
    { E("<Priority>-</Priority>"), 0, 0 },
    { E("<Priority>01</Priority>"), 0, 0 },
    { E("<Priority>1.5</Priority>"), 0, 0 },

    /* objects */

    { E(""), 1, 1 },
    { E("<ProgressSummary/>"), 1, 1 },
    { E("<ProgressSummary></ProgressSummary><JobId/>"), 1, 1 },
    { E("<ProgressSummary><Timers/></ProgressSummary>"), 1, 1 },
    { E("<ProgressSummary>x</ProgressSummary>"), 1, 0 },
    { E("<ProgressSummary><Timers/><Timers/></ProgressSummary>"), 1, 0 },
    { E("<Status>a</Status><JobId>b</JobId><Priority>1</Priority>"), 1, 1 },
    { E("x"), 1, 0 },

    /* unknown leaves, once libxml2 has seen them */

    { J("<member><A>1</A></member><member><A>\"</A></member>"
        "<member><A/><JobId/></member>"), 3, 2 },
    { J("<member><A>1</A></member><member><A>1</A><A>2</A></member>"), 2, 0 },
    { J("<member><A>1</A></member><member><A><B/></A></member>"), 2, 0 },
    { J("<member><A>1</A></member><member><ProgressSummary><A>1</A>"
        "</ProgressSummary><A>2</A></member>"), 2, 1 },
    { J("<member><p:1a/></member><member><1a/></member>"), 1, 0 },
    { J("<member><\xc3\xa4/></member><member><\xc3\xa4/></member>"), 2, 0 },
    { J("<member><a><b>1</b></a></member><member><a><b>1</b></a></member>"),
      2, 0 },

    /* more than one error, and a comment that must not be cut */

    { "<!-- a --><!-- -><List<ListJobsResult/>  -><Jobs><!-3 <member/>  -->"
      "<?x</ListJobsResult><!-- f -->", 0, 0 },
    { "<!-- a --><!-- -><List<ListJobsResult/>  -><Jobs><!-3 <member/>  -->"
      R("<Jobs><member/></Jobs>"), 1, 0 },

    { "<!-- --><ListJobsResult><b--!-  -><Jobs><!-- <member/> --><member>"
      "</Priorityobs></ListJobsResult>", 0, 0 },

    /* ends */

    { "<ListJobsResult><Jobs>", 0, 0 },
    { "<ListJobsResult><Jobs><member>" JOB "</member>", 1, 1 },
    { "<ListJobsResult><Jobs><member>" JOB, 0, 0 },
    { "<ListJobsResult><Jobs><member></Jobs></ListJobsResult>", 0, 0 },
    { "<ListJobsResult><NextToken>a</ListJobsResult>", 0, 0 },
    { "<ListJobsResult><Jobs></ListJobsResult>", 0, 0 },
    { J("<member/>") "x", 1, 1 },
    { J("<member/>") "<a/>", 1, 1 },
    { "<ListJobsResult>" NS "></ListJobsResult>", 0, 0 }
};


static void
test_cases(void **state)
{
    size_t         n, len;
    ngx_uint_t     i;
    const u_char  *p;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        p = (u_char *) cases[i].xml;
        len = strlen(cases[i].xml);

        compare(p, len);

        if (ours.jobs != cases[i].jobs || ours.plain != cases[i].plain) {
            fail_msg("%s: %d jobs, %d plain", cases[i].xml, (int) ours.jobs,
                     (int) ours.plain);
        }

        /* cut short anywhere */

        for (n = 0; n < len; n++) {
            compare(p, n);
        }
    }
}


/* every byte of every case at the border of two blocks, by white space */

static void
test_borders(void **state)
{
    size_t       n, len, pad;
    u_char      *doc, *p;
    ngx_uint_t   i;

    doc = malloc(2 * BLOCK);

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        len = strlen(cases[i].xml);

        if (cases[i].xml[0] != '<' || cases[i].xml[1] == '?') {
            continue;
        }

        for (n = 1; n <= len; n++) {
            pad = BLOCK - n;

            memset(doc, ' ', pad);
            p = ngx_cpymem(doc + pad, cases[i].xml, len);

            compare(doc, p - doc);

            assert_int_equal(ours.jobs, cases[i].jobs);
        }
    }

    free(doc);
}


/* ---- the corpus */

static size_t
read_file(const char *directory, const char *name, u_char *p, size_t size)
{
    char    path[512];
    FILE   *f;
    size_t  len;

    snprintf(path, sizeof(path), "%s/%s", directory, name);

    f = fopen(path, "r");
    assert_non_null(f);

    len = fread(p, 1, size, f);
    fclose(f);

    return len;
}


static void
test_corpus(void **state)
{
    DIR            *dir;
    size_t          n, len;
    u_char         *doc;
    ngx_uint_t      i, files, plain;
    struct dirent  *de;

    static const char  *directories[] = { "t/corpus/good", "t/corpus/bad" };

    doc = malloc(1 << 20);
    files = 0;
    plain = 0;

    for (i = 0; i < 2; i++) {
        dir = opendir(directories[i]);
        assert_non_null(dir);

        while ((de = readdir(dir)) != NULL) {
            if (de->d_name[0] == '.') {
                continue;
            }

            len = read_file(directories[i], de->d_name, doc, 1 << 20);

            compare(doc, len);

            files++;
            plain += ours.plain;

            for (n = 0; n < len; n++) {
                convert(&ours, 1, doc, len, n, len, 0);
                check_same(doc, len);
            }

            convert(&ours, 1, doc, len, 1, 1, 0);
            check_same(doc, len);
        }

        closedir(dir);
    }

    free(doc);

    assert_in_range(files, 100, 10000);
    assert_in_range(plain, 100, 10000);
}


/* ---- listings of n jobs */

static const char  *texts[] = {
    "", "a", "plain text of some length, longer than a word",
    "Restore &lt;2019&gt; &amp; &quot;2020&quot; &apos;x&apos;",
    "Umzug der Protokolle nach M\xc3\xbcnchen, \xe2\x82\xac 5, "
    "\xf0\x9f\x98\x80 12345678", "a \"b\" \\c\\ \t tab \n line ]] > ]>"
};


static size_t
listing(u_char *doc, ngx_uint_t jobs, const char *blank)
{
    char        *p;
    ngx_uint_t   i;

    p = (char *) doc;

    p += sprintf(p, "%s<ListJobsResult%s>", DECL, rnd(2) ? NS : "");

    if (rnd(2)) {
        p += sprintf(p, "%s<NextToken>token-%u</NextToken>", blank, rnd(99));
    }

    p += sprintf(p, "%s<Jobs>", blank);

    for (i = 0; i < jobs; i++) {
        p += sprintf(p, "%s<member>%s<JobId>%08x-0000-4000-8000-%012x</JobId>"
                     "%s<Description>%s</Description>"
                     "%s<Operation>S3PutObjectCopy</Operation>"
                     "%s<Priority>%d</Priority>",
                     blank, blank, (int) i, (int) i, blank, texts[rnd(6)],
                     blank, blank, (int) rnd(100) - 10);

        if (rnd(4)) {
            p += sprintf(p, "%s<Status>Active</Status>", blank);
        }

        if (rnd(4)) {
            p += sprintf(p, "%s<CreationTime>2026-01-02T03:04:05.678Z"
                         "</CreationTime>", blank);
        }

        if (rnd(4)) {
            p += sprintf(p, "%s<ProgressSummary>%s<TotalNumberOfTasks>%u"
                         "</TotalNumberOfTasks>%s<NumberOfTasksSucceeded>%u"
                         "</NumberOfTasksSucceeded><NumberOfTasksFailed>0"
                         "</NumberOfTasksFailed>", blank, blank,
                         rnd(1 << 20), blank, rnd(1 << 20));

            if (rnd(4)) {
                p += sprintf(p, "<Timers><ElapsedTimeInActiveSeconds>%u"
                             "</ElapsedTimeInActiveSeconds></Timers>",
                             rnd(1 << 20));
            }

            p += sprintf(p, "</ProgressSummary>");
        }

        p += sprintf(p, "%s%s</member>", rnd(9) ? "" : "<New>x</New>", blank);
    }

    p += sprintf(p, "%s</Jobs>%s</ListJobsResult>", blank, blank);

    return p - (char *) doc;
}


static void
test_listings(void **state)
{
    u_char      *doc;
    size_t       len;
    ngx_uint_t   i;

    static const char  *blanks[] = { "", "\n  ", "\t" };

    doc = malloc(ROOM);

    for (i = 0; i < 3; i++) {
        len = listing(doc, 1000, blanks[i]);

        compare(doc, len);

        /* but the first with an unknown leaf */

        assert_int_equal(ours.rc, NGX_OK);
        assert_int_equal(ours.jobs, 1000);
        assert_in_range(ours.plain, 999, 1000);

        convert(&ours, 1, doc, len, 1, 1, 0);
        check_same(doc, len);
    }

    free(doc);
}


/* by every offset to the blocks; what follows an entry that libxml2 gets is
 * lost with it if the block ends in its tag */

static void
test_shifted(void **state)
{
    u_char      *doc, *p;
    size_t       len;
    ngx_uint_t   i;

    doc = malloc(ROOM);
    p = doc + BLOCK;

    len = listing(p, 20, "");
    memmove(p, p + sizeof(DECL) - 1, len - (sizeof(DECL) - 1));
    len -= sizeof(DECL) - 1;

    for (i = 0; i < BLOCK; i++) {
        compare(p - i, len + i);

        assert_int_equal(ours.rc, NGX_OK);
        assert_in_range(ours.plain, 18, 20);

        p[-(int) i - 1] = (i % 3) ? ' ' : '\n';
    }

    free(doc);
}


/* ---- limits */

static void
test_limit(const char *head, const char *fill, size_t times, const char *tail)
{
    size_t   i;
    u_char  *doc, *p;

    doc = malloc(strlen(head) + times * strlen(fill) + strlen(tail));

    p = ngx_cpymem(doc, head, strlen(head));

    for (i = 0; i < times; i++) {
        p = ngx_cpymem(p, fill, strlen(fill));
    }

    p = ngx_cpymem(p, tail, strlen(tail));

    compare(doc, p - doc);

    free(doc);
}


#define HEAD   "<ListJobsResult><Jobs><member/>"
#define TAIL   "<member/></Jobs></ListJobsResult>"


static void
test_limits(void **state)
{
    int  i;

    for (i = -3; i <= 3; i++) {

        test_limit(HEAD "<member><JobId>", "x",
                   NGX_S3JOBS_LISTING_TEXT_MAX + i, "</JobId></member>" TAIL);
        test_limit(HEAD "<member><Priority>", "1",
                   NGX_S3JOBS_LISTING_TEXT_MAX + i,
                   "</Priority></member>" TAIL);
        test_limit(HEAD "<member><New/></member><member><New>", "x",
                   NGX_S3JOBS_LISTING_TEXT_MAX + i, "</New></member>" TAIL);
        test_limit("<ListJobsResult><NextToken>", "x",
                   NGX_S3JOBS_LISTING_TOKEN_MAX + i,
                   "</NextToken><Jobs><member/></Jobs></ListJobsResult>");
        test_limit("<ListJobsResult><Jobs><member/></Jobs><NextToken>", "x",
                   NGX_S3JOBS_LISTING_TOKEN_MAX + i,
                   "</NextToken></ListJobsResult>");
        test_limit(HEAD "<member><A><member/>", "<x>01234567890123456789</x>",
                   NGX_S3JOBS_WRITER_ENTRY_MAX / 23 + i,
                   "</A></member>" TAIL);
        test_limit(HEAD "<", "n", NGX_S3JOBS_SAX_NAME_MAX + i, "/>" TAIL);
        test_limit(HEAD "<member><", "n", NGX_S3JOBS_SAX_NAME_MAX + i,
                   "/></member>" TAIL);
        test_limit(HEAD, "<a>", NGX_S3JOBS_SAX_DEPTH_MAX - 2 + i,
                   "</a>" TAIL);
    }

    /* what libxml2 keeps whole is looked at once a block */

    for (i = 8192; i < 24 * 1024; i += 97) {
        test_limit(HEAD "<!--", "x", i, "-->" TAIL);
        test_limit(HEAD "<member><A b='", "x", i, "'/></member>" TAIL);
    }

    for (i = 900; i < 1100; i++) {
        test_limit(HEAD "<member><JobId>", "x", i, "</JobId></member>" TAIL);
        test_limit(HEAD "<member><JobId>", "xyz", i, "</JobId></member>"
                   TAIL);
    }
}


/* libxml2 has to see all the names of which there may be only so many */

static void
test_names(void **state)
{
    u_char      *doc, *p;
    ngx_uint_t   i, n, refused;

    doc = malloc(1 << 20);
    refused = 0;

    for (n = 100; n < 2000; n += 100) {
        p = ngx_cpymem(doc, HEAD, sizeof(HEAD) - 1);

        for (i = 0; i < n; i++) {
            p += sprintf((char *) p, "<member><New%012u/><New/></member>"
                         "<member><JobId>1</JobId><New/></member>",
                         (unsigned) i);
        }

        p = ngx_cpymem(p, TAIL, sizeof(TAIL) - 1);

        compare(doc, p - doc);

        refused += (ours.rc != NGX_OK);
    }

    assert_in_range(refused, 1, 18);

    free(doc);
}


/* whatever the table has: what is not known here is for libxml2 */

#define LONG  "AnElementWithANameThatIsLongerThanItsCopy"

static const ngx_s3jobs_field_t  own_job[] = {
    { ngx_s3jobs_name("Yes"), ngx_string(",\"Yes\":"),
      NGX_S3JOBS_FIELD_BOOLEAN, 0, NULL },
    { ngx_s3jobs_name(LONG),
      { sizeof(LONG) + 4, (u_char *) ",\"" LONG "\":\"" NGX_S3JOBS_FIELD_ZEROS },
      NGX_S3JOBS_FIELD_STRING, 0, NULL },
    { ngx_null_string, ngx_null_string, NGX_S3JOBS_FIELD_LAST, 0, NULL }
};

static const ngx_s3jobs_field_t  own_root[] = {
    { ngx_s3jobs_name("Jobs"), ngx_null_string, NGX_S3JOBS_FIELD_JOBS, 0,
      own_job },
    { ngx_null_string, ngx_null_string, NGX_S3JOBS_FIELD_LAST, 0, NULL }
};


static void
test_own_fields(void **state)
{
    static const char  xml[] = J("<member><" LONG ">a</" LONG "></member>"
                                 "<member><Yes>true</Yes></member>");
    static const char  json[] = "{\"Jobs\":[{\"" LONG "\":\"a\"},"
                                "{\"Yes\":true}]}";

    fields = own_root;

    compare((u_char *) xml, sizeof(xml) - 1);

    fields = NULL;

    assert_int_equal(ours.plain, 1);
    assert_int_equal(ours.len, sizeof(json) - 1);
    assert_memory_equal(ours.json, json, ours.len);
}


/* the output takes less than there is */

static void
test_no_room(void **state)
{
    static const char  xml[] = J("<member>" JOB "</member><member/>");

    for (room = 0; room < 400; room++) {
        convert(&ours, 1, (u_char *) xml, sizeof(xml) - 1, 1, 4096, 0);
        convert(&alone, 0, (u_char *) xml, sizeof(xml) - 1, 1, 4096, 0);

        assert_int_equal(ours.rc, alone.rc);
        assert_int_equal(ours.len, alone.len);
        assert_memory_equal(ours.json, alone.json, ours.len);
        assert_string_equal(ours.reason, alone.reason);
    }

    assert_int_equal(ours.rc, NGX_OK);

    room = ROOM;
}


/* ---- mutants */

static const char  *tokens[] = {
    "<", ">", "/", "&", ";", "\"", "\\", "]", "]]>", "<!--", "-->",
    "<![CDATA[", "<?", "?>", " ", "\n", "\r", "\r\n", "\t", "\x01", "\x7f",
    "\xe2\x80\xa8", "\xef\xbf\xbf", "\xc3", "\xff", "\xc3\xa4", "&lt;",
    "&#65;", "&#0;", "&x;", "&amp", "0", "-", "01", "1e3", "<member>",
    "</member>", "<member/>", "<Jobs>", "</Jobs>", "<Jobs/>", "<a/>", "<a>",
    "</a>", "<a:b/>", "<New>", "</New>", "<New/>", "<JobId>", "</JobId>",
    "<JobId/>", "<Priority>", "</Priority>", "<Priority/>", "<Timers>",
    "</Timers>", "<Timers/>", "<ProgressSummary>", "</ProgressSummary>",
    "<NextToken>", "</NextToken>", "<NextToken/>", "<ListJobsResult>",
    "</ListJobsResult>", "<JobListDescriptor>", "</JobListDescriptor>",
    "<!DOCTYPE a>", "\xef\xbb\xbf", "<A><b/></A>", "<!-- <member> -->",
    "<![CDATA[<member>]]>", " a='1'", " xmlns='u'"
};


/* where a tag begins, most of the time */

static size_t
place(const u_char *doc, size_t len)
{
    u_char  *p;
    size_t   n;

    n = rnd(len + 1);

    if (rnd(3) == 0 || n == len) {
        return n;
    }

    p = memchr(doc + n, '<', len - n);

    if (p == NULL) {
        return n;
    }

    n = p - doc;

    if (rnd(2)) {
        p = memchr(p, '>', len - n);
        n = p ? (size_t) (p + 1 - doc) : n;
    }

    return n;
}


static size_t
replace(u_char *doc, size_t len, size_t n, size_t old, const void *p,
    size_t new)
{
    old = ngx_min(old, len - n);

    memmove(doc + n + new, doc + n + old, len - n - old);
    memcpy(doc + n, p, new);

    return len - old + new;
}


static size_t
mutate(u_char *doc, size_t len)
{
    u_char       c, copy[512];
    size_t       n, size;
    const char  *token;

    n = place(doc, len);

    switch (rnd(6)) {

    case 0:
        return replace(doc, len, n, 1 + rnd(rnd(2) ? 4 : 80), "", 0);

    case 1:
        c = rnd(256);
        return replace(doc, len, n, 1, &c, 1);

    case 2:
        size = 1 + rnd(sizeof(copy) - 1);
        size = ngx_min(size, len - n);
        memcpy(copy, doc + n, size);
        return replace(doc, len, place(doc, len), 0, copy, size);

    case 3:
        return rnd(40) ? len : n;

    default:
        token = tokens[rnd(sizeof(tokens) / sizeof(tokens[0]))];
        return replace(doc, len, n, rnd(4) ? 0 : rnd(9), token,
                       strlen(token));
    }
}


static void
test_mutants(void **state)
{
    u_char      *doc;
    size_t       len;
    unsigned     kind;
    ngx_uint_t   i, n, all, plain, good;

    static const char  *blanks[] = { "", "", "\n  " };

    doc = malloc(2 * ROOM);

    all = 0;
    plain = 0;
    good = 0;

    for (i = 0; i < mutants; i++) {

        kind = rnd(200);
        n = kind ? (kind < 120) ? 1 : 20 : 1000;

        len = listing(doc, n, blanks[rnd(3)]);

        for (n = 1 + rnd(3); n; n--) {
            len = mutate(doc, len);
        }

        convert(&ours, 1, doc, len, 0, 0, rnd(1 << 20) + 1);
        convert(&alone, 0, doc, len, len, len, 0);

        check_same(doc, len);

        all += ours.jobs;
        plain += ours.plain;
        good += (ours.rc == NGX_OK);
    }

    free(doc);

    print_message("%d mutants, %d of them good; %d of %d entries plain\n",
                  (int) mutants, (int) good, (int) plain, (int) all);

    assert_in_range(good, mutants / 20, mutants - mutants / 20);
    assert_true(plain > all / 2);
}


static int
setup(void **state)
{
    ngx_s3jobs_sax_init();

    ours.json = malloc(ROOM);
    alone.json = malloc(ROOM);

    return ours.json == NULL || alone.json == NULL;
}


static int
teardown(void **state)
{
    free(ours.json);
    free(alone.json);

    return 0;
}


int
main(int argc, char **argv)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_borders),
        cmocka_unit_test(test_corpus),
        cmocka_unit_test(test_listings),
        cmocka_unit_test(test_shifted),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_own_fields),
        cmocka_unit_test(test_no_room),
        cmocka_unit_test(test_mutants)
    };

    if (argc > 1) {
        mutants = atol(argv[1]);
    }

    if (argc > 2) {
        seed = atol(argv[2]);
    }

    return cmocka_run_group_tests(tests, setup, teardown);
}
