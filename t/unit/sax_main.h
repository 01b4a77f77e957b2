
/*
 * Copyright (C) the ngx_s3jobs_module authors
 */


#ifndef _SAX_MAIN_H_INCLUDED_
#define _SAX_MAIN_H_INCLUDED_


#include "ngx_s3jobs_sax.h"


/* main() of the tests of what reads XML */

#define sax_main(...)                                                         \
                                                                              \
    static int                                                                \
    setup(void **state)                                                       \
    {                                                                         \
        ngx_s3jobs_sax_init();                                                \
        return 0;                                                             \
    }                                                                         \
                                                                              \
                                                                              \
    int                                                                       \
    main(void)                                                                \
    {                                                                         \
        const struct CMUnitTest  tests[] = { __VA_ARGS__ };                   \
                                                                              \
        return cmocka_run_group_tests(tests, setup, NULL);                    \
    }


#endif /* _SAX_MAIN_H_INCLUDED_ */
