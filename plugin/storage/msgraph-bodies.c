/* Whole messages on disk. Names under the directory, sharded by the first byte
   of the SHA-256 of the id:

     xx/<sha256>        a copy of what Graph made; may be evicted
     xx/<sha256>.own    bytes appended by us: pinned
     xx/<sha256>.was    symlink to "<digest>": the digest of a copy that was
                        evicted, to tell whether a new copy is the same
     tmp/<random>       not yet whole
     tmp/<sha256>       a download, locked by the process that does it */

#include "lib.h"
#include "array.h"
#include "hex-binary.h"
#include "mkdir-parents.h"
#include "randgen.h"
#include "sha2.h"
#include "msgraph-bodies.h"

#include <stdio.h>
#include <time.h>
#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define BODY_PINNED_SUFFIX ".own"
#define BODY_EVICTED_SUFFIX ".was"
#define BODY_DIR_MODE 0700
#define BODY_FILE_MODE 0600
/* a temporary file this old belongs to a process that was killed */
#define BODY_TEMP_MAX_AGE_SECS (24*3600)

struct msgraph_bodies {
	char *dir;
	uoff_t max_size;
	struct event *event;

	/* bytes put by this process since it last looked at the whole; the
	   first put looks at once */
	uoff_t put_since_scan;
	bool scanned;
};

struct body_file {
	const char *path;
	uoff_t size;
	struct timespec used;
};
ARRAY_DEFINE_TYPE(body_file, struct body_file);

struct msgraph_bodies *msgraph_bodies_init(const char *dir, uoff_t max_size,
					   struct event *event)
{
	struct msgraph_bodies *bodies;

	bodies = i_new(struct msgraph_bodies, 1);
	bodies->dir = i_strdup(dir);
	bodies->max_size = max_size;
	bodies->event = event;
	event_ref(event);
	return bodies;
}

void msgraph_bodies_deinit(struct msgraph_bodies **_bodies)
{
	struct msgraph_bodies *bodies = *_bodies;

	if (bodies == NULL)
		return;
	*_bodies = NULL;
	event_unref(&bodies->event);
	i_free(bodies->dir);
	i_free(bodies);
}

static const char *
body_path(struct msgraph_bodies *bodies, const char *id, const char *suffix)
{
	unsigned char digest[SHA256_RESULTLEN];
	const char *hex;

	sha256_get_digest(id, strlen(id), digest);
	hex = binary_to_hex(digest, sizeof(digest));
	return t_strdup_printf("%s/%.2s/%s%s", bodies->dir, hex, hex, suffix);
}

static int body_open_path(const char *path, int *fd_r, uoff_t *size_r)
{
	const struct timespec times[2] = {
		{ .tv_nsec = UTIME_NOW }, { .tv_nsec = UTIME_OMIT }
	};
	struct stat st;
	int fd;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd == -1)
		return errno == ENOENT ? 0 : -1;
	if (fstat(fd, &st) < 0) {
		i_close_fd(&fd);
		return -1;
	}
	/* the access time is our "last used", whatever the mount options */
	(void)futimens(fd, times);
	*fd_r = fd;
	*size_r = st.st_size;
	return 1;
}

int msgraph_bodies_open(struct msgraph_bodies *bodies, const char *id,
			int *fd_r, uoff_t *size_r, const char **error_r)
{
	const char *path;
	int ret;

	path = body_path(bodies, id, BODY_PINNED_SUFFIX);
	ret = body_open_path(path, fd_r, size_r);
	if (ret == 0) {
		path = body_path(bodies, id, "");
		ret = body_open_path(path, fd_r, size_r);
	}
	if (ret < 0)
		*error_r = t_strdup_printf("open(%s) failed: %m", path);
	return ret;
}

bool msgraph_bodies_size(struct msgraph_bodies *bodies, const char *id,
			 uoff_t *size_r)
{
	struct stat st;

	if (stat(body_path(bodies, id, BODY_PINNED_SUFFIX), &st) < 0 &&
	    stat(body_path(bodies, id, ""), &st) < 0)
		return FALSE;
	*size_r = st.st_size;
	return TRUE;
}

/* Open below tmp/, which is made if it is missing. */
static int body_open_temp(struct msgraph_bodies *bodies, const char *name,
			  int flags, const char **path_r, const char **error_r)
{
	const char *dir = t_strconcat(bodies->dir, "/tmp", NULL);
	int fd;

	*path_r = t_strconcat(dir, "/", name, NULL);
	fd = open(*path_r, O_RDWR | O_CREAT | O_CLOEXEC | flags,
		  BODY_FILE_MODE);
	if (fd == -1 && errno == ENOENT) {
		if (mkdir_parents(dir, BODY_DIR_MODE) < 0 && errno != EEXIST) {
			*error_r = t_strdup_printf("mkdir(%s) failed: %m", dir);
			return -1;
		}
		fd = open(*path_r, O_RDWR | O_CREAT | O_CLOEXEC | flags,
			  BODY_FILE_MODE);
	}
	if (fd == -1)
		*error_r = t_strdup_printf("open(%s) failed: %m", *path_r);
	return fd;
}

int msgraph_bodies_temp(struct msgraph_bodies *bodies, int *fd_r,
			char **path_r, const char **error_r)
{
	unsigned char random[12];
	const char *path;

	random_fill(random, sizeof(random));
	*fd_r = body_open_temp(bodies, binary_to_hex(random, sizeof(random)),
			       O_EXCL, &path, error_r);
	if (*fd_r == -1)
		return -1;
	*path_r = i_strdup(path);
	return 0;
}

int msgraph_bodies_claim(struct msgraph_bodies *bodies, const char *id,
			 int *fd_r, char **path_r, uoff_t *got_r,
			 const char **error_r)
{
	const char *name = strrchr(body_path(bodies, id, ""), '/') + 1;
	const char *path;
	struct stat st, now;
	int fd;

	for (;;) {
		fd = body_open_temp(bodies, name, 0, &path, error_r);
		if (fd == -1)
			return -1;
		if (fstat(fd, &st) < 0) {
			*error_r = t_strdup_printf("fstat(%s) failed: %m",
						   path);
			i_close_fd(&fd);
			return -1;
		}
		if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
			*got_r = st.st_size;
			i_close_fd(&fd);
			return 0;
		}
		/* it may have become a body before we had the lock: then it
		   must not be written to */
		if (stat(path, &now) == 0 && now.st_ino == st.st_ino &&
		    now.st_dev == st.st_dev)
			break;
		i_close_fd(&fd);
	}
	*fd_r = fd;
	*path_r = i_strdup(path);
	return 1;
}

void msgraph_bodies_drop_temp(char **temp_path)
{
	if (*temp_path != NULL)
		i_unlink_if_exists(*temp_path);
	i_free_and_null(*temp_path);
}

/* Digest of a file's bytes in hex, NULL if it cannot be read. */
static const char *body_digest(const char *path)
{
	unsigned char buf[16384], digest[SHA256_RESULTLEN];
	struct sha256_ctx ctx;
	ssize_t ret;
	int fd;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd == -1)
		return NULL;
	sha256_init(&ctx);
	while ((ret = read(fd, buf, sizeof(buf))) > 0)
		sha256_loop(&ctx, buf, ret);
	i_close_fd(&fd);
	if (ret < 0)
		return NULL;
	sha256_result(&ctx, digest);
	return binary_to_hex(digest, sizeof(digest));
}

/* Was there an earlier copy with other bytes? Forgets it. */
static bool
body_differs_from_evicted(struct msgraph_bodies *bodies, const char *id,
			  const char *path)
{
	const char *was_path = body_path(bodies, id, BODY_EVICTED_SUFFIX);
	const char *digest;
	char was[SHA256_RESULTLEN * 2 + 1];
	ssize_t len;

	len = readlink(was_path, was, sizeof(was) - 1);
	if (len <= 0)
		return FALSE;
	was[len] = '\0';
	i_unlink_if_exists(was_path);
	digest = body_digest(path);
	return digest == NULL || strcmp(digest, was) != 0;
}

/* Has somebody downloaded other bytes under this id? */
static bool
body_differs_from_download(struct msgraph_bodies *bodies, const char *id,
			   const char *path)
{
	const char *other_path = body_path(bodies, id, "");

	return access(other_path, F_OK) == 0 &&
		null_strcmp(body_digest(other_path), body_digest(path)) != 0;
}

static int
body_rename(const char *temp_path, const char *path, bool replace,
	    const char **error_r)
{
	const char *dir = t_strdup_until(path, strrchr(path, '/'));
	unsigned int tries;
	int ret;

	for (tries = 0; tries < 2; tries++) {
		ret = replace ? rename(temp_path, path) :
			link(temp_path, path);
		if (ret == 0 || errno != ENOENT)
			break;
		if (mkdir_parents(dir, BODY_DIR_MODE) < 0 && errno != EEXIST) {
			*error_r = t_strdup_printf("mkdir(%s) failed: %m", dir);
			return -1;
		}
	}
	if (ret < 0 && errno != EEXIST) {
		*error_r = t_strdup_printf("%s(%s, %s) failed: %m",
			replace ? "rename" : "link", temp_path, path);
		return -1;
	}
	if (!replace)
		i_unlink_if_exists(temp_path);
	return 0;
}

static void bodies_make_room(struct msgraph_bodies *bodies);

int msgraph_bodies_put(struct msgraph_bodies *bodies, const char *id,
		       const char *temp_path, bool pinned, bool *differs_r,
		       const char **error_r)
{
	const char *path;
	struct stat st;
	uoff_t size = 0;

	if (stat(temp_path, &st) == 0)
		size = st.st_size;
	path = body_path(bodies, id, pinned ? BODY_PINNED_SUFFIX : "");
	if (differs_r != NULL)
		*differs_r = body_differs_from_evicted(bodies, id, temp_path);
	if (body_rename(temp_path, path, pinned, error_r) < 0)
		return -1;
	/* looked at when it is too late for others to read anything else */
	if (differs_r != NULL && pinned &&
	    body_differs_from_download(bodies, id, path))
		*differs_r = TRUE;
	bodies->put_since_scan += size;
	if (!bodies->scanned ||
	    bodies->put_since_scan > bodies->max_size / 16)
		bodies_make_room(bodies);
	return 0;
}

int msgraph_bodies_copy(struct msgraph_bodies *bodies, const char *id,
			const char *new_id, bool *differs_r,
			const char **error_r)
{
	const char *path = body_path(bodies, id, BODY_PINNED_SUFFIX);
	const char *new_path = body_path(bodies, new_id, BODY_PINNED_SUFFIX);
	const char *dir;
	int ret;

	*differs_r = FALSE;
	ret = link(path, new_path);
	if (ret < 0 && errno == ENOENT) {
		if (access(path, F_OK) < 0)
			return 0;
		dir = t_strdup_until(new_path, strrchr(new_path, '/'));
		if (mkdir_parents(dir, BODY_DIR_MODE) < 0 && errno != EEXIST) {
			*error_r = t_strdup_printf("mkdir(%s) failed: %m", dir);
			return -1;
		}
		ret = link(path, new_path);
	}
	if (ret < 0 && errno != EEXIST) {
		*error_r = t_strdup_printf("link(%s, %s) failed: %m", path,
					   new_path);
		return -1;
	}
	*differs_r = body_differs_from_download(bodies, new_id, new_path);
	return 0;
}

void msgraph_bodies_rename(struct msgraph_bodies *bodies, const char *id,
			   const char *new_id)
{
	static const char *const suffixes[] = {
		BODY_PINNED_SUFFIX, "", BODY_EVICTED_SUFFIX
	};
	const char *path, *error;
	unsigned int i;

	for (i = 0; i < N_ELEMENTS(suffixes); i++) T_BEGIN {
		path = body_path(bodies, id, suffixes[i]);
		if (faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0 &&
		    body_rename(path, body_path(bodies, new_id, suffixes[i]),
				TRUE, &error) < 0)
			e_error(bodies->event, "%s", error);
	} T_END;
}

void msgraph_bodies_release(struct msgraph_bodies *bodies, const char *id)
{
	T_BEGIN {
		const char *path = body_path(bodies, id, BODY_PINNED_SUFFIX);

		if (rename(path, body_path(bodies, id, "")) < 0 &&
		    errno != ENOENT) {
			e_error(bodies->event, "rename(%s) failed: %m", path);
		}
	} T_END;
}

void msgraph_bodies_remove(struct msgraph_bodies *bodies, const char *id)
{
	T_BEGIN {
		i_unlink_if_exists(body_path(bodies, id, BODY_PINNED_SUFFIX));
		i_unlink_if_exists(body_path(bodies, id, ""));
		i_unlink_if_exists(body_path(bodies, id,
					     BODY_EVICTED_SUFFIX));
	} T_END;
}

/*
 * Eviction
 */

static int body_file_cmp(const struct body_file *f1, const struct body_file *f2)
{
	if (f1->used.tv_sec != f2->used.tv_sec)
		return f1->used.tv_sec < f2->used.tv_sec ? -1 : 1;
	if (f1->used.tv_nsec != f2->used.tv_nsec)
		return f1->used.tv_nsec < f2->used.tv_nsec ? -1 : 1;
	return 0;
}

static void
bodies_scan_dir(const char *dir_path, bool temp, pool_t pool,
		ARRAY_TYPE(body_file) *files, uoff_t *total)
{
	struct dirent *d;
	struct stat st;
	DIR *dir;

	dir = opendir(dir_path);
	if (dir == NULL)
		return;
	while ((d = readdir(dir)) != NULL) {
		if (d->d_name[0] == '.' ||
		    fstatat(dirfd(dir), d->d_name, &st,
			    AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
			continue;
		if (temp) {
			if (st.st_mtime + BODY_TEMP_MAX_AGE_SECS < time(NULL))
				(void)unlinkat(dirfd(dir), d->d_name, 0);
			continue;
		}
		*total += st.st_size;
		if (strchr(d->d_name, '.') == NULL) {
			struct body_file *file = array_append_space(files);

			file->path = p_strconcat(pool, dir_path, "/",
						 d->d_name, NULL);
			file->size = st.st_size;
			file->used = st.st_atim;
		}
	}
	(void)closedir(dir);
}

static void body_evict(const char *path)
{
	const char *digest = body_digest(path);

	if (digest != NULL &&
	    symlink(digest, t_strconcat(path, BODY_EVICTED_SUFFIX,
					NULL)) < 0 && errno != EEXIST) {
		/* without its digest a new copy could not be judged */
		return;
	}
	/* who has it open reads on */
	i_unlink_if_exists(path);
}

/* Least recently used copies go until a tenth of the room is free. */
static void bodies_make_room(struct msgraph_bodies *bodies)
{
	ARRAY_TYPE(body_file) files;
	const struct body_file *file;
	uoff_t total = 0;
	unsigned int i;
	pool_t pool;

	bodies->scanned = TRUE;
	bodies->put_since_scan = 0;
	pool = pool_alloconly_create("msgraph bodies", 64*1024);
	i_array_init(&files, 128);
	for (i = 0; i < 256; i++) T_BEGIN {
		bodies_scan_dir(t_strdup_printf("%s/%02x", bodies->dir, i),
				FALSE, pool, &files, &total);
	} T_END;
	bodies_scan_dir(t_strconcat(bodies->dir, "/tmp", NULL), TRUE, pool,
			&files, &total);
	if (total > bodies->max_size) {
		array_sort(&files, body_file_cmp);
		array_foreach(&files, file) {
			if (total <= bodies->max_size - bodies->max_size / 10)
				break;
			T_BEGIN {
				body_evict(file->path);
			} T_END;
			total -= file->size;
		}
	}
	array_free(&files);
	pool_unref(&pool);
}
