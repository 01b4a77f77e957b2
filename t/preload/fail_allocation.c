
/*
 * Lets one allocation fail, from outside: preloaded, with the name of a file
 * of 16 bytes in FAIL_ALLOCATION, that all its processes map.  The first word
 * counts down with each allocation of any library, which fails when it comes
 * to 0; the second one counts the failures.
 */

#define _GNU_SOURCE

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>


/* the names that glibc has for its own allocator, so that none is looked up */

void  *__libc_malloc(size_t size);
void  *__libc_calloc(size_t n, size_t size);
void  *__libc_realloc(void *p, size_t size);
void  *__libc_memalign(size_t alignment, size_t size);


static unsigned long   none[2];
static unsigned long  *control = none;


static void __attribute__((constructor))
fail_allocation_init(void)
{
    int    fd;
    char  *name;
    void  *p;

    name = getenv("FAIL_ALLOCATION");
    fd = name ? open(name, O_RDWR) : -1;

    if (fd == -1) {
        return;
    }

    p = mmap(NULL, sizeof(none), PROT_READ|PROT_WRITE, MAP_SHARED, fd, 0);

    if (p != MAP_FAILED) {
        control = p;
    }

    close(fd);
}


static int
fails(void)
{
    if (control[0] == 0
        || __atomic_sub_fetch(&control[0], 1, __ATOMIC_SEQ_CST) != 0)
    {
        return 0;
    }

    __atomic_add_fetch(&control[1], 1, __ATOMIC_SEQ_CST);
    errno = ENOMEM;

    return 1;
}


void *
malloc(size_t size)
{
    return fails() ? NULL : __libc_malloc(size);
}


void *
calloc(size_t n, size_t size)
{
    return fails() ? NULL : __libc_calloc(n, size);
}


void *
realloc(void *p, size_t size)
{
    return fails() ? NULL : __libc_realloc(p, size);
}


int
posix_memalign(void **p, size_t alignment, size_t size)
{
    if (fails()) {
        return ENOMEM;
    }

    *p = __libc_memalign(alignment, size);

    return *p ? 0 : ENOMEM;
}
