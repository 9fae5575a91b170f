/* Rows on disk. Those of a round of changes lie in a file without a name. Those
   of a complete listing lie in "msgraph.spool" together with how far it has
   come, so that a listing that was interrupted goes on from there:

     header, then records: what a row says, or the end of a page with the
     link to go on with

   What is behind the last end of a page does not count. */

#include "lib.h"
#include "array.h"
#include "write-full.h"
#include "graph-error.h"
#include "msgraph-sync-private.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define SPOOL_NAME "msgraph.spool"
/* with the version of what is packed in it */
#define SPOOL_MAGIC 0x334c5053
/* the service forgets links, too */
#define SPOOL_MAX_AGE_SECS (24 * 3600)
/* a link, or a row; what is longer was not written by us */
#define SPOOL_RECORD_MAX (64U * 1024 * 1024)

struct spool_header {
	uint32_t magic;
	/* of the index when the listing began */
	uint32_t generation, next_uid;
	uint32_t reserved;
	int64_t started;
};

enum spool_type { SPOOL_ROW = 1, SPOOL_PAGE, SPOOL_LAST_PAGE };

struct spool_record {
	uint32_t type;
	/* pages: some rows could not be used */
	uint32_t unnamed;
	uint32_t size;
};

static const char *spool_path(const struct msgraph_sync_env *env)
{
	return t_strconcat(env->dir, "/"SPOOL_NAME, NULL);
}

static int spool_fail(const struct msgraph_sync_env *env, const char *what,
		      struct graph_failure *fail_r)
{
	graph_failure_set(fail_r, GRAPH_ERROR_LOCAL, "%s: %s: %s", env->dir,
			  what, strerror(errno));
	return -1;
}

static int spool_open_temp(const struct msgraph_sync_env *env,
			   struct msgraph_pull *pull,
			   struct graph_failure *fail_r)
{
	char *path = i_strdup_printf("%s/"SPOOL_NAME".XXXXXX", env->dir);

	pull->spool_fd = mkostemp(path, O_CLOEXEC);
	if (pull->spool_fd != -1)
		i_unlink(path);
	i_free(path);
	return pull->spool_fd != -1 ? 0 :
		spool_fail(env, "temporary file", fail_r);
}

int msgraph_spool_add(const struct msgraph_sync_env *env,
		      struct msgraph_pull *pull,
		      const struct msgraph_row *said, off_t *offset_r,
		      uint32_t *size_r, struct graph_failure *fail_r)
{
	struct spool_record record = { .type = SPOOL_ROW };
	buffer_t *buf = pull->spooled;

	if (pull->spool_fd == -1 && spool_open_temp(env, pull, fail_r) < 0)
		return -1;
	buffer_set_used_size(buf, 0);
	buffer_append(buf, &record, sizeof(record));
	msgraph_row_pack(said, buf);
	record.size = buf->used - sizeof(record);
	buffer_write(buf, 0, &record, sizeof(record));
	if (write_full(pull->spool_fd, buf->data, buf->used) < 0)
		return spool_fail(env, "write", fail_r);
	*offset_r = pull->spool_size + sizeof(record);
	*size_r = record.size;
	pull->spool_size += buf->used;
	return 0;
}

int msgraph_spool_page(const struct msgraph_sync_env *env,
		       struct msgraph_pull *pull, const char *link, bool last,
		       struct graph_failure *fail_r)
{
	struct spool_record record = {
		.type = last ? SPOOL_LAST_PAGE : SPOOL_PAGE,
		.unnamed = pull->unnamed ? 1 : 0, .size = strlen(link),
	};

	if (!pull->listing)
		return 0;
	if (write_full(pull->spool_fd, &record, sizeof(record)) < 0 ||
	    write_full(pull->spool_fd, link, record.size) < 0)
		return spool_fail(env, "write", fail_r);
	pull->spool_size += sizeof(record) + record.size;
	return 0;
}

/* Where the last whole page ends; 0 = there is none. */
static off_t spool_last_page(int fd, off_t size)
{
	struct spool_record record;
	off_t pos = sizeof(struct spool_header), end = 0;

	while (pread(fd, &record, sizeof(record), pos) == sizeof(record)) {
		if (record.type < SPOOL_ROW || record.type > SPOOL_LAST_PAGE ||
		    record.size > SPOOL_RECORD_MAX)
			break;
		pos += sizeof(record) + record.size;
		if (pos > size)
			break;
		if (record.type != SPOOL_ROW)
			end = pos;
	}
	return end;
}

static int
spool_take_record(const struct msgraph_sync_env *env, struct msgraph_pull *pull,
		  const struct spool_record *record, char *data, off_t offset,
		  struct graph_failure *fail_r)
{
	struct msgraph_row said;

	if (record->type != SPOOL_ROW) {
		pull->link = p_strndup(pull->pool, data, record->size);
		pull->listed = record->type == SPOOL_LAST_PAGE;
		if (record->unnamed != 0)
			pull->unnamed = TRUE;
		return 0;
	}
	if (!msgraph_row_unpack(data, record->size, &said)) {
		graph_failure_set(fail_r, GRAPH_ERROR_LOCAL, "%s is damaged",
				  spool_path(env));
		return -1;
	}
	if (msgraph_pull_replay(pull, &said, offset, record->size) < 0)
		return spool_fail(env, "read", fail_r);
	return 0;
}

/* The rows up to `end`, as if they had just come. */
static int spool_replay(const struct msgraph_sync_env *env,
			struct msgraph_pull *pull, off_t end,
			struct graph_failure *fail_r)
{
	struct spool_record record;
	off_t pos = sizeof(struct spool_header);
	char *data;
	int ret = 0;

	while (pos < end && ret == 0) {
		if (pread(pull->spool_fd, &record, sizeof(record), pos) !=
		    sizeof(record))
			return spool_fail(env, "read", fail_r);
		pos += sizeof(record);
		data = i_malloc(record.size + 1);
		if (pread(pull->spool_fd, data, record.size, pos) !=
		    (ssize_t)record.size) {
			ret = spool_fail(env, "read", fail_r);
		} else T_BEGIN {
			ret = spool_take_record(env, pull, &record, data, pos,
						fail_r);
		} T_END;
		i_free(data);
		pos += record.size;
	}
	return ret;
}

static int spool_start(const struct msgraph_sync_env *env,
		       struct msgraph_pull *pull, struct graph_failure *fail_r)
{
	struct spool_header header = {
		.magic = SPOOL_MAGIC, .generation = pull->generation,
		.next_uid = pull->next_uid, .started = time(NULL),
	};

	if (ftruncate(pull->spool_fd, 0) < 0 ||
	    lseek(pull->spool_fd, 0, SEEK_SET) < 0 ||
	    write_full(pull->spool_fd, &header, sizeof(header)) < 0)
		return spool_fail(env, "write", fail_r);
	pull->spool_size = sizeof(header);
	return 0;
}

/* The end of what can be used of the file, 0 = nothing. */
static off_t spool_usable(struct msgraph_pull *pull)
{
	struct spool_header header;
	struct stat st;
	time_t now = time(NULL);

	if (fstat(pull->spool_fd, &st) < 0 ||
	    pread(pull->spool_fd, &header, sizeof(header), 0) !=
	    sizeof(header) || header.magic != SPOOL_MAGIC ||
	    header.generation != pull->generation ||
	    header.next_uid > pull->next_uid ||
	    header.started > now || header.started < now - SPOOL_MAX_AGE_SECS)
		return 0;
	pull->next_uid = header.next_uid;
	return spool_last_page(pull->spool_fd, st.st_size);
}

int msgraph_spool_begin(const struct msgraph_sync_env *env,
			struct msgraph_pull *pull, bool anew,
			struct graph_failure *fail_r)
{
	off_t end;

	pull->spool_fd = open(spool_path(env), O_RDWR | O_CREAT | O_CLOEXEC,
			      0600);
	if (pull->spool_fd == -1)
		return spool_fail(env, "open", fail_r);
	if (flock(pull->spool_fd, LOCK_EX | LOCK_NB) < 0) {
		/* another process lists it, too; ours is not kept then */
		i_close_fd(&pull->spool_fd);
		return 0;
	}
	pull->listing = TRUE;
	end = anew ? 0 : spool_usable(pull);
	if (end == 0)
		return spool_start(env, pull, fail_r);
	if (spool_replay(env, pull, end, fail_r) < 0)
		return -1;
	if (ftruncate(pull->spool_fd, end) < 0 ||
	    lseek(pull->spool_fd, end, SEEK_SET) < 0)
		return spool_fail(env, "write", fail_r);
	pull->spool_size = end;
	e_debug(env->event, "going on with a listing after %u messages",
		array_count(&pull->rows));
	return 1;
}

void msgraph_spool_remove(const struct msgraph_sync_env *env,
			  struct msgraph_pull *pull)
{
	if (pull->listing)
		i_unlink_if_exists(spool_path(env));
	pull->listing = FALSE;
}

bool msgraph_sync_is_listing(const char *dir)
{
	return access(t_strconcat(dir, "/"SPOOL_NAME, NULL), F_OK) == 0;
}

void msgraph_spool_forget(const struct msgraph_sync_env *env)
{
	i_unlink_if_exists(spool_path(env));
}
