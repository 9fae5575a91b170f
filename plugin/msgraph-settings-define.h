#ifndef MSGRAPH_SETTINGS_DEFINE_H
#define MSGRAPH_SETTINGS_DEFINE_H

extern const struct setting_parser_info msgraph_setting_parser_info;

#endif
