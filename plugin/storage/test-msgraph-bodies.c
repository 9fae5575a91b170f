/* The body store on a directory of its own. */

#include "lib.h"
#include "istream.h"
#include "mkdir-parents.h"
#include "sha2.h"
#include "hex-binary.h"
#include "test-common.h"
#include "unlink-directory.h"
#include "write-full.h"
#include "msgraph-bodies.h"
#include "msgraph-body-file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static char *test_dir;
static struct event *bodies_event;

/* Bytes that do not compress, the same for the same seed. */
static char *noise(size_t size, unsigned int seed)
{
	char *data = t_malloc_no0(size + 1);
	size_t i;

	for (i = 0; i < size; i++) {
		seed = seed * 1103515245 + 12345;
		/* no line ends, which might be changed */
		data[i] = (seed >> 16) % 240 + 16;
	}
	data[size] = '\0';
	return data;
}

static const char *stream_text(struct istream *input, uoff_t size)
{
	const unsigned char *data;
	char *text = t_malloc0(size + 1);
	size_t have, got = 0;

	while (i_stream_read_more(input, &data, &have) > 0) {
		if (have > size - got)
			return NULL;
		memcpy(text + got, data, have);
		got += have;
		i_stream_skip(input, have);
	}
	return input->stream_errno != 0 || got != size ? NULL : text;
}

static bool body_put(struct msgraph_bodies *bodies, const char *id,
		     const char *text, bool pinned)
{
	struct istream *input;
	const char *error;
	bool differs;
	uoff_t size;
	char *path;
	int fd;

	if (msgraph_bodies_temp(bodies, &fd, &path, &error) < 0)
		i_fatal("%s", error);
	test_assert(write_full(fd, text, strlen(text)) == 0);
	test_assert(msgraph_bodies_put(bodies, id, fd, path, pinned ?
				       MSGRAPH_BODY_PINNED : 0, &differs,
				       &error) == 0);
	test_assert(access(path, F_OK) < 0);
	test_assert(msgraph_bodies_open_put(&fd, &input, &size) == 1);
	test_assert_strcmp(stream_text(input, size), text);
	i_stream_unref(&input);
	i_free(path);
	return differs;
}

static const char *body_get(struct msgraph_bodies *bodies, const char *id)
{
	struct istream *input;
	const char *error, *text;
	uoff_t size, size2;
	int ret;

	ret = msgraph_bodies_open(bodies, id, &input, &size, &error);
	test_assert(msgraph_bodies_size(bodies, id, &size2) == (ret > 0));
	if (ret <= 0)
		return NULL;
	test_assert(size == size2);
	text = stream_text(input, size);
	i_stream_unref(&input);
	return text;
}

static struct msgraph_bodies *bodies_create(const char *name, uoff_t max)
{
	return msgraph_bodies_init(t_strconcat(test_dir, "/", name, NULL), max,
				   bodies_event);
}

static void test_bodies_put_and_open(void)
{
	struct msgraph_bodies *bodies;

	test_begin("bodies: put, open, first copy stays, case of ids");
	bodies = bodies_create("put", 1000000);
	test_assert(body_get(bodies, "AAk") == NULL);
	test_assert(!body_put(bodies, "AAk", "one", FALSE));
	test_assert_strcmp(body_get(bodies, "AAk"), "one");
	test_assert(body_get(bodies, "AAK") == NULL);
	(void)body_put(bodies, "AAk", "two", FALSE);
	test_assert_strcmp(body_get(bodies, "AAk"), "one");
	(void)body_put(bodies, "AAk", "own", TRUE);
	test_assert_strcmp(body_get(bodies, "AAk"), "own");
	msgraph_bodies_remove(bodies, "AAk");
	msgraph_bodies_remove(bodies, "AAk");
	test_assert(body_get(bodies, "AAk") == NULL);
	msgraph_bodies_deinit(&bodies);
	test_end();
}

/* What a service hands out with bare LFs. */
static void test_bodies_lines(void)
{
	static const char text[] = "a: b\n\r\nc\r\n\rd\n";
	struct msgraph_bodies *bodies;
	const char *error, *big;
	bool differs;
	char *path;
	int fd;

	test_begin("bodies: lines end in CRLF");
	bodies = bodies_create("lines", 1000000);
	/* and where a block ends between the two */
	big = t_strconcat(noise(64*1024 - 1, 1), "\r\n", NULL);
	test_assert(!body_put(bodies, "whole", big, FALSE));
	if (msgraph_bodies_temp(bodies, &fd, &path, &error) < 0)
		i_fatal("%s", error);
	test_assert(write_full(fd, text, strlen(text)) == 0);
	test_assert(msgraph_bodies_put(bodies, "bare", fd, path, 0, &differs,
				       &error) == 0);
	i_close_fd(&fd);
	i_free(path);
	test_assert_strcmp(body_get(bodies, "bare"),
			   "a: b\r\n\r\nc\r\n\rd\r\n");
	msgraph_bodies_deinit(&bodies);
	test_end();
}

/* What is kept of a draft says so. */
static void test_bodies_of_drafts(void)
{
	struct msgraph_bodies *bodies;
	uint32_t content;
	const char *error;
	bool differs;

	test_begin("bodies: those of drafts");
	bodies = bodies_create("drafts", 1000000);
	(void)body_put(bodies, "d", "draft", TRUE);
	test_assert(!msgraph_bodies_is_draft(bodies, "d", &content));
	msgraph_bodies_set_draft(bodies, "d", 1);
	msgraph_bodies_set_draft(bodies, "d", 0xfedcba98);
	test_assert(msgraph_bodies_copy(bodies, "d", "copy", &differs,
					&error) == 0);
	msgraph_bodies_rename(bodies, "d", "e");
	test_assert(!msgraph_bodies_is_draft(bodies, "d", &content));
	test_assert(msgraph_bodies_is_draft(bodies, "e", &content) &&
		    content == 0xfedcba98);
	test_assert(msgraph_bodies_is_pinned(bodies, "e"));
	msgraph_bodies_remove(bodies, "e");
	test_assert(!msgraph_bodies_is_draft(bodies, "e", &content));
	test_assert(!msgraph_bodies_is_pinned(bodies, "e"));
	test_assert(msgraph_bodies_is_draft(bodies, "copy", &content) &&
		    content == 0xfedcba98);
	msgraph_bodies_deinit(&bodies);
	test_end();
}

static void test_bodies_eviction(void)
{
	struct msgraph_bodies *bodies;

	test_begin("bodies: eviction by use, pinned ones stay");
	bodies = bodies_create("evict", 101000);
	(void)body_put(bodies, "own", noise(40000, 1), TRUE);
	(void)body_put(bodies, "a", noise(30000, 2), FALSE);
	usleep(20000);
	(void)body_put(bodies, "b", noise(20000, 3), FALSE);
	usleep(20000);
	/* a is now used later than b */
	test_assert(body_get(bodies, "a") != NULL);
	usleep(20000);
	(void)body_put(bodies, "c", noise(20000, 4), FALSE);
	test_assert(body_get(bodies, "b") == NULL);
	test_assert(body_get(bodies, "a") != NULL);
	test_assert(body_get(bodies, "c") != NULL);
	test_assert(body_get(bodies, "own") != NULL);

	/* a new copy is told to be the same or another than the evicted one */
	test_assert(!body_put(bodies, "b", noise(20000, 3),
			      FALSE));
	usleep(20000);
	(void)body_put(bodies, "d", noise(60000, 5), FALSE);
	test_assert(body_get(bodies, "a") == NULL);
	test_assert(body_put(bodies, "a", "another", FALSE));
	test_assert(!body_put(bodies, "a", "another", FALSE));
	msgraph_bodies_deinit(&bodies);
	test_end();
}

static void test_bodies_copy_and_release(void)
{
	struct msgraph_bodies *bodies;
	const char *error;
	bool differs;

	test_begin("bodies: copy and release of pinned bytes");
	bodies = bodies_create("copy", 1000000);
	(void)body_put(bodies, "src", "bytes", TRUE);
	test_assert(msgraph_bodies_copy(bodies, "src", "dest", &differs,
					&error) == 0);
	test_assert(msgraph_bodies_copy(bodies, "src", "dest", &differs,
					&error) == 0);
	test_assert(msgraph_bodies_copy(bodies, "none", "x", &differs,
					&error) == 0);
	test_assert(body_get(bodies, "x") == NULL);
	test_assert(!differs);
	(void)body_put(bodies, "read", "other bytes", FALSE);
	test_assert(msgraph_bodies_copy(bodies, "src", "read", &differs,
					&error) == 0);
	test_assert(differs);
	test_assert_strcmp(body_get(bodies, "read"), "bytes");
	msgraph_bodies_remove(bodies, "src");
	test_assert_strcmp(body_get(bodies, "dest"), "bytes");
	msgraph_bodies_release(bodies, "dest");
	msgraph_bodies_release(bodies, "dest");
	test_assert_strcmp(body_get(bodies, "dest"), "bytes");
	test_assert(msgraph_bodies_copy(bodies, "dest", "y", &differs,
					&error) == 0);
	test_assert(body_get(bodies, "y") == NULL);
	msgraph_bodies_deinit(&bodies);
	test_end();
}

/* A file of the earlier, uncompressed form. */
static void body_write_plain(const char *name, const char *id,
			     const char *suffix, const char *text)
{
	unsigned char digest[SHA256_RESULTLEN];
	const char *hex, *dir, *path;
	int fd;

	sha256_get_digest(id, strlen(id), digest);
	hex = binary_to_hex(digest, sizeof(digest));
	dir = t_strdup_printf("%s/%s/%.2s", test_dir, name, hex);
	path = t_strconcat(dir, "/", hex, suffix, NULL);
	if (mkdir_parents(dir, 0700) < 0 && errno != EEXIST)
		i_fatal("mkdir(%s): %m", dir);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
	if (fd == -1 || write_full(fd, text, strlen(text)) < 0)
		i_fatal("%s: %m", path);
	i_close_fd(&fd);
}

static void test_bodies_plain_files(void)
{
	struct msgraph_bodies *bodies;
	const char *error;
	bool differs;

	test_begin("bodies: uncompressed files are read, copied and evicted");
	bodies = bodies_create("plain", 20000);
	body_write_plain("plain", "old", "", "old copy");
	body_write_plain("plain", "own", ".own", "old bytes");
	test_assert_strcmp(body_get(bodies, "old"), "old copy");
	test_assert_strcmp(body_get(bodies, "own"), "old bytes");
	/* the first copy stays */
	(void)body_put(bodies, "old", "other", FALSE);
	test_assert_strcmp(body_get(bodies, "old"), "old copy");
	test_assert(msgraph_bodies_copy(bodies, "own", "old", &differs,
					&error) == 0);
	test_assert(differs);
	test_assert_strcmp(body_get(bodies, "old"), "old bytes");
	msgraph_bodies_release(bodies, "own");
	test_assert_strcmp(body_get(bodies, "own"), "old bytes");
	usleep(10000);
	(void)body_put(bodies, "new", noise(30000, 1), FALSE);
	msgraph_bodies_deinit(&bodies);
	bodies = bodies_create("plain", 20000);
	(void)body_put(bodies, "new2", "x", FALSE);
	test_assert(body_get(bodies, "own") == NULL);
	/* pinned */
	test_assert_strcmp(body_get(bodies, "old"), "old bytes");
	/* the evicted one is remembered */
	test_assert(!body_put(bodies, "own", "old bytes", FALSE));
	msgraph_bodies_remove(bodies, "old");
	test_assert(body_get(bodies, "old") == NULL);
	msgraph_bodies_deinit(&bodies);
	test_end();
}

static void test_bodies_rename(void)
{
	static const char *const ids[] = { "copy", "own", "oldown", "oldcopy" };
	struct msgraph_bodies *bodies;
	const char *new_id;
	unsigned int i;

	test_begin("bodies: a message gets another id");
	bodies = bodies_create("rename", 100000);
	(void)body_put(bodies, "copy", "copy", FALSE);
	(void)body_put(bodies, "own", "own", TRUE);
	body_write_plain("rename", "oldown", ".own", "oldown");
	body_write_plain("rename", "oldcopy", "", "oldcopy");
	for (i = 0; i < N_ELEMENTS(ids); i++) {
		new_id = t_strconcat("new", ids[i], NULL);
		msgraph_bodies_rename(bodies, ids[i], new_id);
		test_assert_idx(body_get(bodies, ids[i]) == NULL, i);
		test_assert_strcmp_idx(body_get(bodies, new_id), ids[i], i);
	}
	msgraph_bodies_deinit(&bodies);
	test_end();
}

static void test_bodies_evicted_while_read(void)
{
	const char *text = noise(600000, 7), *error, *rest;
	struct msgraph_bodies *bodies;
	struct istream *input;
	const unsigned char *data;
	size_t have;
	uoff_t size;

	test_begin("bodies: who reads an evicted one reads on");
	bodies = bodies_create("reader", 700000);
	(void)body_put(bodies, "a", text, FALSE);
	test_assert(msgraph_bodies_open(bodies, "a", &input, &size,
					&error) == 1);
	test_assert(i_stream_read_more(input, &data, &have) > 0);
	usleep(10000);
	(void)body_put(bodies, "b", noise(650000, 8), FALSE);
	test_assert(body_get(bodies, "a") == NULL);
	i_stream_seek(input, 300000);
	rest = stream_text(input, 300000);
	test_assert(rest != NULL && strcmp(rest, text + 300000) == 0);
	i_stream_unref(&input);
	msgraph_bodies_deinit(&bodies);
	test_end();
}

static void test_bodies_damaged(void)
{
	struct msgraph_bodies *bodies;
	unsigned char digest[SHA256_RESULTLEN];
	const char *path, *pinned_path, *hex;

	test_begin("bodies: what is damaged is not used");
	bodies = bodies_create("damage", 1000000);
	(void)body_put(bodies, "a", "text", FALSE);
	(void)body_put(bodies, "a", "own", TRUE);
	sha256_get_digest("a", 1, digest);
	hex = binary_to_hex(digest, sizeof(digest));
	path = t_strdup_printf("%s/damage/%.2s/%s.zst", test_dir, hex, hex);
	pinned_path = t_strdup_printf("%s/damage/%.2s/%s.own.zst", test_dir,
				      hex, hex);
	test_assert(truncate(pinned_path, 30) == 0);
	test_expect_error_string("appended message");
	test_assert_strcmp(body_get(bodies, "a"), "text");
	test_expect_no_more_errors();
	test_assert(truncate(path, 0) == 0);
	test_expect_error_string("copy of a message");
	test_assert(body_get(bodies, "a") == NULL);
	test_expect_no_more_errors();
	test_assert(access(path, F_OK) < 0);
	msgraph_bodies_deinit(&bodies);
	test_end();
}

/*
 * The file
 */

static int file_make(const char *text, const char **digest_r)
{
	const char *path = t_strconcat(test_dir, "/file", NULL);
	const char *error;
	int fd;

	(void)mkdir(test_dir, 0700);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	if (fd == -1 || write_full(fd, text, strlen(text)) < 0)
		i_fatal("%s: %m", path);
	if (msgraph_body_file_pack(fd, digest_r, &error) < 0)
		i_fatal("%s", error);
	return fd;
}

static void test_body_file_sizes(void)
{
	static const size_t sizes[] = {
		0, 1, 100, 128*1024 - 1, 128*1024, 128*1024 + 1, 256*1024,
		70 * 128 * 1024 + 5
	};
	unsigned char digest[SHA256_RESULTLEN];
	const char *text, *digest1, *digest2, *part;
	struct istream *input;
	uoff_t size, from;
	unsigned int i, j;
	int fd;

	test_begin("body file: whole and parts of any size");
	for (i = 0; i < N_ELEMENTS(sizes); i++) T_BEGIN {
		text = noise(sizes[i], i);
		fd = file_make(text, &digest1);
		sha256_get_digest(text, sizes[i], digest);
		test_assert_idx(msgraph_body_file_digest(fd, &digest2) == 1, i);
		test_assert_strcmp_idx(digest1, digest2, i);
		test_assert_strcmp_idx(digest1, binary_to_hex(digest,
			sizeof(digest)), i);
		test_assert_idx(msgraph_body_file_size(fd, &size) == 1 &&
				size == sizes[i], i);
		test_assert_idx(msgraph_body_file_open(&fd, &input,
						       &size) == 1, i);
		test_assert_idx(fd == -1 && size == sizes[i], i);
		test_assert_idx(i_stream_get_size(input, TRUE, &size) == 1 &&
				size == sizes[i], i);
		part = stream_text(input, size);
		test_assert_idx(part != NULL && strcmp(part, text) == 0, i);
		/* from behind */
		for (j = 1; j <= 5; j++) {
			from = size - size * j / 5;
			i_stream_seek(input, from);
			part = stream_text(input, size - from);
			test_assert_idx(part != NULL &&
					strcmp(part, text + from) == 0, i);
		}
		i_stream_unref(&input);
	} T_END;
	test_end();
}

static void test_body_file_damage(void)
{
	const char *digest, *text = noise(300000, 3);
	struct istream *input;
	struct stat st;
	uoff_t size;
	char c;
	int fd, i;

	test_begin("body file: damage is seen");
	fd = file_make(text, &digest);
	test_assert(fstat(fd, &st) == 0);
	/* inside of a frame: an error of the stream, not other bytes */
	test_assert(pread(fd, &c, 1, 200000) == 1);
	c ^= 1;
	test_assert(pwrite(fd, &c, 1, 200000) == 1);
	test_assert(msgraph_body_file_open(&fd, &input, &size) == 1);
	test_assert(stream_text(input, size) == NULL);
	test_assert(input->stream_errno == EIO);
	i_stream_unref(&input);
	/* not of the length it was written with */
	for (i = 0; i < 120; i++) {
		fd = file_make(text, &digest);
		test_assert(ftruncate(fd, i < 110 ? st.st_size - 1 - i :
				      (i - 110) * 7) == 0);
		test_assert_idx(msgraph_body_file_size(fd, &size) == 0, i);
		i_close_fd(&fd);
	}
	test_end();
}

int main(void)
{
	static void (*const test_functions[])(void) = {
		test_bodies_put_and_open,
		test_bodies_lines,
		test_bodies_of_drafts,
		test_bodies_eviction,
		test_bodies_copy_and_release,
		test_bodies_plain_files,
		test_bodies_rename,
		test_bodies_evicted_while_read,
		test_bodies_damaged,
		test_body_file_sizes,
		test_body_file_damage,
		NULL
	};
	const char *error;
	int ret;

	lib_init();
	test_dir = i_strdup_printf("test-msgraph-bodies.%ld", (long)getpid());
	bodies_event = event_create(NULL);
	ret = test_run(test_functions);
	event_unref(&bodies_event);
	if (unlink_directory(test_dir, UNLINK_DIRECTORY_FLAG_RMDIR,
			     &error) < 0)
		i_error("%s", error);
	i_free(test_dir);
	lib_deinit();
	return ret;
}
