#ifndef OAUTHD_H
#define OAUTHD_H

/* What the parts of msgraph-oauthd share. */

#include "mstoken-refresh.h"
#include "mstoken-store.h"
#include "oauthd-config.h"

#include <pthread.h>

struct msnet_transport;
struct oauthd_admin;
struct oauthd_devices;
struct oauthd_expiry;
struct oauthd_links;
struct oauthd_metrics;

struct oauthd {
	const char *config_path;
	/* Replaced at SIGHUP. Threads read its strings without a lock: those of
	   before stay in retired until the end. */
	struct oauthd_config config;
	struct oauthd_retired_config *retired;
	/* guards client ids and secrets of config.registrations, which are also
	   read again when their files change */
	pthread_rwlock_t config_lock;
	struct mstoken_seal *seal;
	struct mstoken_store *store;
	struct mstoken_refresher *refresher;
	struct oauthd_links *links;
	struct oauthd_devices *devices;
	struct oauthd_metrics *metrics;
	struct oauthd_admin *admin;
	/* of the main thread, see oauthd-expiry.h */
	struct oauthd_expiry *expiries;
	unsigned int expiry_count;
};

/* How long the login host and Graph may take. */
#define OAUTHD_TIMEOUT_MSECS 20000

/* One line to stderr: event=NAME and pairs of key and value, ended by NULL. A
   pair whose value is NULL is left out. No secret may be among them. */
void oauthd_event(const char *event, ...) __attribute__((sentinel));
/* What went wrong with an account. */
void oauthd_event_failure(const char *event, const char *account,
			  const struct mstoken_failure *fail);
/* event=notice message="..." */
void oauthd_log(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Read the configuration again; a broken one changes nothing. */
void oauthd_reload(struct oauthd *oauthd);
/* Read only client id and secret again. */
void oauthd_reload_secret(struct oauthd *oauthd);
/* Tell the store the client ids of the configuration. */
void oauthd_set_client_ids(struct oauthd *oauthd);
void oauthd_free_config(struct oauthd *oauthd);

/* A transport for the calling thread; the caller destroys it. */
struct msnet_transport *oauthd_transport_create(void *oauthd);
/* The app registration with that name, or that for an address. -1: there is
   none. */
int oauthd_app_get(void *oauthd, const char *registration,
		   struct mstoken_app *app_r);
int oauthd_app_get_for(struct oauthd *oauthd, const char *address,
		       struct mstoken_app *app_r);
void oauthd_app_release(void *oauthd, struct mstoken_app *app);

#endif
