/* 2.4: what doveconf looks for in settings/libmsgraph_settings.so */

#include "lib.h"
#include "settings-parser.h"
#include "msgraph-settings-define.h"

#define EXPORT __attribute__((visibility("default")))

extern const char *msgraph_settings_version;
extern const struct setting_parser_info *msgraph_settings_set_infos[];

EXPORT const char *msgraph_settings_version = DOVECOT_ABI_VERSION;
EXPORT const struct setting_parser_info *msgraph_settings_set_infos[] = {
	&msgraph_setting_parser_info,
	NULL
};
