#ifndef OAUTHD_EXPIRY_H
#define OAUTHD_EXPIRY_H

/* Credentials of app registrations that come to their end. */

#include <stdbool.h>
#include <stdint.h>

struct msnet_buf;
struct oauthd;

/* One credential whose end is known. */
struct oauthd_expiry {
	char *registration;		/* heap, "" is the default one */
	const char *kind;		/* "client secret" or "certificate" */
	int64_t expires;		/* seconds since the epoch */
	/* of oauthd_expiry_watch(): how near it was at the last look, and when
	   that was logged */
	unsigned int stage;
	int64_t warned;
};

/* All of them, heap; free with oauthd_expiries_free(). */
struct oauthd_expiry *
oauthd_expiries_get(struct oauthd *oauthd, unsigned int *count_r);
void oauthd_expiries_free(struct oauthd_expiry **expiries, unsigned int count);

/* PURE: days from now, negative when it is over. */
double oauthd_expiry_days(int64_t expires, int64_t now);
/* PURE: 0 = far away, 1 = less than 30 days, 2 = less than 7, 3 = less than one,
   4 = over. */
unsigned int oauthd_expiry_stage(int64_t expires, int64_t now);

/* PURE: is it to be logged? At 30, 7 and 1 days, and from then on daily; each
   credential for itself. warned_ago: seconds since it was logged last. */
bool oauthd_expiry_is_due(unsigned int old_stage, unsigned int stage,
			  int64_t warned_ago);

/* Log what has come nearer. Call it as often as you like. */
void oauthd_expiry_watch(struct oauthd *oauthd);
/* For "msgraphctl status": a line for each. */
void oauthd_expiry_describe(struct oauthd *oauthd, struct msnet_buf *buf);

#endif
