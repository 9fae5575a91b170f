/* What the settings may be and what they mean, for 2.3 and 2.4 alike. Where they
   come from is in msgraph-settings-env.c and msgraph-settings-define.c. */

#include "lib.h"
#include "msgraph-settings-private.h"

#define POLL_INTERVAL_MAX 86400
#define SELECT_FRESH_MAX 3600
#define REQUEST_TIMEOUT_MAX 600

const struct msgraph_raw_settings msgraph_raw_settings_default = {
	.broker = "/run/msgraph/broker.sock",
	.account = "",
	.mailbox = "me",
	.url = "",
	.cloud = "global",
	.ca_file = "",
	.rfc822_size = "estimate",
	.search = "index",
	.expunge = "recoverable",
	.body_cache_size = 1024*1024*1024,
	.poll_interval = 30,
	.select_fresh = 2,
	.request_timeout = 30,
};

static const char *const cloud_names[] = {
	"global", "usgov", "usgov-dod", "china", NULL
};
static const char *const cloud_urls[] = {
	"https://graph.microsoft.com",
	"https://graph.microsoft.us",
	"https://dod-graph.microsoft.us",
	"https://microsoftgraph.chinacloudapi.cn",
};
static const char *const rfc822_sizes[] = { "estimate", "exact", NULL };
static const char *const searches[] = { "index", "server", NULL };
/* as enum msgraph_expunge_mode */
static const char *const expunge_modes[] = {
	"recoverable", "trash", "permanent", NULL
};

/* -1 = it is none of them */
static int find_word(const char *const *words, const char *value)
{
	int i;

	for (i = 0; words[i] != NULL; i++) {
		if (strcmp(words[i], value) == 0)
			return i;
	}
	return -1;
}

static bool check_word(const char *key, const char *const *words,
		       const char *value, const char **error_r)
{
	if (find_word(words, value) >= 0)
		return TRUE;
	*error_r = t_strdup_printf("msgraph: %s = %s: must be one of: %s", key,
				   value, t_strarray_join(words, " "));
	return FALSE;
}

static bool check_secs(const char *key, unsigned int secs, unsigned int min,
		       unsigned int max, const char **error_r)
{
	if (secs >= min && secs <= max)
		return TRUE;
	*error_r = t_strdup_printf("msgraph: %s = %us: must be a time "
				   "from %us to %us", key, secs, min, max);
	return FALSE;
}

bool msgraph_settings_check(const struct msgraph_raw_settings *raw,
			    const char **error_r)
{
	if (*raw->url != '\0' && strncmp(raw->url, "https://", 8) != 0) {
		*error_r = t_strdup_printf("msgraph: msgraph_url = %s: must "
			"start with https://", raw->url);
		return FALSE;
	}
	return check_word("msgraph_cloud", cloud_names, raw->cloud, error_r) &&
		check_word("msgraph_rfc822_size", rfc822_sizes,
			   raw->rfc822_size, error_r) &&
		check_word("msgraph_search", searches, raw->search,
			   error_r) &&
		check_word("msgraph_expunge", expunge_modes, raw->expunge,
			   error_r) &&
		check_secs("msgraph_poll_interval", raw->poll_interval,
			   1, POLL_INTERVAL_MAX, error_r) &&
		check_secs("msgraph_select_fresh", raw->select_fresh,
			   0, SELECT_FRESH_MAX, error_r) &&
		check_secs("msgraph_request_timeout", raw->request_timeout,
			   1, REQUEST_TIMEOUT_MAX, error_r);
}

const struct msgraph_settings *
msgraph_settings_resolve(const struct msgraph_raw_settings *raw,
			 const char *username, pool_t pool)
{
	struct msgraph_settings *set = p_new(pool, struct msgraph_settings, 1);
	const char *url = raw->url;

	if (*url == '\0')
		url = cloud_urls[find_word(cloud_names, raw->cloud)];
	set->url = p_strdup(pool, url);
	set->broker = p_strdup(pool, raw->broker);
	set->account = p_strdup(pool, *raw->account == '\0' ? username :
				raw->account);
	set->mailbox = p_strdup(pool, raw->mailbox);
	set->ca_file = p_strdup_empty(pool, raw->ca_file);
	set->rfc822_size_exact = strcmp(raw->rfc822_size, "exact") == 0;
	set->search_server = strcmp(raw->search, "server") == 0;
	set->expunge = (enum msgraph_expunge_mode)
		find_word(expunge_modes, raw->expunge);
	set->body_cache_size = raw->body_cache_size;
	set->poll_interval = raw->poll_interval;
	set->select_fresh = raw->select_fresh;
	set->request_timeout = raw->request_timeout;
	return set;
}
