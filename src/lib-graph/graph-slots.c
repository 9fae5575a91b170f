#include "graph-slots.h"
#include "msnet-buf.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

/* A time further ahead comes from a clock that was set back meanwhile. */
#define GRAPH_HOLD_MAX_MSECS (3600 * 1000 + 1000)

struct graph_slots {
	char *dir;
	int fds[GRAPH_SLOTS];
	bool held[GRAPH_SLOTS];
	int hold_fd, urgent_fd;
	bool urgent;
	/* when there is no directory, or it cannot be used */
	int64_t hold_until;
};

struct graph_slots *graph_slots_create(const char *dir)
{
	struct graph_slots *slots = msnet_malloc(sizeof(*slots));
	unsigned int i;

	slots->dir = msnet_strdup(dir);
	slots->hold_fd = slots->urgent_fd = -1;
	for (i = 0; i < GRAPH_SLOTS; i++)
		slots->fds[i] = -1;
	return slots;
}

void graph_slots_destroy(struct graph_slots **_slots)
{
	struct graph_slots *slots = *_slots;
	unsigned int i;

	if (slots == NULL)
		return;
	*_slots = NULL;
	for (i = 0; i < GRAPH_SLOTS; i++) {
		if (slots->fds[i] != -1)
			(void)close(slots->fds[i]);
	}
	if (slots->hold_fd != -1)
		(void)close(slots->hold_fd);
	if (slots->urgent_fd != -1)
		(void)close(slots->urgent_fd);
	free(slots->dir);
	free(slots);
}

static int slots_open(struct graph_slots *slots, const char *name)
{
	struct msnet_buf buf = { 0 };
	int fd;

	msnet_buf_printf(&buf, "%s/%s", slots->dir, name);
	fd = open(buf.data, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	msnet_buf_free(&buf);
	return fd;
}

/* A directory that cannot be used must not stop all mail: then the limit holds
   within this process. */
static bool slot_lock(struct graph_slots *slots, unsigned int i)
{
	char name[] = "slot.0";

	if (slots->held[i])
		return false;
	if (slots->dir != NULL && slots->fds[i] == -1) {
		name[5] = (char)('0' + i);
		slots->fds[i] = slots_open(slots, name);
	}
	if (slots->fds[i] != -1 && flock(slots->fds[i], LOCK_EX | LOCK_NB) < 0)
		return false;
	slots->held[i] = true;
	return true;
}

bool graph_slots_take(struct graph_slots *slots, unsigned int weight,
		      bool leave_one, graph_slot_set *set)
{
	unsigned int i, have = (unsigned int)__builtin_popcount(*set);

	if (weight == 1) {
		/* from the other end than those who want many */
		for (i = GRAPH_SLOTS - (leave_one ? 1 : 0);
		     have == 0 && i > 0; i--) {
			if (slot_lock(slots, i - 1)) {
				*set |= 1U << (i - 1);
				have++;
			}
		}
		return have > 0;
	}
	for (i = 0; i < weight; i++) {
		if ((*set & (1U << i)) != 0)
			continue;
		if (!slot_lock(slots, i))
			return false;
		*set |= 1U << i;
	}
	return true;
}

void graph_slots_release(struct graph_slots *slots, graph_slot_set *set)
{
	unsigned int i;

	for (i = 0; i < GRAPH_SLOTS; i++) {
		if ((*set & (1U << i)) == 0)
			continue;
		slots->held[i] = false;
		if (slots->fds[i] != -1)
			(void)flock(slots->fds[i], LOCK_UN);
	}
	*set = 0;
}

static bool urgent_open(struct graph_slots *slots)
{
	if (slots->dir != NULL && slots->urgent_fd == -1)
		slots->urgent_fd = slots_open(slots, "urgent");
	return slots->urgent_fd != -1;
}

void graph_slots_set_urgent(struct graph_slots *slots, bool urgent)
{
	if (slots->urgent == urgent || !urgent_open(slots))
		return;
	/* another process may just be looking: then the next time */
	if (flock(slots->urgent_fd, urgent ? LOCK_SH | LOCK_NB : LOCK_UN) == 0)
		slots->urgent = urgent;
}

bool graph_slots_urgent(struct graph_slots *slots)
{
	if (slots->urgent || !urgent_open(slots))
		return false;
	if (flock(slots->urgent_fd, LOCK_EX | LOCK_NB) < 0)
		return true;
	(void)flock(slots->urgent_fd, LOCK_UN);
	return false;
}

int64_t graph_slots_hold_until(struct graph_slots *slots)
{
	int64_t until, latest = ((int64_t)time(NULL) + 1) * 1000 +
		GRAPH_HOLD_MAX_MSECS;

	if (slots->hold_until > latest)
		slots->hold_until = 0;
	if (slots->dir != NULL && slots->hold_fd == -1)
		slots->hold_fd = slots_open(slots, "hold");
	if (slots->hold_fd != -1 &&
	    pread(slots->hold_fd, &until, sizeof(until), 0) == sizeof(until) &&
	    until > slots->hold_until && until <= latest)
		return until;
	return slots->hold_until;
}

void graph_slots_hold(struct graph_slots *slots, int64_t until_msecs)
{
	if (graph_slots_hold_until(slots) >= until_msecs)
		return;
	slots->hold_until = until_msecs;
	/* eight bytes in one write: a reader sees the old or the new time. If
	   it cannot be written the others find out by themselves. */
	if (slots->hold_fd != -1 &&
	    pwrite(slots->hold_fd, &until_msecs, sizeof(until_msecs), 0) < 0)
		return;
}
