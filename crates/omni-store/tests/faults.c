/*
 * Fails calls of the C library that touch one folder, as a full or failing disk does: what SQLite's own layer for files
 * and Rust's standard library make of it is what is tried. Loaded with LD_PRELOAD by faults.rs, which arms it through a file
 * that both have mapped or opened.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

/* As faults.rs writes and reads it. */
struct control {
    int64_t armed;
    int64_t seen;     /* calls that could have failed since it was armed */
    int64_t first;    /* the first one that fails, counted from 0 */
    int64_t count;    /* how many fail from there on */
    int64_t error;
    int64_t room;     /* only calls that may need room on the disk are counted */
    int64_t part;     /* the first one, if it writes, writes half of it */
    int64_t injected;
    char name[64];    /* the last call that failed */
};

static struct control *control;
static const char *folder;
static size_t folder_length;

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("OMNI_STORE_TEST_CONTROL");
    folder = getenv("OMNI_STORE_TEST_FOLDER");
    if (!path || !folder) return;
    folder_length = strlen(folder);
    int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC, 0);
    if (fd < 0) abort();
    control = (void *)syscall(SYS_mmap, NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (control == MAP_FAILED) abort();
    syscall(SYS_close, fd);
}

enum { ANY = 0, ROOM = 1 };

/* Whether this call fails; errno is set then. */
static int fails_at(const char *path, const char *name, int kind) {
    if (!control || !control->armed || strncmp(path, folder, folder_length) != 0) return 0;
    if (control->room && kind != ROOM) return 0;
    int64_t number = __atomic_fetch_add(&control->seen, 1, __ATOMIC_SEQ_CST);
    if (number < control->first || number - control->first >= control->count) return 0;
    __atomic_fetch_add(&control->injected, 1, __ATOMIC_SEQ_CST);
    snprintf(control->name, sizeof control->name, "%s %s", name, path + folder_length);
    errno = (int)control->error;
    return 1;
}

static int fails(int fd, const char *name, int kind) {
    if (!control || !control->armed) return 0;
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = syscall(SYS_readlink, link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return fails_at(path, name, kind);
}

#define REAL(name) \
    static __typeof__(&name) real; \
    if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

#define BY_FD(type, name, kind, parameters, arguments) \
    type name parameters { REAL(name); if (fails(fd, #name, kind)) return -1; return real arguments; }

#define BY_PATH(type, name, kind, parameters, arguments) \
    type name parameters { REAL(name); if (fails_at(path, #name, kind)) return -1; return real arguments; }

#define WRITES(name, parameters, whole, half) \
    ssize_t name parameters { \
        REAL(name); \
        if (fails(fd, #name, ROOM)) { \
            if (control->part && size > 1 && control->injected == 1) return real half; \
            return -1; \
        } \
        return real whole; \
    }

BY_FD(ssize_t, read, ANY, (int fd, void *to, size_t size), (fd, to, size))
BY_FD(ssize_t, pread, ANY, (int fd, void *to, size_t size, off_t at), (fd, to, size, at))
BY_FD(ssize_t, pread64, ANY, (int fd, void *to, size_t size, off64_t at), (fd, to, size, at))
WRITES(write, (int fd, const void *from, size_t size), (fd, from, size), (fd, from, size / 2))
WRITES(pwrite, (int fd, const void *from, size_t size, off_t at), (fd, from, size, at), (fd, from, size / 2, at))
WRITES(pwrite64, (int fd, const void *from, size_t size, off64_t at), (fd, from, size, at), (fd, from, size / 2, at))
BY_FD(off_t, lseek, ANY, (int fd, off_t at, int whence), (fd, at, whence))
BY_FD(off64_t, lseek64, ANY, (int fd, off64_t at, int whence), (fd, at, whence))
BY_FD(int, fsync, ROOM, (int fd), (fd))
BY_FD(int, fdatasync, ROOM, (int fd), (fd))
BY_FD(int, ftruncate, ROOM, (int fd, off_t size), (fd, size))
BY_FD(int, ftruncate64, ROOM, (int fd, off64_t size), (fd, size))
BY_FD(int, flock, ANY, (int fd, int how), (fd, how))
BY_FD(int, fchmod, ANY, (int fd, mode_t mode), (fd, mode))
BY_FD(int, fstat, ANY, (int fd, struct stat *to), (fd, to))
BY_FD(int, fstat64, ANY, (int fd, struct stat64 *to), (fd, to))
BY_PATH(int, stat, ANY, (const char *path, struct stat *to), (path, to))
BY_PATH(int, stat64, ANY, (const char *path, struct stat64 *to), (path, to))
BY_PATH(int, lstat, ANY, (const char *path, struct stat *to), (path, to))
BY_PATH(int, lstat64, ANY, (const char *path, struct stat64 *to), (path, to))
BY_PATH(int, access, ANY, (const char *path, int mode), (path, mode))
BY_PATH(int, chmod, ANY, (const char *path, mode_t mode), (path, mode))
BY_PATH(int, mkdir, ROOM, (const char *path, mode_t mode), (path, mode))
BY_PATH(int, unlink, ANY, (const char *path), (path))
BY_PATH(int, rename, ROOM, (const char *path, const char *to), (path, to))

int statx(int at, const char *restrict path, int flags, unsigned mask, struct statx *restrict to) {
    REAL(statx);
    /* Rust asks with no path whether there is such a call at all, which the header says is not done. */
    const char *volatile asked = path;
    if (asked && (*asked ? fails_at(asked, "statx", ANY) : fails(at, "statx", ANY))) return -1;
    return real(at, path, flags, mask, to);
}

static int opening(const char *name, const char *path, int flags, mode_t mode) {
    if (fails_at(path, name, flags & O_CREAT ? ROOM : ANY)) return -1;
    return (int)syscall(SYS_openat, AT_FDCWD, path, flags | O_LARGEFILE, mode);
}

#define OPENS(name) \
    int name(const char *path, int flags, ...) { \
        va_list rest; \
        va_start(rest, flags); \
        mode_t mode = flags & O_CREAT ? va_arg(rest, mode_t) : 0; \
        va_end(rest); \
        return opening(#name, path, flags, mode); \
    }
OPENS(open)
OPENS(open64)

#define LOCKS(name) \
    int name(int fd, int command, ...) { \
        REAL(name); \
        va_list rest; \
        va_start(rest, command); \
        void *argument = va_arg(rest, void *); \
        va_end(rest); \
        if ((command == F_SETLK || command == F_SETLKW) && fails(fd, #name, ANY)) return -1; \
        return real(fd, command, argument); \
    }
LOCKS(fcntl)
LOCKS(fcntl64)

#define MAPS(name, offset) \
    void *name(void *at, size_t size, int access, int flags, int fd, offset from) { \
        REAL(name); \
        if (fd >= 0 && fails(fd, #name, ANY)) return MAP_FAILED; \
        return real(at, size, access, flags, fd, from); \
    }
MAPS(mmap, off_t)
MAPS(mmap64, off64_t)
