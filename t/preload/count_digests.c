
/*
 * Counts, from outside, how many digests a program finishes: preloaded, with
 * the name of a file of 8 bytes in COUNT_DIGESTS, that all its processes map.
 */

#define _GNU_SOURCE

#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>


typedef int (*final_pt)(void *ctx, unsigned char *md, unsigned int *size);


static unsigned long  none;
static unsigned long  *count = &none;


static void __attribute__((constructor))
count_digests_init(void)
{
    int    fd;
    char  *name;
    void  *p;

    name = getenv("COUNT_DIGESTS");
    fd = name ? open(name, O_RDWR) : -1;

    if (fd == -1) {
        return;
    }

    p = mmap(NULL, sizeof(*count), PROT_READ|PROT_WRITE, MAP_SHARED, fd, 0);

    if (p != MAP_FAILED) {
        count = p;
    }

    close(fd);
}


int
EVP_DigestFinal_ex(void *ctx, unsigned char *md, unsigned int *size)
{
    static final_pt  next;

    if (next == NULL) {
        *(void **) &next = dlsym(RTLD_NEXT, "EVP_DigestFinal_ex");
    }

    __atomic_add_fetch(count, 1, __ATOMIC_SEQ_CST);

    return next(ctx, md, size);
}
