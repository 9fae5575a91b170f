#include "mstoken-refresh.h"
#include "mstoken-store.h"
#include "msnet-buf.h"
#include "msnet-secret.h"
#include "msnet-transport.h"

#include <openssl/evp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

/* renew when less than this is left */
#define REFRESH_BEFORE_SECS 300
/* and this is left at least when a token is given out although the login host
   cannot be reached */
#define REFRESH_MIN_LEFT_SECS 30
/* A failure is the answer for this long, so that many impatient mail programs
   are no storm at the login host (AADSTS50196). */
#define REFRESH_HOLD_SECS 3

struct refresh_entry {
	struct refresh_entry *next;
	char *address;
	char *token;
	time_t expires;			/* CLOCK_MONOTONIC seconds */

	/* a thread is at the login host for this account */
	bool busy;
	/* rises with each finished refresh, for those who waited for it */
	unsigned int round;
	int result;
	struct mstoken_failure fail;
	time_t failed;			/* CLOCK_MONOTONIC seconds, 0 = not */
	/* rises when the account is linked anew or unlinked: what a refresh
	   brings that began before is not for it */
	unsigned int generation;
};

struct mstoken_refresher {
	struct mstoken_refresher_settings set;
	pthread_mutex_t mutex;
	pthread_cond_t cond;
	/* entries are never removed before the end, so that a thread may wait
	   on one without the mutex being held all the time */
	struct refresh_entry *entries;
};

static time_t monotonic_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec;
}

struct mstoken_refresher *
mstoken_refresher_create(const struct mstoken_refresher_settings *set)
{
	struct mstoken_refresher *refresher = msnet_malloc(sizeof(*refresher));

	refresher->set = *set;
	pthread_mutex_init(&refresher->mutex, NULL);
	pthread_cond_init(&refresher->cond, NULL);
	return refresher;
}

void mstoken_refresher_destroy(struct mstoken_refresher **_refresher)
{
	struct mstoken_refresher *refresher = *_refresher;
	struct refresh_entry *entry;

	if (refresher == NULL)
		return;
	*_refresher = NULL;
	while ((entry = refresher->entries) != NULL) {
		refresher->entries = entry->next;
		msnet_secret_free(&entry->token);
		free(entry->address);
		free(entry);
	}
	pthread_cond_destroy(&refresher->cond);
	pthread_mutex_destroy(&refresher->mutex);
	free(refresher);
}

static struct refresh_entry *
entry_get(struct mstoken_refresher *refresher, const char *address)
{
	struct refresh_entry *entry;

	for (entry = refresher->entries; entry != NULL; entry = entry->next) {
		if (strcasecmp(entry->address, address) == 0)
			return entry;
	}
	entry = msnet_malloc(sizeof(*entry));
	entry->address = msnet_strdup(address);
	entry->next = refresher->entries;
	refresher->entries = entry;
	return entry;
}

static void entry_set_token(struct refresh_entry *entry, const char *token,
			    unsigned int expires_in)
{
	msnet_secret_free(&entry->token);
	entry->token = msnet_strdup(token);
	entry->expires = monotonic_now() + (time_t)expires_in;
}

static bool token_is_rejected(const char *token, const char *rejected_hash)
{
	unsigned char digest[32];
	char hash[65];
	size_t i;

	if (rejected_hash == NULL)
		return false;
	if (EVP_Digest(token, strlen(token), digest, NULL,
		       EVP_sha256(), NULL) != 1)
		abort();
	for (i = 0; i < sizeof(digest); i++)
		snprintf(hash + i * 2, 3, "%02x", digest[i]);
	return strcmp(hash, rejected_hash) == 0;
}

static bool entry_is_usable(const struct refresh_entry *entry,
			    const char *rejected_hash, time_t min_left)
{
	return entry->token != NULL &&
		entry->expires - monotonic_now() >= min_left &&
		!token_is_rejected(entry->token, rejected_hash);
}

/*
 * One refresh, without the mutex
 */

static int
refresh_store_result(struct mstoken_refresher *refresher,
		     const struct mstoken_account *account,
		     struct mstoken_grant *grant,
		     struct mstoken_failure *fail)
{
	const char *token = grant->refresh_token != NULL ?
		grant->refresh_token : account->refresh_token;
	int ret;

	ret = mstoken_store_set_token(refresher->set.store, account->address,
				      account->version, account->tid, token);
	if (ret < 0) {
		fail->state = MSTOKEN_STATE_UNREACHABLE;
		snprintf(fail->message, sizeof(fail->message),
			 "the account store cannot be written: %s",
			 mstoken_store_error(refresher->set.store));
		return -1;
	}
	/* 0: linked anew meanwhile; its newer token stays, and the access token
	   in hand is good all the same */
	return 0;
}

static int
refresh_account(struct mstoken_refresher *refresher,
		const struct mstoken_account *account,
		struct mstoken_grant *grant_r, struct mstoken_failure *fail_r)
{
	const struct mstoken_refresher_settings *set = &refresher->set;
	struct msnet_transport *transport;
	struct mstoken_app app;
	int ret;

	set->app_get(set->context, &app);
	transport = set->transport_create(set->context);
	ret = mstoken_flow_refresh(transport, &app, account->refresh_token,
				   set->timeout_msecs, grant_r, fail_r);
	msnet_transport_destroy(&transport);
	set->app_release(set->context, &app);
	if (ret == 0)
		return refresh_store_result(refresher, account, grant_r,
					    fail_r);
	/* A network failure is no verdict on the account: it replaces none. */
	if (fail_r->state != MSTOKEN_STATE_UNREACHABLE ||
	    account->state == MSTOKEN_STATE_OK) {
		(void)mstoken_store_set_state(set->store, account->address,
					      account->version, fail_r->state,
					      fail_r->message);
	}
	return -1;
}

static int
refresh_run(struct mstoken_refresher *refresher, const char *address,
	    struct mstoken_grant *grant_r, struct mstoken_failure *fail_r)
{
	struct mstoken_account account;
	int ret;

	memset(grant_r, 0, sizeof(*grant_r));
	memset(fail_r, 0, sizeof(*fail_r));
	ret = mstoken_store_get(refresher->set.store, address, &account);
	if (ret < 0) {
		fail_r->state = MSTOKEN_STATE_UNREACHABLE;
		snprintf(fail_r->message, sizeof(fail_r->message),
			 "the account store cannot be read: %s",
			 mstoken_store_error(refresher->set.store));
		return -1;
	}
	if (ret == 0) {
		fail_r->state = MSTOKEN_STATE_NOT_LINKED;
		snprintf(fail_r->message, sizeof(fail_r->message),
			 "the account is not linked: ask for a link "
			 "(msgraphctl link)");
		return -1;
	}
	if (account.refresh_token[0] == '\0') {
		fail_r->state = MSTOKEN_STATE_NEEDS_SIGN_IN;
		snprintf(fail_r->message, sizeof(fail_r->message),
			 "the stored token cannot be opened with this "
			 "key_file and client_id: link the account again");
		ret = -1;
	} else {
		ret = refresh_account(refresher, &account, grant_r, fail_r);
	}
	mstoken_account_deinit(&account);
	return ret;
}

/* Called with the mutex held; gives it up while at the login host. */
static void
entry_refresh(struct mstoken_refresher *refresher, struct refresh_entry *entry)
{
	struct mstoken_grant grant;
	struct mstoken_failure fail;
	unsigned int generation = entry->generation;
	int ret;

	entry->busy = true;
	pthread_mutex_unlock(&refresher->mutex);
	ret = refresh_run(refresher, entry->address, &grant, &fail);
	pthread_mutex_lock(&refresher->mutex);
	if (generation != entry->generation) {
		ret = 0;
		memset(&fail, 0, sizeof(fail));
	} else if (ret == 0)
		entry_set_token(entry, grant.access_token, grant.expires_in);
	entry->failed = ret == 0 ? 0 : monotonic_now();
	mstoken_grant_deinit(&grant);
	entry->result = ret;
	entry->fail = fail;
	entry->busy = false;
	entry->round++;
	pthread_cond_broadcast(&refresher->cond);
}

int mstoken_refresher_get(struct mstoken_refresher *refresher,
			  const char *address, const char *rejected_hash,
			  char **token_r, unsigned int *expires_in_r,
			  struct mstoken_failure *fail_r)
{
	struct refresh_entry *entry;
	time_t min_left = REFRESH_BEFORE_SECS;
	unsigned int round;
	int ret = 0;

	memset(fail_r, 0, sizeof(*fail_r));
	*token_r = NULL;
	pthread_mutex_lock(&refresher->mutex);
	entry = entry_get(refresher, address);
	if (!entry_is_usable(entry, rejected_hash, min_left)) {
		if (entry->busy) {
			round = entry->round;
			while (entry->round == round)
				pthread_cond_wait(&refresher->cond,
						  &refresher->mutex);
		} else if (entry->failed == 0 || monotonic_now() -
			   entry->failed >= REFRESH_HOLD_SECS) {
			entry_refresh(refresher, entry);
		}
		ret = entry->result;
		*fail_r = entry->fail;
		/* short-lived tokens are good until nearly their end, and so is
		   an old one while nobody can be asked */
		min_left = ret == 0 ? 0 : REFRESH_MIN_LEFT_SECS;
		if (ret < 0 && fail_r->state == MSTOKEN_STATE_UNREACHABLE &&
		    entry_is_usable(entry, rejected_hash, min_left))
			ret = 0;
	}
	if (ret == 0 && entry->token != NULL) {
		time_t left = entry->expires - monotonic_now();

		*token_r = msnet_strdup(entry->token);
		*expires_in_r = left > 0 ? (unsigned int)left : 0;
	} else if (ret == 0) {
		/* unlinked in the same moment */
		fail_r->state = MSTOKEN_STATE_NOT_LINKED;
		snprintf(fail_r->message, sizeof(fail_r->message),
			 "the account is not linked");
		ret = -1;
	}
	pthread_mutex_unlock(&refresher->mutex);
	return ret;
}

void mstoken_refresher_put(struct mstoken_refresher *refresher,
			   const char *address, const char *token,
			   unsigned int expires_in)
{
	struct refresh_entry *entry;

	pthread_mutex_lock(&refresher->mutex);
	entry = entry_get(refresher, address);
	entry->generation++;
	entry->failed = 0;
	entry_set_token(entry, token, expires_in);
	pthread_mutex_unlock(&refresher->mutex);
}

void mstoken_refresher_forget(struct mstoken_refresher *refresher,
			      const char *address)
{
	struct refresh_entry *entry;

	pthread_mutex_lock(&refresher->mutex);
	entry = entry_get(refresher, address);
	entry->generation++;
	entry->failed = 0;
	msnet_secret_free(&entry->token);
	pthread_mutex_unlock(&refresher->mutex);
}
