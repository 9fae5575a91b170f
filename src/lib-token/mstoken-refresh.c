#include "mstoken-refresh-private.h"
#include "msnet-buf.h"
#include "msnet-secret.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* This is left at least when a token is given out although the login host cannot
   be reached. */
#define REFRESH_MIN_LEFT_SECS 30
/* A failure is the answer for this long, so that many impatient mail programs
   are no storm at the login host (AADSTS50196). */
#define REFRESH_HOLD_SECS 3
/* how often it is said that the store cannot be read */
#define WARN_SECS 60

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
	refresher->owner = msnet_strdup(set->owner);
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
		if (entry->pending != NULL)
			mstoken_account_deinit(entry->pending);
		free(entry->pending);
		free(entry->address);
		free(entry);
	}
	pthread_cond_destroy(&refresher->cond);
	pthread_mutex_destroy(&refresher->mutex);
	free(refresher->owner);
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

bool mstoken_token_is_rejected(const char *token, const char *rejected_hash)
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
		!mstoken_token_is_rejected(entry->token, rejected_hash);
}

/* The database has something newer, perhaps from another daemon. */
static void entry_learn(struct refresh_entry *entry,
			const struct mstoken_account *account)
{
	/* with no token in hand, it could not be opened the last time */
	if (account->version < entry->version ||
	    (account->version == entry->version && entry->token != NULL))
		return;
	msnet_secret_free(&entry->token);
	if (account->version != entry->version)
		entry->failed = 0;
	entry->version = account->version;
	if (account->access_token[0] == '\0')
		return;
	entry->token = msnet_strdup(account->access_token);
	entry->expires = monotonic_now() +
		(time_t)(account->access_expires - (int64_t)time(NULL));
}

static void entry_forget(struct refresh_entry *entry)
{
	entry->failed = 0;
	entry->version = 0;
	msnet_secret_free(&entry->token);
}

/* Called with the mutex held; gives it up while at the login host. */
static void
entry_refresh(struct mstoken_refresher *refresher, struct refresh_entry *entry,
	      const char *rejected_hash, const char *challenge)
{
	struct mstoken_account account;
	struct mstoken_failure fail;
	int ret;

	entry->busy = true;
	pthread_mutex_unlock(&refresher->mutex);
	ret = mstoken_renew(refresher, entry, rejected_hash, challenge, &account,
			    &fail);
	pthread_mutex_lock(&refresher->mutex);
	if (ret == 0)
		entry_learn(entry, &account);
	else if (fail.state == MSTOKEN_STATE_NOT_LINKED)
		entry_forget(entry);
	entry->failed = ret == 0 ? 0 : monotonic_now();
	mstoken_account_deinit(&account);
	entry->result = ret;
	entry->fail = fail;
	entry->busy = false;
	entry->round++;
	pthread_cond_broadcast(&refresher->cond);
}

/* Called with the mutex held: wait for the thread that is at it, or do it. */
static int
entry_update(struct mstoken_refresher *refresher, struct refresh_entry *entry,
	     const char *rejected_hash, const char *challenge)
{
	unsigned int round = entry->round;

	if (entry->busy) {
		while (entry->round == round)
			pthread_cond_wait(&refresher->cond, &refresher->mutex);
	} else if (entry->failed == 0 ||
		   monotonic_now() - entry->failed >= REFRESH_HOLD_SECS) {
		entry_refresh(refresher, entry, rejected_hash, challenge);
	}
	return entry->result;
}

/* Called with the mutex held. */
static void warn_of_store(struct mstoken_refresher *refresher)
{
	struct msnet_buf buf = { 0 };

	if (refresher->warned != 0 &&
	    monotonic_now() - refresher->warned < WARN_SECS)
		return;
	refresher->warned = monotonic_now();
	msnet_buf_printf(&buf, "the account store cannot be read, tokens in "
			 "memory are handed out: %s",
			 mstoken_store_error(refresher->set.store));
	refresher->set.warn(refresher->set.context, buf.data);
	msnet_buf_free(&buf);
}

/* What the database says of the account first: it may have been unlinked or
   linked anew by another daemon. -1: no such account. */
static int
entry_look(struct mstoken_refresher *refresher, const char *address,
	   struct refresh_entry **entry_r)
{
	struct mstoken_account account;
	int ret = mstoken_store_get(refresher->set.store, address, &account);

	pthread_mutex_lock(&refresher->mutex);
	*entry_r = entry_get(refresher, address);
	if (ret > 0) {
		entry_learn(*entry_r, &account);
		mstoken_account_deinit(&account);
	} else if (ret == 0) {
		entry_forget(*entry_r);
	} else {
		/* while it cannot be asked, what is in memory is good */
		warn_of_store(refresher);
	}
	return ret == 0 ? -1 : 0;
}

int mstoken_refresher_get(struct mstoken_refresher *refresher,
			  const char *address, const char *rejected_hash,
			  const char *challenge, char **token_r, unsigned int *expires_in_r,
			  struct mstoken_failure *fail_r)
{
	struct refresh_entry *entry;
	time_t left, min_left = REFRESH_BEFORE_SECS;
	int ret;

	memset(fail_r, 0, sizeof(*fail_r));
	*token_r = NULL;
	ret = entry_look(refresher, address, &entry);
	if (ret == 0 && !entry_is_usable(entry, rejected_hash, min_left)) {
		ret = entry_update(refresher, entry, rejected_hash, challenge);
		*fail_r = entry->fail;
		/* an old one is good until nearly its end while nobody can be
		   asked */
		min_left = REFRESH_MIN_LEFT_SECS;
		if (ret < 0 && fail_r->state == MSTOKEN_STATE_UNREACHABLE &&
		    entry_is_usable(entry, rejected_hash, min_left))
			ret = 0;
	}
	if (ret == 0 && entry->token != NULL) {
		left = entry->expires - monotonic_now();
		*token_r = msnet_strdup(entry->token);
		*expires_in_r = left > 0 ? (unsigned int)left : 0;
	} else if (fail_r->message[0] == '\0') {
		fail_r->state = MSTOKEN_STATE_NOT_LINKED;
		snprintf(fail_r->message, sizeof(fail_r->message),
			 "the account is not linked: ask for a link "
			 "(msgraphctl link)");
		ret = -1;
	}
	pthread_mutex_unlock(&refresher->mutex);
	return ret;
}

void mstoken_refresher_forget(struct mstoken_refresher *refresher,
			      const char *address)
{
	pthread_mutex_lock(&refresher->mutex);
	entry_forget(entry_get(refresher, address));
	pthread_mutex_unlock(&refresher->mutex);
}

unsigned int mstoken_refresher_flush(struct mstoken_refresher *refresher)
{
	struct refresh_entry *entry;
	unsigned int count = 0;

	pthread_mutex_lock(&refresher->mutex);
	for (entry = refresher->entries; entry != NULL; entry = entry->next) {
		if (entry->busy)
			continue;
		if (entry->pending != NULL)
			entry_refresh(refresher, entry, NULL, NULL);
		if (entry->pending != NULL)
			count++;
	}
	pthread_mutex_unlock(&refresher->mutex);
	return count;
}
