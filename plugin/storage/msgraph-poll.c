#include "lib.h"
#include "msgraph-poll.h"
#include "msgraph-status.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

void msgraph_poll_touch(const char *path, const struct timespec *times)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	/* If that fails this process polls for itself, which is correct too. */
	if (fd != -1) {
		(void)futimens(fd, times);
		i_close_fd(&fd);
	}
}

int64_t msgraph_poll_age(const char *path)
{
	struct timespec now;
	struct stat st;

	/* the kernel's coarse clock, which also stamps files */
	if (path == NULL || stat(path, &st) < 0 ||
	    clock_gettime(CLOCK_REALTIME, &now) < 0)
		return -1;
	return (now.tv_sec - st.st_mtim.tv_sec) * 1000LL +
		(now.tv_nsec - st.st_mtim.tv_nsec) / 1000000;
}

unsigned int msgraph_poll_wait(unsigned int interval_msecs, const char *path,
			       const char *path2)
{
	int64_t one = msgraph_poll_age(path), two = msgraph_poll_age(path2);
	int64_t age = one < 0 || (two >= 0 && two < one) ? two : one;

	if (age < 0 || age >= (int64_t)interval_msecs)
		return 0;
	return interval_msecs - age;
}

unsigned int msgraph_poll_jitter(unsigned int interval_msecs)
{
	return i_rand_limit(interval_msecs / 10 + 1);
}

enum msgraph_poll_need
msgraph_poll_need(const struct msgraph_poll_folder *folder)
{
	int64_t age = folder->now - folder->read;

	if (folder->read == 0) {
		/* nobody has asked for its messages yet: nor does NOTIFY, as
		   long as nothing is new in it */
		if (folder->total == 0)
			return MSGRAPH_POLL_NONE;
		if (folder->told ? folder->changed > folder->listed :
		    folder->total <= MSGRAPH_STATUS_FIRST_ROWS_MAX)
			return MSGRAPH_POLL_MUST;
		return MSGRAPH_POLL_NONE;
	}
	if (!folder->told || folder->read <= folder->changed ||
	    age >= folder->interval * MSGRAPH_POLL_ROUND)
		return MSGRAPH_POLL_MUST;
	if (folder->differs &&
	    folder->read <= folder->changed + MSGRAPH_STATUS_LAG_MSECS)
		return MSGRAPH_POLL_MUST;
	return age >= folder->interval * MSGRAPH_POLL_ROUND / 2 ?
		MSGRAPH_POLL_SPARE : MSGRAPH_POLL_NONE;
}
