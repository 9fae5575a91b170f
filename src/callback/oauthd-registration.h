#ifndef OAUTHD_REGISTRATION_H
#define OAUTHD_REGISTRATION_H

/* One app registration of the configuration: its credential, its cloud, whom it
   serves. */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

struct mstoken_app;

/* a file when it was read last */
struct oauthd_file_mark {
	struct timespec mtime;
	ino_t inode;
};

/* Strings are heap; NULL where a key has no default and was not given. */
struct oauthd_registration {
	char *name;			/* "" is the default one */
	char *client_id;		/* NULL: not in use */
	char *client_secret, *client_secret_next; /* from their files */
	char *client_secret_file, *client_secret_next_file;
	int64_t client_secret_expires;	/* 0: not known */
	char *client_certificate_file;	/* in place of the secret */
	char *lexzur_integrations;
	char *tenant, *cloud;
	char *login_url, *graph_url;	/* without slash at the end */
	char *features;
	char *domains;			/* by spaces */
	bool app_only, continuous_access;

	struct oauthd_file_mark secret_mark, next_mark;
	/* client_secret_next is the one that works */
	bool next_in_use;
	char *scope;
};

/* What is not set is taken from the cloud, from the default registration (NULL if
   this is it), or has its usual value. Reads no file. Returns 0, or -1 and one heap
   line. */
int oauthd_registration_prepare(struct oauthd_registration *reg,
				const struct oauthd_registration *standard,
				char **error_r);
/* Then: reads the secrets. optional: it may have no client_id. */
int oauthd_registration_finish(struct oauthd_registration *reg, bool optional,
			       char **error_r);
/* Read client id and secrets again from their files. On failure it is as it
   was. */
int oauthd_registration_reload(struct oauthd_registration *reg, char **error_r);
/* Is one of the files another one than was read last? */
bool oauthd_registration_has_changed(const struct oauthd_registration *reg);
bool oauthd_registration_has_domain(const struct oauthd_registration *reg,
				    const char *domain);
void oauthd_registration_deinit(struct oauthd_registration *reg);

/* When the credential ends, seconds since the epoch. kind_r: "client secret" or
   "certificate". False: not known. */
bool oauthd_registration_expires(const struct oauthd_registration *reg,
				 int64_t *expires_r, const char **kind_r);

/* "[registration NAME]" or "the default registration", heap. */
char *oauthd_registration_title(const struct oauthd_registration *reg);

/* "where: what: detail"; what may be "". Heap. */
char *oauthd_config_error(const char *where, const char *what,
			  const char *detail);
/* Cuts white space off both ends, in place. */
char *oauthd_config_trim(char *str);

#endif
