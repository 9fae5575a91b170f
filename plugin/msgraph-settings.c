/* 2.3: the settings come as plugin {} keys, which nobody has checked. */

#include "lib.h"
#include "array.h"
#include "settings-parser.h"
#include "mail-user.h"
#include "msgraph-settings.h"

#define DEFAULT_BROKER "/run/msgraph/broker.sock"
#define DEFAULT_URL "https://graph.microsoft.com"
#define POLL_INTERVAL_MAX 86400
#define REQUEST_TIMEOUT_MAX 600

static const char *const known_keys[] = {
	"msgraph_broker", "msgraph_account", "msgraph_mailbox", "msgraph_url",
	"msgraph_cloud", "msgraph_ca_file", "msgraph_rfc822_size",
	"msgraph_expunge", "msgraph_body_cache_size", "msgraph_poll_interval",
	"msgraph_request_timeout", NULL
};

static const struct {
	const char *name, *url;
} clouds[] = {
	{ "global", DEFAULT_URL },
	{ "usgov", "https://graph.microsoft.us" },
	{ "usgov-dod", "https://dod-graph.microsoft.us" },
	{ "china", "https://microsoftgraph.chinacloudapi.cn" },
};

static const char *get(struct mail_user *user, const char *key,
		       const char *value)
{
	const char *set = mail_user_plugin_getenv(user, key);

	return set == NULL || *set == '\0' ? value : set;
}

static int check_unknown(struct mail_user *user, const char **error_r)
{
	const char *const *envs;
	unsigned int i, count;

	if (!array_is_created(&user->set->plugin_envs))
		return 0;
	envs = array_get(&user->set->plugin_envs, &count);
	for (i = 0; i + 1 < count; i += 2) {
		if (str_begins(envs[i], "msgraph_") &&
		    !str_array_find(known_keys, envs[i])) {
			*error_r = t_strdup_printf(
				"msgraph: unknown setting %s", envs[i]);
			return -1;
		}
	}
	return 0;
}

/* 1 or 0 for one of two words; -1 and the error. */
static int
get_word(struct mail_user *user, const char *key, const char *const *words,
	 unsigned int *idx_r, const char **error_r)
{
	const char *value = get(user, key, words[0]);

	for (*idx_r = 0; words[*idx_r] != NULL; (*idx_r)++) {
		if (strcmp(words[*idx_r], value) == 0)
			return 0;
	}
	*error_r = t_strdup_printf("msgraph: %s = %s: must be one of: %s", key,
				   value, t_strarray_join(words, " "));
	return -1;
}

static int get_secs(struct mail_user *user, const char *key, const char *value,
		    unsigned int max, unsigned int *secs_r,
		    const char **error_r)
{
	const char *error;

	value = get(user, key, value);
	if (settings_get_time(value, secs_r, &error) < 0 ||
	    *secs_r < 1 || *secs_r > max) {
		*error_r = t_strdup_printf("msgraph: %s = %s: must be a time "
			"from 1s to %us", key, value, max);
		return -1;
	}
	return 0;
}

static int read_url(struct mail_user *user, pool_t pool,
		    struct msgraph_settings *set, const char **error_r)
{
	const char *cloud = get(user, "msgraph_cloud", "global");
	const char *url = NULL;
	unsigned int i;

	for (i = 0; i < N_ELEMENTS(clouds); i++) {
		if (strcmp(clouds[i].name, cloud) == 0)
			url = clouds[i].url;
	}
	if (url == NULL) {
		*error_r = t_strdup_printf("msgraph: msgraph_cloud = %s: must "
			"be one of: global usgov usgov-dod china", cloud);
		return -1;
	}
	url = get(user, "msgraph_url", url);
	if (!str_begins(url, "https://")) {
		*error_r = t_strdup_printf("msgraph: msgraph_url = %s: must "
			"start with https://", url);
		return -1;
	}
	set->url = p_strdup(pool, url);
	return 0;
}

static int read_words(struct mail_user *user, struct msgraph_settings *set,
		      const char **error_r)
{
	static const char *const sizes[] = { "estimate", "exact", NULL };
	static const char *const modes[] = {
		"recoverable", "trash", "permanent", NULL
	};
	unsigned int idx;

	if (get_word(user, "msgraph_rfc822_size", sizes, &idx, error_r) < 0)
		return -1;
	set->rfc822_size_exact = idx == 1;
	if (get_word(user, "msgraph_expunge", modes, &idx, error_r) < 0)
		return -1;
	set->expunge = (enum msgraph_expunge_mode)idx;
	return 0;
}

int msgraph_settings_read(struct mail_user *user, pool_t pool,
			  const struct msgraph_settings **set_r,
			  const char **error_r)
{
	struct msgraph_settings *set = p_new(pool, struct msgraph_settings, 1);
	const char *size, *error;

	if (check_unknown(user, error_r) < 0 ||
	    read_url(user, pool, set, error_r) < 0 ||
	    read_words(user, set, error_r) < 0 ||
	    get_secs(user, "msgraph_poll_interval", "30s", POLL_INTERVAL_MAX,
		     &set->poll_interval, error_r) < 0 ||
	    get_secs(user, "msgraph_request_timeout", "30s",
		     REQUEST_TIMEOUT_MAX, &set->request_timeout, error_r) < 0)
		return -1;
	size = get(user, "msgraph_body_cache_size", "1G");
	if (settings_get_size(size, &set->body_cache_size, &error) < 0) {
		*error_r = t_strdup_printf(
			"msgraph: msgraph_body_cache_size = %s: %s", size,
			error);
		return -1;
	}
	set->broker = p_strdup(pool, get(user, "msgraph_broker",
					 DEFAULT_BROKER));
	set->account = p_strdup(pool, get(user, "msgraph_account",
					  user->username));
	set->mailbox = p_strdup(pool, get(user, "msgraph_mailbox", "me"));
	set->ca_file = p_strdup(pool, get(user, "msgraph_ca_file", NULL));
	*set_r = set;
	return 0;
}
