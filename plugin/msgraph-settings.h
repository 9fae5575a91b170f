#ifndef MSGRAPH_SETTINGS_H
#define MSGRAPH_SETTINGS_H

/* The msgraph_* settings (see the table in README.md). On 2.3 they are read from
   plugin {}, where doveconf takes any key; so an unknown msgraph_* key is an
   error of ours. On 2.4 doveconf knows them by a module. */

#include "msgraph-sync.h"

struct mail_namespace;

struct msgraph_settings {
	const char *broker;		/* path of the daemon's socket */
	const char *account;		/* linked account, %u expanded */
	const char *mailbox;		/* "me" or an address or id */
	const char *url;		/* https service root */
	const char *ca_file;		/* NULL = the system's */
	bool rfc822_size_exact;		/* msgraph_rfc822_size = exact */
	bool search_server;		/* msgraph_search = server */
	enum msgraph_expunge_mode expunge;
	uoff_t body_cache_size;		/* bytes */
	unsigned int poll_interval;	/* seconds */
	unsigned int select_fresh;	/* seconds, 0 = never */
	unsigned int request_timeout;	/* seconds */
};

/* All strings from pool. Returns -1 and one clear line. */
int msgraph_settings_read(struct mail_namespace *ns, pool_t pool,
			  const struct msgraph_settings **set_r,
			  const char **error_r);

#endif
