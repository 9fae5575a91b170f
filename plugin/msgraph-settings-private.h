#ifndef MSGRAPH_SETTINGS_PRIVATE_H
#define MSGRAPH_SETTINGS_PRIVATE_H

#include "msgraph-settings.h"

/* As they are written in the configuration; "" = not set. */
struct msgraph_raw_settings {
	pool_t pool;
	const char *broker;
	const char *account;
	const char *mailbox;
	const char *url;
	const char *cloud;
	const char *ca_file;
	const char *rfc822_size;
	const char *search;
	const char *expunge;
	uoff_t body_cache_size;
	unsigned int poll_interval;
	unsigned int select_fresh;
	unsigned int request_timeout;
};

extern const struct msgraph_raw_settings msgraph_raw_settings_default;

/* FALSE and one clear line, if a value is none of the possible ones */
bool msgraph_settings_check(const struct msgraph_raw_settings *raw,
			    const char **error_r);
/* What the checked settings mean. All strings from pool. */
const struct msgraph_settings *
msgraph_settings_resolve(const struct msgraph_raw_settings *raw,
			 const char *username, pool_t pool);

#endif
