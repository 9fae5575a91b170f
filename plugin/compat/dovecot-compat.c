#include "lib.h"
#include "mail-storage-private.h"
#include "mailbox-list-private.h"
#include "dovecot-compat.h"
#include "msgraph-list.h"

#if !DOVECOT_PREREQ(2,4,0)
void msgraph_compat_get_list_settings(const struct mail_namespace *ns
				      ATTR_UNUSED,
				      struct mailbox_list_settings *set)
{
	if (set->layout == NULL)
		set->layout = MSGRAPH_LIST_NAME;
	if (set->subscription_fname == NULL)
		set->subscription_fname = "subscriptions";
	/* storage names are UTF-8, see msgraph-folders.h */
	set->utf8 = TRUE;
}
#endif
