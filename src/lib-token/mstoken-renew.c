/* One renewal at the login host: under a lease, so that of several daemons one
   does it, and over when its result is stored. */

#include "mstoken-refresh-private.h"
#include "mstoken-claims.h"
#include "msnet-buf.h"
#include "msnet-secret.h"
#include "msnet-transport.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A lease outlives the request by this; who died with one is waited for. */
#define LEASE_EXTRA_SECS 5
/* how often to look whether another daemon is done */
#define LEASE_POLL_USECS 100000

static int renew_fail(struct mstoken_failure *fail, enum mstoken_state state,
		      const char *what, const char *detail)
{
	fail->state = state;
	snprintf(fail->message, sizeof(fail->message), "%s%s%s", what,
		 *detail == '\0' ? "" : ": ", detail);
	return -1;
}

static int renew_read(struct mstoken_refresher *refresher, const char *address,
		      struct mstoken_account *account_r,
		      struct mstoken_failure *fail)
{
	int ret = mstoken_store_get(refresher->set.store, address, account_r);

	if (ret < 0) {
		return renew_fail(fail, MSTOKEN_STATE_UNREACHABLE,
				  "the account store cannot be read",
				  mstoken_store_error(refresher->set.store));
	}
	return ret > 0 ? 0 : renew_fail(fail, MSTOKEN_STATE_NOT_LINKED,
		"the account is not linked: ask for a link (msgraphctl link)",
		"");
}

/* Is there a token that another daemon, or a new link, has brought? One that
   came while we looked is the newest there can be, however short its life. */
static bool account_is_fresh(const struct mstoken_account *account,
			     int64_t seen_version, const char *rejected_hash)
{
	int64_t left = account->access_expires - (int64_t)time(NULL);

	return account->access_token[0] != '\0' &&
		left >= (account->version != seen_version ? 1 :
			 REFRESH_BEFORE_SECS) &&
		!mstoken_token_is_rejected(account->access_token,
					   rejected_hash);
}

static void account_free(struct mstoken_account **account)
{
	if (*account == NULL)
		return;
	mstoken_account_deinit(*account);
	free(*account);
	*account = NULL;
}

/*
 * Storing the result
 */

static int pending_store(struct mstoken_refresher *refresher,
			 struct refresh_entry *entry,
			 struct mstoken_failure *fail)
{
	struct mstoken_account *pending = entry->pending;
	struct mstoken_tokens tokens = {
		.refresh_token = pending->refresh_token,
		.access_token = pending->access_token,
		.access_expires = pending->access_expires,
		.registration = pending->registration,
	};

	if (mstoken_store_set_token(refresher->set.store, entry->address,
				    pending->version, pending->tid,
				    &tokens) < 0) {
		return renew_fail(fail, MSTOKEN_STATE_UNREACHABLE,
			"the account store cannot be written; the new token is "
			"kept in memory until it can",
			mstoken_store_error(refresher->set.store));
	}
	/* or there is a newer one by now, or no account */
	account_free(&entry->pending);
	return 0;
}

static void pending_set(struct refresh_entry *entry,
			struct mstoken_account *account,
			const struct mstoken_grant *grant)
{
	entry->pending = msnet_malloc(sizeof(*entry->pending));
	*entry->pending = *account;
	memset(account, 0, sizeof(*account));
	account = entry->pending;
	/* none in the answer: the old one stays */
	if (grant->refresh_token != NULL) {
		msnet_secret_free(&account->refresh_token);
		account->refresh_token = msnet_strdup(grant->refresh_token);
	}
	msnet_secret_free(&account->access_token);
	account->access_token = msnet_strdup(grant->access_token);
	account->access_expires = (int64_t)time(NULL) + grant->expires_in;
}

static void pending_warn(struct mstoken_refresher *refresher,
			 const struct refresh_entry *entry,
			 const struct mstoken_failure *fail)
{
	struct msnet_buf buf = { 0 };

	msnet_buf_printf(&buf, "%s: %s", entry->address, fail->message);
	refresher->set.warn(refresher->set.context, buf.data);
	msnet_buf_free(&buf);
}

/*
 * The request
 */

static int fail_no_registration(const struct mstoken_account *account,
				struct mstoken_failure *fail)
{
	fail->state = MSTOKEN_STATE_MISCONFIGURED;
	snprintf(fail->message, sizeof(fail->message),
		 "the configuration has no [registration %.100s], with which "
		 "the account was linked: put it back, or link the account "
		 "again; to be done by %s", account->registration,
		 mstoken_actor_name(MSTOKEN_ACTOR_OPERATOR));
	return -1;
}

static int
renew_request(struct mstoken_refresher *refresher,
	      const struct mstoken_account *account, const char *challenge,
	      struct mstoken_grant *grant_r, struct mstoken_failure *fail)
{
	const struct mstoken_refresher_settings *set = &refresher->set;
	struct msnet_transport *transport;
	struct mstoken_app app;
	char *claims;
	int ret;

	if (set->app_get(set->context, account->registration, &app) < 0)
		return fail_no_registration(account, fail);
	claims = mstoken_claims(challenge, app.answers_challenges);
	transport = set->transport_create(set->context);
	ret = app.app_only ?
		mstoken_flow_app_only(transport, &app, claims,
				      set->timeout_msecs, grant_r, fail) :
		mstoken_flow_refresh(transport, &app, account->refresh_token,
				     claims, set->timeout_msecs, grant_r, fail);
	free(claims);
	msnet_transport_destroy(&transport);
	set->app_release(set->context, &app);
	if (set->renewed != NULL)
		set->renewed(set->context, account->address,
			     ret < 0 ? fail : NULL);
	/* A network failure is no verdict on the account: it replaces none. */
	if (ret < 0 && (fail->state != MSTOKEN_STATE_UNREACHABLE ||
			account->state == MSTOKEN_STATE_OK)) {
		(void)mstoken_store_set_state(set->store, account->address,
					      account->version, fail->state,
					      fail->message);
	}
	return ret;
}

/* Under the lease; account is used up. */
static int
renew_leased(struct mstoken_refresher *refresher, struct refresh_entry *entry,
	     struct mstoken_account *account, const char *challenge,
	     struct mstoken_failure *fail)
{
	struct mstoken_grant grant;
	int ret;

	memset(&grant, 0, sizeof(grant));
	ret = renew_request(refresher, account, challenge, &grant, fail);
	if (ret < 0) {
		(void)mstoken_store_release(refresher->set.store,
					    entry->address, refresher->owner);
	} else {
		pending_set(entry, account, &grant);
		ret = pending_store(refresher, entry, fail);
		if (ret < 0)
			pending_warn(refresher, entry, fail);
	}
	mstoken_grant_deinit(&grant);
	return ret;
}

/* Is there something to renew it with? */
static int check_renewable(struct mstoken_refresher *refresher,
			   const struct mstoken_account *account,
			   struct mstoken_failure *fail)
{
	const struct mstoken_refresher_settings *set = &refresher->set;
	struct mstoken_app app;
	bool app_only;

	if (set->app_get(set->context, account->registration, &app) < 0) {
		(void)fail_no_registration(account, fail);
		(void)mstoken_store_set_state(set->store, account->address,
					      account->version, fail->state,
					      fail->message);
		return -1;
	}
	app_only = app.app_only;
	set->app_release(set->context, &app);
	if (app_only || account->refresh_token[0] != '\0')
		return 0;
	if (account->missing_key != NULL) {
		return renew_fail(fail, MSTOKEN_STATE_MISCONFIGURED,
			"the token is sealed with a key that is not in "
			"key_file, put it back", account->missing_key);
	}
	return renew_fail(fail, MSTOKEN_STATE_NEEDS_SIGN_IN,
		"the stored token cannot be opened with this key_file and "
		"client_id: link the account again", "");
}

/* Returns 1: account_r has a token that may be used; 0: the lease is ours; -1. */
static int
renew_wait(struct mstoken_refresher *refresher, const char *address,
	   const char *rejected_hash, struct mstoken_account *account_r,
	   struct mstoken_failure *fail)
{
	unsigned int secs = refresher->set.timeout_msecs / 1000 +
		LEASE_EXTRA_SECS;
	time_t give_up = time(NULL) + secs + 1;
	int64_t seen_version = 0;
	int ret;

	for (;;) {
		if (renew_read(refresher, address, account_r, fail) < 0)
			return -1;
		if (seen_version == 0)
			seen_version = account_r->version;
		if (account_is_fresh(account_r, seen_version, rejected_hash))
			return 1;
		if (check_renewable(refresher, account_r, fail) < 0)
			break;
		ret = mstoken_store_lease(refresher->set.store, address,
					  account_r->version, refresher->owner,
					  secs);
		if (ret > 0)
			return 0;
		if (ret < 0) {
			(void)renew_fail(fail, MSTOKEN_STATE_UNREACHABLE,
				"the account store cannot be written",
				mstoken_store_error(refresher->set.store));
			break;
		}
		if (time(NULL) > give_up) {
			(void)renew_fail(fail, MSTOKEN_STATE_UNREACHABLE,
				"another msgraph-oauthd renews the token and "
				"does not come to an end", "");
			break;
		}
		mstoken_account_deinit(account_r);
		(void)usleep(LEASE_POLL_USECS);
	}
	mstoken_account_deinit(account_r);
	return -1;
}

int mstoken_renew(struct mstoken_refresher *refresher,
		  struct refresh_entry *entry, const char *rejected_hash,
		  const char *challenge, struct mstoken_account *account_r,
		  struct mstoken_failure *fail_r)
{
	int64_t version;
	int ret;

	memset(account_r, 0, sizeof(*account_r));
	memset(fail_r, 0, sizeof(*fail_r));
	if (entry->pending != NULL &&
	    pending_store(refresher, entry, fail_r) < 0)
		return -1;
	ret = renew_wait(refresher, entry->address, rejected_hash, account_r,
			 fail_r);
	if (ret != 0)
		return ret < 0 ? -1 : 0;
	version = account_r->version;
	ret = renew_leased(refresher, entry, account_r, challenge, fail_r);
	mstoken_account_deinit(account_r);
	if (ret < 0 || renew_read(refresher, entry->address, account_r,
				  fail_r) < 0)
		return -1;
	/* what was stored; or what a link has brought in the same moment */
	if (account_is_fresh(account_r, version, rejected_hash))
		return 0;
	mstoken_account_deinit(account_r);
	return renew_fail(fail_r, MSTOKEN_STATE_UNREACHABLE,
		"the login host gave a token that is of no use", "");
}
