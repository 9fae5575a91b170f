#ifndef MSGRAPH_POLL_H
#define MSGRAPH_POLL_H

/* Who polls: many idle connections of one user do it once. Whoever comes first
   touches a file, the others see its time. Files and clocks only. */

#include <time.h>

/* times NULL = now */
void msgraph_poll_touch(const char *path, const struct timespec *times);
/* Milliseconds since the time of a file, or -1. path may be NULL. */
int64_t msgraph_poll_age(const char *path);
/* Milliseconds until this process may poll, if neither file has been touched
   by then; 0 = now. path2 may be NULL. */
unsigned int msgraph_poll_wait(unsigned int interval_msecs, const char *path,
			       const char *path2);
/* Up to a tenth of the interval later, so that many processes do not fire at
   once. */
unsigned int msgraph_poll_jitter(unsigned int interval_msecs);

/* Folders that are not selected, while a NOTIFY session is idle. The folder
   delta tells of those in which messages come and go or are read; what else
   changes in a message it does not tell. So each folder is read at least once in
   so many polls, and some earlier, so that they come together. */
#define MSGRAPH_POLL_ROUND 10

/* Milliseconds of the wall clock. */
struct msgraph_poll_folder {
	int64_t now, interval;
	/* 0 = never */
	int64_t read;
	/* when it was found by a listing of all folders, 0 = it came later;
	   when the folder delta named it last, and how many messages it has by
	   that, -1 = not told */
	int64_t listed, changed;
	int total;
	/* the folder delta can be relied on */
	bool told;
	/* its counts by the folder delta are not those of the index */
	bool differs;
};

enum msgraph_poll_need {
	MSGRAPH_POLL_NONE = 0,
	/* if others are asked for anyway */
	MSGRAPH_POLL_SPARE,
	MSGRAPH_POLL_MUST
};

/* PURE: whether to ask for its messages. */
enum msgraph_poll_need
msgraph_poll_need(const struct msgraph_poll_folder *folder);

#endif
