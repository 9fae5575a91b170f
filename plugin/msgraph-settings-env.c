/* 2.3: the settings are plugin {} keys, which nobody has checked. */

#include "lib.h"
#include "array.h"
#include "settings-parser.h"
#include "mail-namespace.h"
#include "mail-user.h"
#include "msgraph-settings-private.h"

enum value_type { VALUE_STR, VALUE_TIME, VALUE_SIZE };

#define DEF(type, name) \
	{ "msgraph_"#name, VALUE_##type, \
	  offsetof(struct msgraph_raw_settings, name) }

static const struct {
	const char *key;
	enum value_type type;
	size_t offset;
} defines[] = {
	DEF(STR, broker),
	DEF(STR, account),
	DEF(STR, mailbox),
	DEF(STR, url),
	DEF(STR, cloud),
	DEF(STR, ca_file),
	DEF(STR, rfc822_size),
	DEF(STR, search),
	DEF(STR, expunge),
	DEF(SIZE, body_cache_size),
	DEF(TIME, poll_interval),
	DEF(TIME, select_fresh),
	DEF(TIME, request_timeout),
};

static bool is_known(const char *key)
{
	unsigned int i;

	for (i = 0; i < N_ELEMENTS(defines); i++) {
		if (strcmp(defines[i].key, key) == 0)
			return TRUE;
	}
	return FALSE;
}

static int check_unknown(struct mail_user *user, const char **error_r)
{
	const char *const *envs;
	unsigned int i, count;

	if (!array_is_created(&user->set->plugin_envs))
		return 0;
	envs = array_get(&user->set->plugin_envs, &count);
	for (i = 0; i + 1 < count; i += 2) {
		if (str_begins(envs[i], "msgraph_") && !is_known(envs[i])) {
			*error_r = t_strdup_printf(
				"msgraph: unknown setting %s", envs[i]);
			return -1;
		}
	}
	return 0;
}

static int parse(enum value_type type, const char *value, void *dest,
		 const char **error_r)
{
	switch (type) {
	case VALUE_STR:
		*(const char **)dest = value;
		return 0;
	case VALUE_TIME:
		return settings_get_time(value, dest, error_r);
	case VALUE_SIZE:
		return settings_get_size(value, dest, error_r);
	}
	i_unreached();
}

int msgraph_settings_read(struct mail_namespace *ns, pool_t pool,
			  const struct msgraph_settings **set_r,
			  const char **error_r)
{
	struct msgraph_raw_settings raw = msgraph_raw_settings_default;
	const char *value, *error;
	unsigned int i;

	if (check_unknown(ns->user, error_r) < 0)
		return -1;
	for (i = 0; i < N_ELEMENTS(defines); i++) {
		value = mail_user_plugin_getenv(ns->user, defines[i].key);
		if (value == NULL || *value == '\0')
			continue;
		if (parse(defines[i].type, value,
			  PTR_OFFSET(&raw, defines[i].offset), &error) < 0) {
			*error_r = t_strdup_printf("msgraph: %s = %s: %s",
				defines[i].key, value, error);
			return -1;
		}
	}
	if (!msgraph_settings_check(&raw, error_r))
		return -1;
	*set_r = msgraph_settings_resolve(&raw, ns->user->username, pool);
	return 0;
}
