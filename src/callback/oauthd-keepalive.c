#include "oauthd-keepalive.h"
#include "oauthd.h"
#include "msnet-buf.h"
#include "msnet-secret.h"

#include <stdlib.h>
#include <time.h>

/* a third of the 90 days, so that an outage of weeks does no harm */
#define KEEP_ALIVE_AFTER_SECS (30 * 86400)

static bool account_is_due(const struct mstoken_account *account, int64_t now)
{
	/* what was refused stays so until somebody acts */
	return (account->state == MSTOKEN_STATE_OK ||
		account->state == MSTOKEN_STATE_UNREACHABLE) &&
		account->refreshed_at < now - KEEP_ALIVE_AFTER_SECS;
}

/* Heap, NULL if none is due. Any of them, so that one which cannot be renewed
   just now does not hold up the others. */
static char *keep_alive_choose(struct oauthd *oauthd)
{
	struct mstoken_account *accounts;
	unsigned int i, count, due = 0, chosen = 0;
	int64_t now = (int64_t)time(NULL);
	uint32_t number;
	char *address = NULL;

	if (mstoken_store_list(oauthd->store, &accounts, &count) < 0) {
		oauthd_log("account store: %s",
			   mstoken_store_error(oauthd->store));
		return NULL;
	}
	for (i = 0; i < count; i++) {
		if (!account_is_due(&accounts[i], now))
			continue;
		/* the nth replaces the choice with a chance of 1/n */
		msnet_secret_random(&number, sizeof(number));
		if (number % ++due == 0)
			chosen = i;
	}
	if (due > 0)
		address = msnet_strdup(accounts[chosen].address);
	mstoken_accounts_free(&accounts, count);
	return address;
}

void oauthd_keep_alive(struct oauthd *oauthd)
{
	char *address = keep_alive_choose(oauthd), *token;
	struct mstoken_failure fail;
	unsigned int expires_in;

	if (address == NULL)
		return;
	if (mstoken_refresher_get(oauthd->refresher, address, NULL, NULL, &token,
				  &expires_in, &fail) < 0)
		oauthd_event_failure("keep_alive_failed", address, &fail);
	else
		msnet_secret_free(&token);
	free(address);
}
