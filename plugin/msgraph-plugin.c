#include "lib.h"
#include "mail-storage-private.h"
#include "mailbox-list-private.h"
#include "msnet-curl.h"
#include "msgraph-imap.h"
#include "msgraph-list.h"
#include "msgraph-plugin.h"
#include "msgraph-storage.h"

#define EXPORT __attribute__((visibility("default")))

EXPORT const char *msgraph_plugin_version = DOVECOT_ABI_VERSION;

EXPORT void msgraph_plugin_init(struct module *module ATTR_UNUSED)
{
	if (msnet_curl_global_ref() < 0)
		i_fatal("msgraph: libcurl cannot be initialized");
	mail_storage_class_register(&msgraph_storage);
	mailbox_list_register(&msgraph_mailbox_list);
	msgraph_imap_init();
}

EXPORT void msgraph_plugin_deinit(void)
{
	msgraph_imap_deinit();
	mailbox_list_unregister(&msgraph_mailbox_list);
	mail_storage_class_unregister(&msgraph_storage);
	msnet_curl_global_unref();
}
