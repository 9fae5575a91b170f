/* 2.4: the settings of one namespace. */

#include "lib.h"
#include "settings.h"
#include "mail-namespace.h"
#include "mail-user.h"
#include "mailbox-list-private.h"
#include "msgraph-settings-private.h"
#include "msgraph-settings-define.h"

int msgraph_settings_read(struct mail_namespace *ns, pool_t pool,
			  const struct msgraph_settings **set_r,
			  const char **error_r)
{
	const struct msgraph_raw_settings *raw;

	if (settings_get(ns->list->event, &msgraph_setting_parser_info, 0,
			 &raw, error_r) < 0)
		return -1;
	*set_r = msgraph_settings_resolve(raw, ns->user->username, pool);
	settings_free(raw);
	return 0;
}
