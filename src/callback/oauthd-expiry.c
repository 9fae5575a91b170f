#include "oauthd-expiry.h"
#include "oauthd.h"
#include "msnet-buf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define DAY_SECS 86400

double oauthd_expiry_days(int64_t expires, int64_t now)
{
	return (double)(expires - now) / DAY_SECS;
}

unsigned int oauthd_expiry_stage(int64_t expires, int64_t now)
{
	int64_t left = expires - now;

	return left <= 0 ? 4 : left <= DAY_SECS ? 3 :
		left <= 7 * DAY_SECS ? 2 : left <= 30 * DAY_SECS ? 1 : 0;
}

bool oauthd_expiry_is_due(unsigned int old_stage, unsigned int stage,
			  int64_t warned_ago)
{
	return stage > old_stage || (stage >= 3 && warned_ago >= DAY_SECS);
}

struct oauthd_expiry *
oauthd_expiries_get(struct oauthd *oauthd, unsigned int *count_r)
{
	struct oauthd_expiry *list;
	unsigned int i, count = 0;

	pthread_rwlock_rdlock(&oauthd->config_lock);
	list = msnet_malloc((oauthd->config.registration_count + 1) *
			    sizeof(*list));
	for (i = 0; i < oauthd->config.registration_count; i++) {
		const struct oauthd_registration *reg =
			&oauthd->config.registrations[i];

		if (reg->client_id == NULL ||
		    !oauthd_registration_expires(reg, &list[count].expires,
						 &list[count].kind))
			continue;
		list[count++].registration = msnet_strdup(reg->name);
	}
	pthread_rwlock_unlock(&oauthd->config_lock);
	*count_r = count;
	return list;
}

void oauthd_expiries_free(struct oauthd_expiry **expiries, unsigned int count)
{
	unsigned int i;

	for (i = 0; i < count; i++)
		free((*expiries)[i].registration);
	free(*expiries);
	*expiries = NULL;
}

/* Days and date of the end. */
static void expiry_text(const struct oauthd_expiry *expiry, char *text,
			size_t size)
{
	double days = oauthd_expiry_days(expiry->expires, (int64_t)time(NULL));
	time_t end = (time_t)expiry->expires;
	char date[16] = "";
	struct tm tm;

	if (gmtime_r(&end, &tm) != NULL)
		(void)strftime(date, sizeof(date), "%Y-%m-%d", &tm);
	if (days <= 0)
		snprintf(text, size, "has expired on %s", date);
	else
		snprintf(text, size, "expires in %.0f days, on %s", days, date);
}

static void expiry_warn(const struct oauthd_expiry *expiry)
{
	char text[64], message[192];

	expiry_text(expiry, text, sizeof(text));
	snprintf(message, sizeof(message), "the %s %s: make a new one in the "
		 "app registration and put it into %s", expiry->kind, text,
		 strcmp(expiry->kind, "certificate") == 0 ?
		 "client_certificate_file" : "client_secret_next_file");
	oauthd_event("credential_expires", "registration",
		     expiry->registration[0] == '\0' ? NULL :
		     expiry->registration, "message", message, NULL);
}

/* What was warned of before is carried over from the list of before. */
static void expiry_look(struct oauthd_expiry *expiry,
			const struct oauthd_expiry *old, unsigned int count,
			int64_t now)
{
	unsigned int i, stage = oauthd_expiry_stage(expiry->expires, now);

	for (i = 0; i < count; i++) {
		if (strcmp(old[i].registration, expiry->registration) == 0 &&
		    strcmp(old[i].kind, expiry->kind) == 0) {
			expiry->stage = old[i].stage;
			expiry->warned = old[i].warned;
		}
	}
	if (oauthd_expiry_is_due(expiry->stage, stage, now - expiry->warned)) {
		expiry_warn(expiry);
		expiry->warned = now;
	}
	expiry->stage = stage;
}

void oauthd_expiry_watch(struct oauthd *oauthd)
{
	struct oauthd_expiry *list;
	unsigned int i, count;

	list = oauthd_expiries_get(oauthd, &count);
	for (i = 0; i < count; i++) {
		expiry_look(&list[i], oauthd->expiries, oauthd->expiry_count,
			    (int64_t)time(NULL));
	}
	oauthd_expiries_free(&oauthd->expiries, oauthd->expiry_count);
	oauthd->expiries = list;
	oauthd->expiry_count = count;
}

void oauthd_expiry_describe(struct oauthd *oauthd, struct msnet_buf *buf)
{
	struct oauthd_expiry *list;
	unsigned int i, count;
	char text[64];

	list = oauthd_expiries_get(oauthd, &count);
	for (i = 0; i < count; i++) {
		expiry_text(&list[i], text, sizeof(text));
		msnet_buf_printf(buf, "%s%s: the %s %s",
				 buf->used > 0 ? "\n" : "",
				 list[i].registration[0] == '\0' ?
				 "app registration" : list[i].registration,
				 list[i].kind, text);
	}
	oauthd_expiries_free(&list, count);
}
