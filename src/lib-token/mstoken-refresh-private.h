#ifndef MSTOKEN_REFRESH_PRIVATE_H
#define MSTOKEN_REFRESH_PRIVATE_H

#include "mstoken-refresh.h"
#include "mstoken-store.h"

#include <pthread.h>
#include <time.h>

/* renew when less than this is left */
#define REFRESH_BEFORE_SECS 300

struct refresh_entry {
	struct refresh_entry *next;
	char *address;
	/* the newest that is known, and the version of the account with it */
	char *token;
	time_t expires;			/* CLOCK_MONOTONIC seconds */
	int64_t version;

	/* a thread is at the login host for this account */
	bool busy;
	/* rises with each finished refresh, for those who waited for it */
	unsigned int round;
	int result;
	struct mstoken_failure fail;
	time_t failed;			/* CLOCK_MONOTONIC seconds, 0 = not */

	/* What could not be stored; of the busy thread. The state of this
	   account is not used. */
	struct mstoken_account *pending;
};

struct mstoken_refresher {
	struct mstoken_refresher_settings set;
	char *owner;
	pthread_mutex_t mutex;
	pthread_cond_t cond;
	/* entries are never removed before the end, so that a thread may wait
	   on one without the mutex being held all the time */
	struct refresh_entry *entries;
	/* the last warning that the store cannot be read */
	time_t warned;			/* CLOCK_MONOTONIC seconds */
};

/* Is this the token that Graph refused? */
bool mstoken_token_is_rejected(const char *token, const char *rejected_hash);

/* Bring an account's token up to date, without the mutex but with entry->busy.
   Returns 0 and the account with a token that may be used, or -1. */
int mstoken_renew(struct mstoken_refresher *refresher,
		  struct refresh_entry *entry, const char *rejected_hash,
		  const char *challenge, struct mstoken_account *account_r,
		  struct mstoken_failure *fail_r);

#endif
