#ifndef OAUTHD_H
#define OAUTHD_H

/* What the parts of msgraph-oauthd share. */

#include "mstoken-refresh.h"
#include "mstoken-store.h"
#include "oauthd-config.h"

#include <pthread.h>

struct msnet_transport;
struct oauthd_links;

struct oauthd {
	struct oauthd_config config;
	/* guards config.client_id and config.client_secret, which are read
	   again when their file changes, and at SIGHUP */
	pthread_rwlock_t config_lock;
	struct mstoken_seal *seal;
	struct mstoken_store *store;
	struct mstoken_refresher *refresher;
	struct oauthd_links *links;
};

/* How long the login host and Graph may take. */
#define OAUTHD_TIMEOUT_MSECS 20000

/* One line to stderr. */
void oauthd_log(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* A transport for the calling thread; the caller destroys it. */
struct msnet_transport *oauthd_transport_create(void *oauthd);
/* The app registration under the read lock; release it soon. */
void oauthd_app_get(void *oauthd, struct mstoken_app *app_r);
void oauthd_app_release(void *oauthd, struct mstoken_app *app);

#endif
