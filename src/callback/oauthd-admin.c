#include "oauthd-admin.h"
#include "oauthd-rate.h"
#include "oauthd.h"
#include "mstoken-pkce.h"
#include "msnet-buf.h"
#include "msnet-secret.h"

#include <crypt.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SESSIONS_MAX 16
#define SESSION_IDLE_SECS 1800
#define SESSION_MAX_SECS (8 * 3600)
/* All come from the proxy's address: the limit is for everybody together. */
#define WRONG_BURST 5
#define WRONG_SECS 20
#define HASH_MAX 512

struct admin_session {
	char *secret;			/* NULL = free */
	time_t idle_until, until;	/* CLOCK_MONOTONIC seconds */
};

struct oauthd_admin {
	struct oauthd *oauthd;
	pthread_mutex_t mutex;
	struct admin_session sessions[SESSIONS_MAX];
	struct oauthd_rate wrong;
	/* one password at a time: checking takes a while on purpose */
	pthread_mutex_t check_mutex;
};

static time_t monotonic_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec;
}

struct oauthd_admin *oauthd_admin_create(struct oauthd *oauthd)
{
	struct oauthd_admin *admin = msnet_malloc(sizeof(*admin));

	admin->oauthd = oauthd;
	admin->wrong.burst = WRONG_BURST;
	admin->wrong.secs = WRONG_SECS;
	pthread_mutex_init(&admin->wrong.mutex, NULL);
	pthread_mutex_init(&admin->mutex, NULL);
	pthread_mutex_init(&admin->check_mutex, NULL);
	return admin;
}

void oauthd_admin_destroy(struct oauthd_admin **_admin)
{
	struct oauthd_admin *admin = *_admin;
	unsigned int i;

	if (admin == NULL)
		return;
	*_admin = NULL;
	for (i = 0; i < SESSIONS_MAX; i++)
		msnet_secret_free(&admin->sessions[i].secret);
	pthread_mutex_destroy(&admin->wrong.mutex);
	pthread_mutex_destroy(&admin->mutex);
	pthread_mutex_destroy(&admin->check_mutex);
	free(admin);
}

/*
 * Password
 */

/* The file is read each time, so that a new password counts at once. */
static bool admin_read_hash(struct oauthd_admin *admin, char hash_r[HASH_MAX])
{
	const char *path = admin->oauthd->config.admin_password_file;
	FILE *file = fopen(path, "re");
	bool ok = file != NULL && fgets(hash_r, HASH_MAX, file) != NULL;

	if (file == NULL)
		oauthd_event("admin_broken", "message", strerror(errno),
			     "file", path, NULL);
	else
		(void)fclose(file);
	if (!ok)
		return false;
	hash_r[strcspn(hash_r, "\r\n")] = '\0';
	/* what is no hash would be a weak one of the oldest kind */
	if (hash_r[0] != '$') {
		oauthd_event("admin_broken", "file", path, "message",
			     "it must have a hash, as of openssl passwd -6",
			     NULL);
		return false;
	}
	return true;
}

static bool password_fits(const char *password, const char *hash)
{
	struct crypt_data *data = msnet_malloc(sizeof(*data));
	const char *got = crypt_r(password, hash, data);
	bool fits = got != NULL && *got != '*' &&
		msnet_secret_equals(got, hash);

	msnet_secret_wipe(data, sizeof(*data));
	free(data);
	return fits;
}

static char *session_add(struct oauthd_admin *admin)
{
	struct admin_session *session = &admin->sessions[0];
	time_t now = monotonic_now();
	unsigned int i;
	char *secret;

	pthread_mutex_lock(&admin->mutex);
	/* a free one, or the one that ends first */
	for (i = 0; i < SESSIONS_MAX && session->secret != NULL; i++) {
		if (admin->sessions[i].secret == NULL ||
		    admin->sessions[i].idle_until < session->idle_until)
			session = &admin->sessions[i];
	}
	msnet_secret_free(&session->secret);
	session->secret = msnet_secret_random_text(24);
	session->idle_until = now + SESSION_IDLE_SECS;
	session->until = now + SESSION_MAX_SECS;
	secret = msnet_strdup(session->secret);
	pthread_mutex_unlock(&admin->mutex);
	return secret;
}

enum oauthd_admin_login
oauthd_admin_login(struct oauthd_admin *admin, const char *password,
		   char **session_r)
{
	char hash[HASH_MAX];
	bool fits;

	if (!oauthd_rate_may(&admin->wrong, monotonic_now()))
		return OAUTHD_ADMIN_BUSY;
	if (!admin_read_hash(admin, hash))
		return OAUTHD_ADMIN_BROKEN;
	pthread_mutex_lock(&admin->check_mutex);
	fits = password_fits(password, hash);
	pthread_mutex_unlock(&admin->check_mutex);
	msnet_secret_wipe(hash, sizeof(hash));
	if (!fits) {
		(void)oauthd_rate_take(&admin->wrong, monotonic_now());
		oauthd_event("admin_refused", NULL);
		return OAUTHD_ADMIN_WRONG;
	}
	oauthd_event("admin_login", NULL);
	*session_r = session_add(admin);
	return OAUTHD_ADMIN_OK;
}

/*
 * Sessions
 */

/* Called with the mutex held. */
static struct admin_session *
session_find(struct oauthd_admin *admin, const char *secret)
{
	struct admin_session *session;
	time_t now = monotonic_now();
	unsigned int i;

	for (i = 0; i < SESSIONS_MAX; i++) {
		session = &admin->sessions[i];
		if (session->secret == NULL ||
		    !msnet_secret_equals(session->secret, secret))
			continue;
		if (session->idle_until >= now && session->until >= now)
			return session;
		msnet_secret_free(&session->secret);
	}
	return NULL;
}

bool oauthd_admin_check(struct oauthd_admin *admin, const char *secret,
			char **csrf_r)
{
	struct admin_session *session;

	if (secret == NULL)
		return false;
	pthread_mutex_lock(&admin->mutex);
	session = session_find(admin, secret);
	if (session != NULL) {
		session->idle_until = monotonic_now() + SESSION_IDLE_SECS;
		/* its hash: a page that leaks gives no session away */
		if (csrf_r != NULL)
			*csrf_r = mstoken_pkce_challenge(session->secret);
	}
	pthread_mutex_unlock(&admin->mutex);
	return session != NULL;
}

void oauthd_admin_logout(struct oauthd_admin *admin, const char *secret)
{
	struct admin_session *session;

	pthread_mutex_lock(&admin->mutex);
	session = session_find(admin, secret);
	if (session != NULL)
		msnet_secret_free(&session->secret);
	pthread_mutex_unlock(&admin->mutex);
}

int oauthd_unlink(struct oauthd *oauthd, const char *address, const char *by)
{
	int ret = mstoken_store_delete(oauthd->store, address);

	mstoken_refresher_forget(oauthd->refresher, address);
	if (ret > 0)
		oauthd_event("unlinked", "account", address, "by", by, NULL);
	return ret;
}
