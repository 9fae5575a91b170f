#include "lib.h"
#include "array.h"
#include "istream.h"
#include "str.h"
#include "strnum.h"
#include "write-full.h"
#include "graph-error.h"
#include "msgraph-quarantine.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define QUARANTINE_NAME "msgraph.quarantine"
#define QUARANTINE_PAUSE_SECS 60
#define QUARANTINE_PAUSE_MAX_SECS (6*3600)
/* what a client has been told is done must not wait as long, and not at all as
   long as this may be an outage that passes */
#define QUARANTINE_CHANGE_MIN_AGE_SECS 60
#define QUARANTINE_CHANGE_PAUSE_MAX_SECS (5*60)
/* more than that is an outage, not single messages */
#define QUARANTINE_MAX 1000

static const char *const kind_names[] = { "row", "body", "change" };

struct msgraph_quarantine {
	char *path;
	struct event *event;

	/* as the file was when st was taken; st_ino 0 = there is none */
	struct stat st;
	pool_t pool;
	ARRAY(struct msgraph_quarantined) entries;
};

struct msgraph_quarantine *
msgraph_quarantine_init(const char *dir, struct event *event)
{
	struct msgraph_quarantine *quarantine =
		i_new(struct msgraph_quarantine, 1);

	quarantine->path = i_strconcat(dir, "/"QUARANTINE_NAME, NULL);
	quarantine->event = event;
	event_ref(event);
	quarantine->pool = pool_alloconly_create("msgraph quarantine", 256);
	i_array_init(&quarantine->entries, 4);
	return quarantine;
}

void msgraph_quarantine_deinit(struct msgraph_quarantine **_quarantine)
{
	struct msgraph_quarantine *quarantine = *_quarantine;

	if (quarantine == NULL)
		return;
	*_quarantine = NULL;
	array_free(&quarantine->entries);
	pool_unref(&quarantine->pool);
	event_unref(&quarantine->event);
	i_free(quarantine->path);
	i_free(quarantine);
}

bool msgraph_quarantine_is_for(const struct graph_failure *fail)
{
	switch (fail->error) {
	case GRAPH_ERROR_NOT_FOUND:
	case GRAPH_ERROR_REFUSED:
	case GRAPH_ERROR_TOO_BIG:
	case GRAPH_ERROR_PROTOCOL:
		return TRUE;
	case GRAPH_ERROR_LOST:
		/* its bytes end early, each time */
		return fail->status == 200;
	case GRAPH_ERROR_UNAVAILABLE:
		return graph_failure_may_be_item(fail);
	default:
		return FALSE;
	}
}

unsigned int msgraph_quarantine_pause(unsigned int tries)
{
	unsigned int secs = QUARANTINE_PAUSE_SECS;

	for (; tries > 1 && secs < QUARANTINE_PAUSE_MAX_SECS; tries--)
		secs *= 2;
	return I_MIN(secs, QUARANTINE_PAUSE_MAX_SECS);
}

unsigned int msgraph_quarantine_change_pause(unsigned int age)
{
	return age < QUARANTINE_CHANGE_MIN_AGE_SECS ? 0 :
		I_MIN(age / 6, QUARANTINE_CHANGE_PAUSE_MAX_SECS);
}

bool msgraph_quarantine_is_lasting(unsigned int tries)
{
	return msgraph_quarantine_pause(tries) ==
		QUARANTINE_PAUSE_MAX_SECS;
}

/*
 * The file: one line each, fields separated by blanks
 */

static bool quarantine_parse(pool_t pool, const char *line,
			     struct msgraph_quarantined *entry_r)
{
	const char *const *args = t_strsplit(line, " ");
	uint32_t since, next;

	i_zero(entry_r);
	if (str_array_length(args) != 6 || *args[0] == '\0' ||
	    str_to_uint32(args[2], &since) < 0 ||
	    str_to_uint32(args[3], &next) < 0 ||
	    str_to_uint(args[4], &entry_r->tries) < 0)
		return FALSE;
	while (strcmp(args[1], kind_names[entry_r->kind]) != 0) {
		if (++entry_r->kind == N_ELEMENTS(kind_names))
			return FALSE;
	}
	entry_r->id = p_strdup(pool, args[0]);
	entry_r->since = since;
	entry_r->next = next;
	entry_r->reason = p_strdup(pool, args[5]);
	return TRUE;
}

static void quarantine_read(struct msgraph_quarantine *quarantine)
{
	struct msgraph_quarantined entry;
	struct istream *input;
	const char *line;

	array_clear(&quarantine->entries);
	p_clear(quarantine->pool);
	if (quarantine->st.st_ino == 0)
		return;
	input = i_stream_create_file(quarantine->path, 4096);
	while (array_count(&quarantine->entries) < QUARANTINE_MAX &&
	       (line = i_stream_read_next_line(input)) != NULL) T_BEGIN {
		if (quarantine_parse(quarantine->pool, line, &entry))
			array_push_back(&quarantine->entries, &entry);
	} T_END;
	i_stream_unref(&input);
}

static void quarantine_refresh(struct msgraph_quarantine *quarantine)
{
	struct stat st;

	if (stat(quarantine->path, &st) < 0)
		i_zero(&st);
	if (st.st_ino == quarantine->st.st_ino &&
	    st.st_size == quarantine->st.st_size &&
	    st.st_mtim.tv_sec == quarantine->st.st_mtim.tv_sec &&
	    st.st_mtim.tv_nsec == quarantine->st.st_mtim.tv_nsec)
		return;
	quarantine->st = st;
	quarantine_read(quarantine);
}

static int quarantine_write_temp(struct msgraph_quarantine *quarantine,
				 const char *path, const string_t *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	int ret = -1;

	if (fd != -1 && write_full(fd, str_data(text), str_len(text)) == 0)
		ret = rename(path, quarantine->path);
	i_close_fd(&fd);
	return ret;
}

/* The lock is held. */
static void quarantine_write(struct msgraph_quarantine *quarantine)
{
	const char *temp = t_strconcat(quarantine->path, ".new", NULL);
	const struct msgraph_quarantined *entry;
	string_t *text = t_str_new(1024);

	array_foreach(&quarantine->entries, entry) {
		str_printfa(text, "%s %s %lld %lld %u %s\n", entry->id,
			    kind_names[entry->kind], (long long)entry->since,
			    (long long)entry->next, entry->tries,
			    entry->reason);
	}
	if (str_len(text) == 0)
		i_unlink_if_exists(quarantine->path);
	else if (quarantine_write_temp(quarantine, temp, text) < 0)
		e_error(quarantine->event, "write(%s) failed: %m", temp);
}

/* Returns -1 if it is not to be had; then nothing is remembered, which costs
   requests and nothing else. */
static int quarantine_lock(struct msgraph_quarantine *quarantine)
{
	const char *path = t_strconcat(quarantine->path, ".lock", NULL);
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (fd == -1 || flock(fd, LOCK_EX) < 0) {
		e_error(quarantine->event, "lock(%s) failed: %m", path);
		i_close_fd(&fd);
	}
	return fd;
}

static struct msgraph_quarantined *
quarantine_lookup(struct msgraph_quarantine *quarantine, const char *id,
		  enum msgraph_quarantine_kind kind)
{
	struct msgraph_quarantined *entry;

	quarantine_refresh(quarantine);
	array_foreach_modifiable(&quarantine->entries, entry) {
		if (entry->kind == kind && strcmp(entry->id, id) == 0)
			return entry;
	}
	return NULL;
}

const struct msgraph_quarantined *
msgraph_quarantine_find(struct msgraph_quarantine *quarantine, const char *id,
			enum msgraph_quarantine_kind kind)
{
	return quarantine_lookup(quarantine, id, kind);
}

unsigned int msgraph_quarantine_count(struct msgraph_quarantine *quarantine)
{
	quarantine_refresh(quarantine);
	return array_count(&quarantine->entries);
}

const struct msgraph_quarantined *
msgraph_quarantine_get(struct msgraph_quarantine *quarantine, unsigned int i)
{
	return array_idx(&quarantine->entries, i);
}

static const char *quarantine_reason(const struct graph_failure *fail)
{
	if (*fail->code != '\0')
		return fail->code;
	return fail->status == 200 || fail->status == 0 ?
		graph_error_name(fail->error) :
		t_strdup_printf("HTTP-%d", fail->status);
}

static void quarantine_add(struct msgraph_quarantine *quarantine,
			   const char *id, enum msgraph_quarantine_kind kind,
			   const char *reason)
{
	time_t now = time(NULL);
	struct msgraph_quarantined *entry, fresh = {
		.kind = kind, .since = now
	};

	entry = quarantine_lookup(quarantine, id, kind);
	if (entry == NULL) {
		if (array_count(&quarantine->entries) >= QUARANTINE_MAX)
			return;
		fresh.id = p_strdup(quarantine->pool, id);
		fresh.next = now;
		array_push_back(&quarantine->entries, &fresh);
		entry = array_back_modifiable(&quarantine->entries);
	}
	/* nobody has tried for so long: that was another change */
	if (kind == MSGRAPH_QUARANTINE_CHANGE &&
	    now - entry->next > QUARANTINE_CHANGE_MIN_AGE_SECS) {
		entry->since = now;
		entry->tries = 0;
	}
	entry->tries++;
	entry->next = now + (kind == MSGRAPH_QUARANTINE_CHANGE ?
		msgraph_quarantine_change_pause(now - entry->since) :
		msgraph_quarantine_pause(entry->tries));
	entry->reason = p_strdup(quarantine->pool, reason);
	quarantine_write(quarantine);
}

void msgraph_quarantine_failed(struct msgraph_quarantine *quarantine,
			       const char *id,
			       enum msgraph_quarantine_kind kind,
			       const struct graph_failure *fail)
{
	int fd;

	/* ids are letters; what is not would break the lines */
	if (strpbrk(id, " \t\r\n") != NULL)
		return;
	T_BEGIN {
		fd = quarantine_lock(quarantine);
		if (fd != -1) {
			quarantine_add(quarantine, id, kind, t_str_replace(
				quarantine_reason(fail), ' ', '-'));
		}
		i_close_fd(&fd);
	} T_END;
}

void msgraph_quarantine_remove(struct msgraph_quarantine *quarantine,
			       const char *id,
			       enum msgraph_quarantine_kind kind)
{
	struct msgraph_quarantined *entry;
	int fd;

	if (quarantine_lookup(quarantine, id, kind) == NULL)
		return;
	T_BEGIN {
		fd = quarantine_lock(quarantine);
		entry = fd == -1 ? NULL :
			quarantine_lookup(quarantine, id, kind);
		if (entry != NULL) {
			array_delete(&quarantine->entries, array_ptr_to_idx(
				&quarantine->entries, entry), 1);
			quarantine_write(quarantine);
		}
		i_close_fd(&fd);
	} T_END;
}
