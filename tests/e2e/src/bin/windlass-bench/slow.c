/* Preloaded into a node, it makes a disk slow: whatever waits until something is on disk waits longer. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/types.h>
#include <unistd.h>

static void wait_longer(void) {
    const char *ms = getenv("WINDLASS_BENCH_SYNC_MS");
    usleep((ms ? atoi(ms) : 0) * 1000);
}

int fsync(int file) {
    int (*next)(int) = dlsym(RTLD_NEXT, "fsync");
    int done = next(file);
    wait_longer();
    return done;
}

int fdatasync(int file) {
    int (*next)(int) = dlsym(RTLD_NEXT, "fdatasync");
    int done = next(file);
    wait_longer();
    return done;
}

/* A file that was opened so that every write is synced. */
ssize_t pwrite64(int file, const void *bytes, size_t count, off64_t at) {
    ssize_t (*next)(int, const void *, size_t, off64_t) = dlsym(RTLD_NEXT, "pwrite64");
    ssize_t done = next(file, bytes, count, at);
    if (fcntl(file, F_GETFL) & O_DSYNC) wait_longer();
    return done;
}
