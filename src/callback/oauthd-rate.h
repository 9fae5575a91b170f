#ifndef OAUTHD_RATE_H
#define OAUTHD_RATE_H

/* How often something may happen: burst times at once, then once every secs
   seconds. Thread-safe; for static use: { PTHREAD_MUTEX_INITIALIZER, ... }. */

#include <pthread.h>
#include <stdbool.h>
#include <time.h>

struct oauthd_rate {
	pthread_mutex_t mutex;
	unsigned int burst, secs;
	/* when the last one of a full burst may come; 0 at the start */
	time_t full_at;
};

/* now: CLOCK_MONOTONIC seconds. May it happen? Takes nothing. */
bool oauthd_rate_may(struct oauthd_rate *rate, time_t now);
/* The same, and it has happened. */
bool oauthd_rate_take(struct oauthd_rate *rate, time_t now);

#endif
