#ifndef GRAPH_PROPERTY_H
#define GRAPH_PROPERTY_H

/* Names of the extended (MAPI) properties that we read and write, and the
   fields asked for of a message.
   https://learn.microsoft.com/graph/api/resources/extended-properties-overview */

#include <stdbool.h>

struct graph_message;
struct json_object;

#define GRAPH_PROP_SIZE		"Integer 0x0E08"
#define GRAPH_PROP_SIZE_LONG	"Long 0x0E08"
#define GRAPH_PROP_ICON		"Integer 0x1080"
#define GRAPH_PROP_VERB		"Integer 0x1081"
#define GRAPH_PROP_IMAP_DELETED	\
	"Integer {00062008-0000-0000-C000-000000000046} Id 0x8570"
#define GRAPH_PROP_IN_REPLY_TO	"String 0x1042"
#define GRAPH_PROP_REFERENCES	"String 0x1039"
#define GRAPH_PROP_FLAGS	"Integer 0x0E07"
#define GRAPH_PROP_DELIVERED	"SystemTime 0x0E06"
#define GRAPH_PROP_SUBMITTED	"SystemTime 0x0039"
#define GRAPH_PROP_CLASS	"String 0x001A"
#define GRAPH_PROP_HEADERS	"String 0x007D"
/* our own mark, in the set of public strings */
#define GRAPH_PROP_MARK \
	"String {00020329-0000-0000-C000-000000000046} Name " \
	"dovecot-msgraph-mark"
/* a header field, in the set of internet headers; its name follows */
#define GRAPH_PROP_HEADER_PREFIX \
	"String {00020386-0000-0000-C000-000000000046} Name "

#define GRAPH_MESSAGE_SELECT \
	"changeKey,subject,from,sender,toRecipients,ccRecipients," \
	"bccRecipients,replyTo,internetMessageId,internetMessageHeaders," \
	"receivedDateTime,sentDateTime,lastModifiedDateTime," \
	"createdDateTime,isRead,isDraft,flag,categories,parentFolderId," \
	"bodyPreview"
/* what else can be edited of a draft */
#define GRAPH_MESSAGE_SELECT_CONTENT "hasAttachments,body"
#define GRAPH_MESSAGE_EXPAND \
	"singleValueExtendedProperties($filter=" \
	"id eq '" GRAPH_PROP_SIZE "' or id eq '" GRAPH_PROP_ICON "' or " \
	"id eq '" GRAPH_PROP_VERB "' or " \
	"id eq '" GRAPH_PROP_IMAP_DELETED "' or " \
	"id eq '" GRAPH_PROP_IN_REPLY_TO "' or " \
	"id eq '" GRAPH_PROP_REFERENCES "')"

/* By value: letter case, leading zeros of hexadecimal numbers and a 32-bit tag
   with its type do not count. Answers give ids in another spelling than asked. */
bool graph_property_id_equals(const char *a, const char *b);

/* Inside lib-graph only. Does not take the reference. */
struct graph_message *
graph_message_from_json(struct json_object *row, const char **error_r);

#endif
