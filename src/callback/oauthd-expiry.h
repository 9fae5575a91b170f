#ifndef OAUTHD_EXPIRY_H
#define OAUTHD_EXPIRY_H

/* Credentials of app registrations that come to their end. */

#include <stdint.h>

struct msnet_buf;
struct oauthd;

/* One credential whose end is known. */
struct oauthd_expiry {
	char *registration;		/* heap, "" is the default one */
	const char *kind;		/* "client secret" or "certificate" */
	int64_t expires;		/* seconds since the epoch */
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

/* Log what has come nearer. Call it as often as you like. */
void oauthd_expiry_watch(struct oauthd *oauthd);
/* For "msgraphctl status": a line for each. */
void oauthd_expiry_describe(struct oauthd *oauthd, struct msnet_buf *buf);

#endif
