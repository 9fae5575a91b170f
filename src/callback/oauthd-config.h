#ifndef OAUTHD_CONFIG_H
#define OAUTHD_CONFIG_H

/* The configuration file of msgraph-oauthd, one "key = value" a line; the
   sample file conf.d/msgraph-oauthd.conf explains each key. msgraphctl reads it
   too, for the socket's path. */

#include <stdbool.h>
#include <sys/types.h>
#include <time.h>

#define OAUTHD_DEFAULT_CONFIG "/etc/msgraph/msgraph-oauthd.conf"

/* Strings are heap; free with oauthd_config_deinit(), which wipes the secret.
   NULL where a key has no default and was not given. */
struct oauthd_config {
	char *client_id;
	char *client_secret;		/* from client_secret_file */
	char *client_secret_file;
	char *client_certificate_file;	/* in place of the secret */
	char *lexzur_integrations;
	char *tenant;
	char *login_url, *graph_url;	/* without slash at the end */
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
	char *features;
	unsigned int invitation_lifetime; /* seconds */
	bool app_passwords;		/* shown to who has linked */

	/* the file with the secret when it was read last */
	struct timespec secret_mtime;
	ino_t secret_inode;

	char *redirect_uri;		/* public_url + callback_path */
	char *scope;
};

/* Returns 0, or -1 and one heap line naming file, line and key. */
int oauthd_config_read(const char *path, struct oauthd_config *config_r,
		       char **error_r);
/* Read client id and secret again from their files. On failure config is as it
   was. */
int oauthd_config_reload_secret(struct oauthd_config *config, char **error_r);
/* Is that file another one than was read last? */
bool oauthd_config_secret_has_changed(const struct oauthd_config *config);
/* running is in use, config is to follow it: what cannot change while the daemon
   runs is taken over. Returns the name of such a setting that differs (static),
   or NULL. */
const char *oauthd_config_keep_fixed(struct oauthd_config *config,
				     struct oauthd_config *running);
void oauthd_config_deinit(struct oauthd_config *config);

#endif
