/* Which copies of messages are kept. */

#include "lib.h"
#include "array.h"
#include "msgraph-bodies-private.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* a temporary file this old belongs to a process that was killed */
#define BODY_TEMP_MAX_AGE_SECS (24*3600)

struct body_file {
	const char *path;
	uoff_t size;
	struct timespec used;
};
ARRAY_DEFINE_TYPE(body_file, struct body_file);

static int body_file_cmp(const struct body_file *f1, const struct body_file *f2)
{
	if (f1->used.tv_sec != f2->used.tv_sec)
		return f1->used.tv_sec < f2->used.tv_sec ? -1 : 1;
	if (f1->used.tv_nsec != f2->used.tv_nsec)
		return f1->used.tv_nsec < f2->used.tv_nsec ? -1 : 1;
	return 0;
}

/* Not what is pinned. */
static bool body_is_evictable(const char *name)
{
	const char *suffix = strchr(name, '.');

	return suffix == NULL || strcmp(suffix, BODY_SUFFIX) == 0;
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
		if (body_is_evictable(d->d_name)) {
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
	const char *name = strrchr(path, '/') + 1;
	const char *suffix = strchr(name, '.');
	const char *digest = msgraph_body_digest(path, suffix != NULL);
	const char *was_path = t_strconcat(
		suffix == NULL ? path : t_strdup_until(path, suffix),
		BODY_EVICTED_SUFFIX, NULL);

	if (digest != NULL && symlink(digest, was_path) < 0 &&
	    errno != EEXIST) {
		/* without its digest a new copy could not be judged */
		return;
	}
	/* who has it open reads on */
	i_unlink_if_exists(path);
}

void msgraph_bodies_make_room(struct msgraph_bodies *bodies)
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
