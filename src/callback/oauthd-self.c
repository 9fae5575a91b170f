#include "oauthd-self.h"
#include "oauthd-rate.h"
#include "oauthd.h"
#include "msnet-secret.h"

#include <string.h>
#include <strings.h>
#include <time.h>

#define SELF_LIFETIME_SECS 900
#define SELF_BURST 30
#define SELF_SECS 2
#define ADDRESS_MAX 254

static struct oauthd_rate self_rate = {
	PTHREAD_MUTEX_INITIALIZER, SELF_BURST, SELF_SECS, 0
};

bool oauthd_self_is_allowed(const char *domains, const char *address)
{
	const char *domain = strchr(address, '@'), *p;
	size_t len;

	if (domain == NULL || domain == address ||
	    strlen(address) > ADDRESS_MAX || strchr(domain + 1, '@') != NULL)
		return false;
	for (p = address; *p != '\0'; p++) {
		if ((unsigned char)*p <= ' ' || strchr("\"<>\\,;:", *p) != NULL)
			return false;
	}
	domain++;
	for (; *domains != '\0'; domains += len) {
		domains += strspn(domains, " ,\t");
		len = strcspn(domains, " ,\t");
		if (len > 0 && strlen(domain) == len &&
		    strncasecmp(domains, domain, len) == 0)
			return true;
	}
	return false;
}

enum oauthd_self_result
oauthd_self_invite(struct oauthd *oauthd, const char *address,
		   char **invitation_r)
{
	struct timespec now;

	if (!oauthd_self_is_allowed(oauthd->config.allowed_domains, address))
		return OAUTHD_SELF_REFUSED;
	clock_gettime(CLOCK_MONOTONIC, &now);
	if (!oauthd_rate_take(&self_rate, now.tv_sec))
		return OAUTHD_SELF_BUSY;
	*invitation_r = msnet_secret_random_text(24);
	if (mstoken_store_invite(oauthd->store, *invitation_r, address,
				 (int64_t)time(NULL) +
				 SELF_LIFETIME_SECS) > 0) {
		oauthd_event("invited", "account", address, "by", "self",
			     NULL);
		return OAUTHD_SELF_OK;
	}
	oauthd_log("invitation not stored: %s",
		   mstoken_store_error(oauthd->store));
	msnet_secret_free(invitation_r);
	return OAUTHD_SELF_FAILED;
}
