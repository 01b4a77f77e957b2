
/*
 * Copyright (C) the ngx_s3jobs_module authors
 */


#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_s3jobs_accept.h"


typedef struct {
    const char  *lines[3];
    ngx_uint_t   json;        /* weights, in thousandths */
    ngx_uint_t   xml;
    ngx_uint_t   is_json;
} case_t;


static const case_t  cases[] = {
    { { "" }, 0, 0, 0 },
    { { "*/*" }, 1000, 1000, 0 },
    { { "application/json" }, 1000, 0, 1 },
    { { "application/xml" }, 0, 1000, 0 },
    { { "text/xml" }, 0, 1000, 0 },
    { { "text/html" }, 0, 0, 0 },
    { { "text/*;q=0.3" }, 0, 300, 0 },
    { { "APPLICATION/Json;Q=0.25" }, 250, 0, 1 },
    { { "application/*, application/json;q=0.1" }, 100, 1000, 0 },
    { { "application/json, */*;q=0.5" }, 1000, 500, 1 },
    { { "application/json", "*/*;q=0.5", "text/xml;q=0.7" }, 1000, 700, 1 },
    { { "application/json;q=0" }, 0, 0, 0 },
    { { "application/json;q=0.000" }, 0, 0, 0 },
    { { "application/json;q=0.0019" }, 1, 0, 1 },
    { { "application/json;q=1.000" }, 1000, 0, 1 },
    { { " \t, ,application/json ; q=0.5 ,;q=1," }, 500, 0, 1 },
    { { "application/json;charset=utf-8;q=0.5" }, 500, 0, 1 },

    /* quoted strings */

    { { "application/json;version=\"1;q=0\"" }, 1000, 0, 1 },
    { { "application/json;v=\"1;q=0\";q=0.5" }, 500, 0, 1 },
    { { "application/json;v=\"a,b\";q=0.5" }, 500, 0, 1 },
    { { "text/html;v=\",application/json,\"" }, 0, 0, 0 },
    { { "application/json;v=\"\\\";q=0\";q=0.5" }, 500, 0, 1 },
    { { "application/json;v=\"\\\\\";q=0.5" }, 500, 0, 1 },
    { { "application/json;v=\"\";w=\",\", */*;q=0.1" }, 1000, 100, 1 },
    { { "application/json;v=\\;q=0.5" }, 500, 0, 1 },

    /* which do not end */

    { { "application/json;v=\";q=0, text/xml" }, 1000, 0, 1 },
    { { "application/json;v=\"\\" }, 1000, 0, 1 },
    { { "\"application/json" }, 0, 0, 0 }
};


static void
test_cases(void **state)
{
    u_char               *copy;
    ngx_str_t             value;
    ngx_uint_t            i, n;
    ngx_s3jobs_accept_t   a;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        memset(&a, 0, sizeof(a));

        for (n = 0; n < 3 && cases[i].lines[n]; n++) {
            value.len = strlen(cases[i].lines[n]);

            /* a block of its own, so that a read past its end is found */

            copy = malloc(value.len);
            memcpy(copy, cases[i].lines[n], value.len);

            value.data = copy;
            ngx_s3jobs_accept_parse(&a, &value);

            free(copy);
        }

        if (a.json_weight != cases[i].json || a.xml_weight != cases[i].xml
            || ngx_s3jobs_accept_json(&a) != cases[i].is_json)
        {
            fail_msg("%s: %d %d", cases[i].lines[0], (int) a.json_weight,
                     (int) a.xml_weight);
        }
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_cases)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
