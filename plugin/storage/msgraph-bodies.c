/* Whole messages on disk. Names under the directory, sharded by the first byte
   of the SHA-256 of the id:

     xx/<sha256>.zst      a copy of what Graph made; may be evicted
     xx/<sha256>.own.zst  bytes appended by us: pinned
     xx/<sha256>, .own    the same, uncompressed: an earlier form
     xx/<sha256>.was      symlink to "<digest>": the digest of a copy that was
                          evicted, to tell whether a new copy is the same
     xx/<sha256>.draft    symlink to "<checksum>": of what a draft says at Graph
                          of which this is the copy
     xx/<sha256>.damaged  what was pinned and can no longer be read
     tmp/<random>         not yet whole
     tmp/<sha256>         a download, locked by the process that does it */

#include "lib.h"
#include "hex-binary.h"
#include "istream.h"
#include "mkdir-parents.h"
#include "randgen.h"
#include "sha2.h"
#include "strnum.h"
#include "msgraph-bodies-private.h"
#include "msgraph-body-crlf.h"
#include "msgraph-body-file.h"

#include <stdio.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define BODY_DIR_MODE 0700
#define BODY_FILE_MODE 0600

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

/* In the order in which they count. */
static const char *const body_suffixes[] = {
	BODY_PINNED_SUFFIX, BODY_PLAIN_PINNED_SUFFIX,
	BODY_SUFFIX, BODY_PLAIN_SUFFIX
};

static bool body_suffix_packed(const char *suffix)
{
	return suffix == body_suffixes[0] || suffix == body_suffixes[2];
}

/* Returns 1, 0 if the file is damaged, -1 with errno set. */
static int body_fd_size(int fd, bool packed, uoff_t *size_r)
{
	struct stat st;

	if (packed)
		return msgraph_body_file_size(fd, size_r);
	if (fstat(fd, &st) < 0)
		return -1;
	*size_r = st.st_size;
	return 1;
}

/* The same; takes the descriptor if it returns 1. */
static int body_fd_stream(int *fd, bool packed, struct istream **input_r,
			  uoff_t *size_r)
{
	int ret;

	if (packed)
		return msgraph_body_file_open(fd, input_r, size_r);
	ret = body_fd_size(*fd, packed, size_r);
	if (ret > 0)
		*input_r = i_stream_create_fd_autoclose(fd, IO_BLOCK_SIZE);
	return ret;
}

void msgraph_bodies_damaged(struct msgraph_bodies *bodies, const char *id)
{
	T_BEGIN {
		const char *path = body_path(bodies, id, BODY_PINNED_SUFFIX);
		const char *kept = body_path(bodies, id, BODY_DAMAGED_SUFFIX);

		if (rename(path, kept) == 0) {
			e_error(bodies->event, "The appended message in %s is "
				"damaged, what Graph makes of it is used from "
				"now on", kept);
		} else if (unlink(body_path(bodies, id, BODY_SUFFIX)) == 0) {
			e_warning(bodies->event, "The copy of a message is "
				  "damaged, it is fetched again: %s",
				  body_path(bodies, id, BODY_SUFFIX));
		}
	} T_END;
}

static int body_open_suffix(struct msgraph_bodies *bodies, const char *id,
			    const char *suffix, struct istream **input_r,
			    uoff_t *size_r, const char **error_r)
{
	/* the access time is our "last used", whatever the mount options */
	const struct timespec times[2] = {
		{ .tv_nsec = UTIME_NOW }, { .tv_nsec = UTIME_OMIT }
	};
	const char *path = body_path(bodies, id, suffix);
	int fd, ret;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd == -1 && errno == ENOENT)
		return 0;
	if (fd == -1) {
		*error_r = t_strdup_printf("open(%s) failed: %m", path);
		return -1;
	}
	(void)futimens(fd, times);
	ret = body_fd_stream(&fd, body_suffix_packed(suffix), input_r, size_r);
	if (ret < 0)
		*error_r = t_strdup_printf("read(%s) failed: %m", path);
	i_close_fd(&fd);
	if (ret == 0)
		msgraph_bodies_damaged(bodies, id);
	return ret;
}

int msgraph_bodies_open(struct msgraph_bodies *bodies, const char *id,
			struct istream **input_r, uoff_t *size_r,
			const char **error_r)
{
	unsigned int i;
	int ret = 0;

	for (i = 0; i < N_ELEMENTS(body_suffixes) && ret == 0; i++) {
		ret = body_open_suffix(bodies, id, body_suffixes[i], input_r,
				       size_r, error_r);
	}
	return ret;
}

bool msgraph_bodies_size(struct msgraph_bodies *bodies, const char *id,
			 uoff_t *size_r)
{
	unsigned int i;
	int fd, ret = 0;

	for (i = 0; i < N_ELEMENTS(body_suffixes) && ret <= 0; i++) {
		fd = open(body_path(bodies, id, body_suffixes[i]),
			  O_RDONLY | O_CLOEXEC);
		if (fd == -1)
			continue;
		ret = body_fd_size(fd, body_suffix_packed(body_suffixes[i]),
				   size_r);
		i_close_fd(&fd);
	}
	return ret > 0;
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

const char *msgraph_body_digest(const char *path, bool packed)
{
	unsigned char buf[16384], digest[SHA256_RESULTLEN];
	const char *hex = NULL;
	struct sha256_ctx ctx;
	ssize_t ret;
	int fd;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd == -1)
		return NULL;
	if (packed) {
		if (msgraph_body_file_digest(fd, &hex) <= 0)
			hex = NULL;
		i_close_fd(&fd);
		return hex;
	}
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
			  const char *digest)
{
	const char *was_path = body_path(bodies, id, BODY_EVICTED_SUFFIX);
	char was[SHA256_RESULTLEN * 2 + 1];
	ssize_t len;

	len = readlink(was_path, was, sizeof(was) - 1);
	if (len <= 0)
		return FALSE;
	was[len] = '\0';
	i_unlink_if_exists(was_path);
	return strcmp(digest, was) != 0;
}

/* Has somebody downloaded other bytes under this id? */
static bool
body_differs_from_download(struct msgraph_bodies *bodies, const char *id,
			   const char *digest)
{
	const char *path = body_path(bodies, id, BODY_SUFFIX);

	if (access(path, F_OK) == 0)
		return null_strcmp(msgraph_body_digest(path, TRUE), digest) != 0;
	path = body_path(bodies, id, BODY_PLAIN_SUFFIX);
	return access(path, F_OK) == 0 &&
		null_strcmp(msgraph_body_digest(path, FALSE), digest) != 0;
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

static int body_fix_lines(struct msgraph_bodies *bodies, int fd,
			  const char **error_r)
{
	char *spare_path = NULL;
	int spare_fd, ret;

	ret = msgraph_body_has_bare_lf(fd);
	if (ret > 0) {
		if (msgraph_bodies_temp(bodies, &spare_fd, &spare_path,
					error_r) < 0)
			return -1;
		msgraph_bodies_drop_temp(&spare_path);
		ret = msgraph_body_crlf(fd, spare_fd);
		i_close_fd(&spare_fd);
	}
	if (ret < 0)
		*error_r = t_strdup_printf("line ends: %m");
	return ret;
}

int msgraph_bodies_put(struct msgraph_bodies *bodies, const char *id, int fd,
		       const char *temp_path, enum msgraph_body_flags flags,
		       bool *differs_r, const char **error_r)
{
	const bool pinned = (flags & MSGRAPH_BODY_PINNED) != 0;
	const char *path, *digest;
	struct stat st;

	/* ours have them */
	if ((!pinned && body_fix_lines(bodies, fd, error_r) < 0) ||
	    msgraph_body_file_pack(fd, &digest, error_r) < 0) {
		*error_r = t_strdup_printf("%s: %s", temp_path, *error_r);
		return -1;
	}
	if ((flags & MSGRAPH_BODY_SYNC) != 0 && fdatasync(fd) < 0) {
		*error_r = t_strdup_printf("fdatasync(%s) failed: %m",
					   temp_path);
		return -1;
	}
	if (fstat(fd, &st) == 0)
		bodies->put_since_scan += st.st_size;
	path = body_path(bodies, id,
			 pinned ? BODY_PINNED_SUFFIX : BODY_SUFFIX);
	*differs_r = body_differs_from_evicted(bodies, id, digest);
	if (!pinned && access(body_path(bodies, id, BODY_PLAIN_SUFFIX),
			      F_OK) == 0) {
		/* the first copy stays */
		i_unlink_if_exists(temp_path);
	} else if (body_rename(temp_path, path, pinned, error_r) < 0) {
		return -1;
	}
	/* looked at when it is too late for others to read anything else */
	if (pinned && body_differs_from_download(bodies, id, digest))
		*differs_r = TRUE;
	if (!bodies->scanned ||
	    bodies->put_since_scan > bodies->max_size / 16)
		msgraph_bodies_make_room(bodies);
	return 0;
}

int msgraph_bodies_open_put(int *fd, struct istream **input_r, uoff_t *size_r)
{
	return msgraph_body_file_open(fd, input_r, size_r);
}

void msgraph_bodies_set_draft(struct msgraph_bodies *bodies, const char *id,
			      uint32_t content)
{
	T_BEGIN {
		const char *path = body_path(bodies, id, BODY_DRAFT_SUFFIX);

		i_unlink_if_exists(path);
		if (symlink(t_strdup_printf("%08x", content), path) < 0)
			e_error(bodies->event, "symlink(%s) failed: %m", path);
	} T_END;
}

bool msgraph_bodies_is_draft(struct msgraph_bodies *bodies, const char *id,
			     uint32_t *content_r)
{
	char text[9];
	ssize_t len;

	T_BEGIN {
		len = readlink(body_path(bodies, id, BODY_DRAFT_SUFFIX), text,
			       sizeof(text) - 1);
	} T_END;
	if (len <= 0)
		return FALSE;
	text[len] = '\0';
	return str_to_uint32_hex(text, content_r) == 0;
}

/* Returns 1 if there is one, 0 if not, -1 and the error. */
static int
body_link_pinned(struct msgraph_bodies *bodies, const char *id,
		 const char *new_id, const char *suffix, const char **digest_r,
		 const char **error_r)
{
	const char *path = body_path(bodies, id, suffix);
	const char *new_path = body_path(bodies, new_id, suffix);
	const char *dir;
	int ret;

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
	*digest_r = msgraph_body_digest(new_path, body_suffix_packed(suffix));
	return 1;
}

int msgraph_bodies_copy(struct msgraph_bodies *bodies, const char *id,
			const char *new_id, bool *differs_r,
			const char **error_r)
{
	const char *digest;
	uint32_t content;
	int ret;

	*differs_r = FALSE;
	ret = body_link_pinned(bodies, id, new_id, body_suffixes[0], &digest,
			       error_r);
	if (ret == 0) {
		ret = body_link_pinned(bodies, id, new_id, body_suffixes[1],
				       &digest, error_r);
	}
	if (ret > 0)
		*differs_r = body_differs_from_download(bodies, new_id, digest);
	if (ret > 0 && msgraph_bodies_is_draft(bodies, id, &content))
		msgraph_bodies_set_draft(bodies, new_id, content);
	return ret < 0 ? -1 : 0;
}

static void body_release(struct msgraph_bodies *bodies, const char *id,
			 const char *pinned_suffix, const char *suffix)
{
	const char *path = body_path(bodies, id, pinned_suffix);

	if (rename(path, body_path(bodies, id, suffix)) < 0 &&
	    errno != ENOENT)
		e_error(bodies->event, "rename(%s) failed: %m", path);
}

void msgraph_bodies_rename(struct msgraph_bodies *bodies, const char *id,
			   const char *new_id)
{
	static const char *const suffixes[] = {
		BODY_PINNED_SUFFIX, BODY_PLAIN_PINNED_SUFFIX, BODY_SUFFIX,
		BODY_PLAIN_SUFFIX, BODY_EVICTED_SUFFIX, BODY_DRAFT_SUFFIX
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

bool msgraph_bodies_is_pinned(struct msgraph_bodies *bodies, const char *id)
{
	bool ret;

	T_BEGIN {
		ret = access(body_path(bodies, id, BODY_PINNED_SUFFIX),
			     F_OK) == 0 ||
			access(body_path(bodies, id, BODY_PLAIN_PINNED_SUFFIX),
			       F_OK) == 0;
	} T_END;
	return ret;
}

void msgraph_bodies_pin(struct msgraph_bodies *bodies, const char *id)
{
	if (msgraph_bodies_is_pinned(bodies, id))
		return;
	T_BEGIN {
		body_release(bodies, id, BODY_PLAIN_SUFFIX,
			     BODY_PLAIN_PINNED_SUFFIX);
		body_release(bodies, id, BODY_SUFFIX, BODY_PINNED_SUFFIX);
	} T_END;
}

void msgraph_bodies_release(struct msgraph_bodies *bodies, const char *id)
{
	T_BEGIN {
		body_release(bodies, id, BODY_PLAIN_PINNED_SUFFIX,
			     BODY_PLAIN_SUFFIX);
		body_release(bodies, id, BODY_PINNED_SUFFIX, BODY_SUFFIX);
	} T_END;
}

void msgraph_bodies_remove(struct msgraph_bodies *bodies, const char *id)
{
	unsigned int i;

	for (i = 0; i < N_ELEMENTS(body_suffixes); i++) T_BEGIN {
		i_unlink_if_exists(body_path(bodies, id, body_suffixes[i]));
	} T_END;
	T_BEGIN {
		i_unlink_if_exists(body_path(bodies, id,
					     BODY_EVICTED_SUFFIX));
		i_unlink_if_exists(body_path(bodies, id,
					     BODY_DAMAGED_SUFFIX));
		i_unlink_if_exists(body_path(bodies, id, BODY_DRAFT_SUFFIX));
	} T_END;
}
