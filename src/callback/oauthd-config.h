#ifndef OAUTHD_CONFIG_H
#define OAUTHD_CONFIG_H

/* The configuration file of msgraph-oauthd, one "key = value" a line, and sections
   "[registration NAME]" for more app registrations; the
   sample file conf.d/msgraph-oauthd.conf explains each key. msgraphctl reads it
   too, for the socket's path. */

#include "oauthd-registration.h"

#include <stdbool.h>
#include <sys/types.h>
#include <time.h>

#define OAUTHD_DEFAULT_CONFIG "/etc/msgraph/msgraph-oauthd.conf"

/* Strings are heap; free with oauthd_config_deinit(), which wipes the secret.
   NULL where a key has no default and was not given. */
struct oauthd_config {
	/* The first one is the default: what stands before all sections. It
	   may have no client_id if there are others. */
	struct oauthd_registration *registrations;
	unsigned int registration_count;
	char *ca_file;
	char *public_url;		/* without slash at the end */
	char *callback_path;
	char *listen;			/* ADDRESS:PORT */
	char *metrics_listen;		/* as listen, or a path */
	char *broker;
	char *broker_users;		/* names or uids, by spaces */
	unsigned int broker_mode;
	char *store;			/* path or postgresql:// */
	unsigned int store_mode;
	char *store_password_file;
	char *key_file;
	unsigned int invitation_lifetime; /* seconds */
	char *imap_server, *smtp_server; /* HOST[:PORT], for pages */
	char *admin_password_file;	/* hash; NULL = no admin page */
	char *admin_path;
	bool self_service;
	char *allowed_domains;		/* by spaces or commas */
	bool app_passwords;		/* shown to who has linked */

	char *redirect_uri;		/* public_url + callback_path */
};

/* Returns 0, or -1 and one heap line naming file, line and key. */
int oauthd_config_read(const char *path, struct oauthd_config *config_r,
		       char **error_r);
/* The same without the files that it names, which only the daemon may read. */
int oauthd_config_read_settings(const char *path,
				struct oauthd_config *config_r, char **error_r);
/* Read client ids and secrets again from their files. On failure a registration is
   as it was. */
int oauthd_config_reload_secret(struct oauthd_config *config, char **error_r);
/* Is one of these files another one than was read last? */
bool oauthd_config_secret_has_changed(const struct oauthd_config *config);
/* running is in use, config is to follow it: what cannot change while the daemon
   runs is taken over. Returns the name of such a setting that differs (static),
   or NULL. */
const char *oauthd_config_keep_fixed(struct oauthd_config *config,
				     struct oauthd_config *running);
/* NULL if there is none with that name; "" is the default one. */
struct oauthd_registration *
oauthd_config_find_registration(const struct oauthd_config *config,
				const char *name);
/* The one that serves the domain of the address, or the default one. NULL if none
   does. */
struct oauthd_registration *
oauthd_config_registration_for(const struct oauthd_config *config,
			       const char *address);
void oauthd_config_deinit(struct oauthd_config *config);

#endif
