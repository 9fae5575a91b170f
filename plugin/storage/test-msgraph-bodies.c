/* The body store on a directory of its own. */

#include "lib.h"
#include "test-common.h"
#include "unlink-directory.h"
#include "msgraph-bodies.h"

#include <sys/stat.h>
#include <unistd.h>

static char *test_dir;
static struct event *bodies_event;

static bool body_put(struct msgraph_bodies *bodies, const char *id,
		     const char *text, bool pinned)
{
	const char *error;
	bool differs;
	char *path;
	int fd;

	if (msgraph_bodies_temp(bodies, &fd, &path, &error) < 0)
		i_fatal("%s", error);
	test_assert(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	i_close_fd(&fd);
	test_assert(msgraph_bodies_put(bodies, id, path, pinned, &differs,
				       &error) == 0);
	test_assert(access(path, F_OK) < 0);
	i_free(path);
	return differs;
}

static const char *body_get(struct msgraph_bodies *bodies, const char *id)
{
	const char *error;
	uoff_t size, size2;
	char *text;
	int fd, ret;

	ret = msgraph_bodies_open(bodies, id, &fd, &size, &error);
	test_assert(msgraph_bodies_size(bodies, id, &size2) == (ret > 0));
	if (ret <= 0)
		return NULL;
	test_assert(size == size2);
	text = t_malloc0(size + 1);
	test_assert(read(fd, text, size) == (ssize_t)size);
	i_close_fd(&fd);
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

static void test_bodies_eviction(void)
{
	struct msgraph_bodies *bodies;

	test_begin("bodies: eviction by use, pinned ones stay");
	bodies = bodies_create("evict", 100);
	(void)body_put(bodies, "own", t_strdup_printf("%040d", 1), TRUE);
	(void)body_put(bodies, "a", t_strdup_printf("%030d", 2), FALSE);
	usleep(20000);
	(void)body_put(bodies, "b", t_strdup_printf("%020d", 3), FALSE);
	usleep(20000);
	/* a is now used later than b */
	test_assert(body_get(bodies, "a") != NULL);
	usleep(20000);
	(void)body_put(bodies, "c", t_strdup_printf("%020d", 4), FALSE);
	test_assert(body_get(bodies, "b") == NULL);
	test_assert(body_get(bodies, "a") != NULL);
	test_assert(body_get(bodies, "c") != NULL);
	test_assert(body_get(bodies, "own") != NULL);

	/* a new copy is told to be the same or another than the evicted one */
	test_assert(!body_put(bodies, "b", t_strdup_printf("%020d", 3),
			      FALSE));
	usleep(20000);
	(void)body_put(bodies, "d", t_strdup_printf("%060d", 5), FALSE);
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

int main(void)
{
	static void (*const test_functions[])(void) = {
		test_bodies_put_and_open,
		test_bodies_eviction,
		test_bodies_copy_and_release,
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
