/* Preloaded into imap: kills it before its Nth change of a file below CRASH_DIR,
   once the file CRASH_AT exists, which holds N. What a crash between any two
   changes leaves is so seen in turn. */

#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static void step(const char *path)
{
	static int count;
	const char *dir = getenv("CRASH_DIR"), *at = getenv("CRASH_AT");
	FILE *f;
	int n = 0;

	if (dir == NULL || at == NULL || strncmp(path, dir, strlen(dir)) != 0)
		return;
	f = fopen(at, "r");
	if (f == NULL)
		return;
	if (fscanf(f, "%d", &n) != 1)
		n = 0;
	(void)fclose(f);
	if (++count == n)
		(void)raise(SIGKILL);
}

static void step_fd(int fd)
{
	char link[64], path[PATH_MAX];
	ssize_t len;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	len = readlink(link, path, sizeof(path) - 1);
	if (len > 0) {
		path[len] = '\0';
		step(path);
	}
}

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define WRAP(type, name, params, args, what) \
	type name params; \
	type name params { what; return NEXT(name) args; }

WRAP(ssize_t, write, (int fd, const void *data, size_t size),
     (fd, data, size), step_fd(fd))
WRAP(ssize_t, writev, (int fd, const struct iovec *iov, int count),
     (fd, iov, count), step_fd(fd))
WRAP(ssize_t, pwrite, (int fd, const void *data, size_t size, off_t offset),
     (fd, data, size, offset), step_fd(fd))
WRAP(ssize_t, pwrite64,
     (int fd, const void *data, size_t size, off64_t offset),
     (fd, data, size, offset), step_fd(fd))
WRAP(int, ftruncate, (int fd, off_t size), (fd, size), step_fd(fd))
WRAP(int, ftruncate64, (int fd, off64_t size), (fd, size), step_fd(fd))
WRAP(int, rename, (const char *from, const char *to), (from, to), step(to))
WRAP(int, link, (const char *from, const char *to), (from, to), step(to))
WRAP(int, unlink, (const char *path), (path), step(path))
