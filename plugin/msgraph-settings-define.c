/* 2.4: the settings are defined for Dovecot's parser. */

#include "lib.h"
#include "settings.h"
#include "settings-parser.h"
#include "msgraph-settings-private.h"
#include "msgraph-settings-define.h"

#define DEF(type, name) \
	SETTING_DEFINE_STRUCT_##type("msgraph_"#name, name, \
				     struct msgraph_raw_settings)

static const struct setting_define msgraph_setting_defines[] = {
	/* what the defaults below apply to */
	{ .type = SET_FILTER_NAME, .key = "msgraph" },
	{ .type = SET_FILTER_NAME, .key = "layout_msgraph" },
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
	SETTING_DEFINE_LIST_END
};

static const struct setting_keyvalue msgraph_default_settings[] = {
	{ "msgraph/mailbox_list_layout", "msgraph" },
	/* storage names are UTF-8, see msgraph-folders.h */
	{ "layout_msgraph/mailbox_list_utf8", "yes" },
	{ NULL, NULL }
};

static bool
msgraph_setting_check(void *set, pool_t pool ATTR_UNUSED, const char **error_r)
{
	return msgraph_settings_check(set, error_r);
}

const struct setting_parser_info msgraph_setting_parser_info = {
	.name = "msgraph",
	.plugin_dependency = "lib20_msgraph_plugin",
	.defines = msgraph_setting_defines,
	.defaults = &msgraph_raw_settings_default,
	.default_settings = msgraph_default_settings,
	.struct_size = sizeof(struct msgraph_raw_settings),
	.pool_offset1 = 1 + offsetof(struct msgraph_raw_settings, pool),
	.check_func = msgraph_setting_check,
};
