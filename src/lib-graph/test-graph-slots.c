/* The limit over processes: never more than four holders, and a killed one
   gives its slot back. */

#include "graph-slots.h"
#include "mstest.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char dir[64];

static pid_t hold_in_child(unsigned int weight, int *got_fd_r)
{
	int fds[2];
	pid_t pid;

	if (pipe(fds) < 0)
		abort();
	pid = fork();
	if (pid == 0) {
		struct graph_slots *slots = graph_slots_create(dir);
		graph_slot_set set = 0;
		char got = graph_slots_take(slots, weight, false, &set) ? 'y' : 'n';

		if (write(fds[1], &got, 1) < 0)
			_exit(1);
		pause();
		_exit(0);
	}
	(void)close(fds[1]);
	*got_fd_r = fds[0];
	return pid;
}

static char answer(int fd)
{
	char got = '?';

	if (read(fd, &got, 1) < 0)
		got = '!';
	(void)close(fd);
	return got;
}

static void end(pid_t pid)
{
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
}

int main(void)
{
	struct graph_slots *slots, *other;
	graph_slot_set set = 0, set2 = 0;
	pid_t pids[4], pid;
	unsigned int i;
	char path[96];
	int fd;

	snprintf(dir, sizeof(dir), "test-slots.%ld", (long)getpid());
	T_CHECK(mkdir(dir, 0700) == 0);
	for (i = 0; i < 4; i++) {
		pids[i] = hold_in_child(1, &fd);
		T_CHECK(answer(fd) == 'y');
	}
	slots = graph_slots_create(dir);
	T_CHECK(!graph_slots_take(slots, 1, false, &set) && set == 0);
	end(pids[2]);
	T_CHECK(graph_slots_take(slots, 1, false, &set) && set != 0);
	pid = hold_in_child(1, &fd);
	T_CHECK(answer(fd) == 'n');
	end(pid);
	graph_slots_release(slots, &set);
	for (i = 0; i < 4; i++) {
		if (i != 2)
			end(pids[i]);
	}
	T_CHECK(graph_slots_take(slots, 4, false, &set));
	other = graph_slots_create(dir);
	T_CHECK(!graph_slots_take(other, 1, false, &set2));
	graph_slots_release(slots, &set);
	T_CHECK(graph_slots_take(other, 1, false, &set2));

	/* one is left to others, and who is urgent is known to them */
	graph_slots_release(other, &set2);
	for (i = 0; i < 3; i++) {
		set = 0;
		T_CHECK(graph_slots_take(slots, 1, true, &set));
	}
	set = 0;
	T_CHECK(!graph_slots_take(slots, 1, true, &set));
	T_CHECK(graph_slots_take(other, 1, false, &set2));
	T_CHECK(!graph_slots_urgent(slots));
	graph_slots_set_urgent(other, true);
	T_CHECK(graph_slots_urgent(slots) && !graph_slots_urgent(other));
	graph_slots_set_urgent(other, false);
	T_CHECK(!graph_slots_urgent(slots));

	/* the hold is seen by all, and never shortened */
	graph_slots_hold(slots, 5000);
	graph_slots_hold(other, 4000);
	T_CHECK(graph_slots_hold_until(other) == 5000);
	graph_slots_destroy(&slots);
	graph_slots_destroy(&other);

	for (i = 0; i < 4; i++) {
		snprintf(path, sizeof(path), "%s/slot.%u", dir, i);
		(void)unlink(path);
	}
	snprintf(path, sizeof(path), "%s/hold", dir);
	(void)unlink(path);
	snprintf(path, sizeof(path), "%s/urgent", dir);
	(void)unlink(path);
	(void)rmdir(dir);
	T_RETURN();
}
