#ifndef MSGRAPH_PLUGIN_H
#define MSGRAPH_PLUGIN_H

struct module;

extern const char *msgraph_plugin_version;

void msgraph_plugin_init(struct module *module);
void msgraph_plugin_deinit(void);

#endif
