#include "graph-patch.h"
#include "graph-batch.h"
#include "graph-json.h"
#include "graph-property.h"
#include "msnet-buf.h"

#include <stdio.h>

/* 0x1080 that belongs to 0x1081 */
#define ICON_REPLIED 261
#define ICON_FORWARDED 262
#define ICON_NONE 256

static void add_key(struct msnet_buf *buf, const char *key)
{
	if (buf->data[buf->used - 1] != '{')
		msnet_buf_add(buf, ",");
	msnet_buf_printf(buf, "\"%s\":", key);
}

void graph_patch_add_property(struct msnet_buf *buf, const char *id,
			      const char *value)
{
	if (buf->data[buf->used - 1] != '[')
		msnet_buf_add(buf, ",");
	msnet_buf_add(buf, "{\"id\":");
	graph_json_add_string(buf, id);
	msnet_buf_add(buf, ",\"value\":");
	graph_json_add_string(buf, value);
	msnet_buf_add(buf, "}");
}

void graph_patch_add_properties(const struct graph_patch *patch,
				struct msnet_buf *buf)
{
	char number[16];

	if (patch->verb != GRAPH_VERB_UNKNOWN) {
		snprintf(number, sizeof(number), "%d", (int)patch->verb);
		graph_patch_add_property(buf, GRAPH_PROP_VERB, number);
		snprintf(number, sizeof(number), "%d",
			 patch->verb == GRAPH_VERB_NONE ? ICON_NONE :
			 patch->verb == GRAPH_VERB_FORWARDED ?
			 ICON_FORWARDED : ICON_REPLIED);
		graph_patch_add_property(buf, GRAPH_PROP_ICON, number);
	}
	if (patch->imap_deleted >= 0) {
		graph_patch_add_property(buf, GRAPH_PROP_IMAP_DELETED,
					 patch->imap_deleted > 0 ? "1" : "0");
	}
}

void graph_patch_add_fields(const struct graph_patch *patch,
			    struct msnet_buf *buf)
{
	static const char *const statuses[] = {
		"notFlagged", "flagged", "complete"
	};
	const char *const *p;

	if (patch->is_read >= 0) {
		add_key(buf, "isRead");
		msnet_buf_add(buf, patch->is_read > 0 ? "true" : "false");
	}
	if (patch->flag != GRAPH_FLAG_UNKNOWN) {
		add_key(buf, "flag");
		msnet_buf_printf(buf, "{\"flagStatus\":\"%s\"}",
				 statuses[patch->flag]);
	}
	if (patch->categories != NULL) {
		add_key(buf, "categories");
		msnet_buf_add(buf, "[");
		for (p = patch->categories; *p != NULL; p++) {
			if (p != patch->categories)
				msnet_buf_add(buf, ",");
			graph_json_add_string(buf, *p);
		}
		msnet_buf_add(buf, "]");
	}
}

void graph_patch_add_json(const struct graph_patch *patch,
			  struct msnet_buf *buf)
{
	graph_patch_add_fields(patch, buf);
	if (patch->verb != GRAPH_VERB_UNKNOWN || patch->imap_deleted >= 0) {
		add_key(buf, "singleValueExtendedProperties");
		msnet_buf_add(buf, "[");
		graph_patch_add_properties(patch, buf);
		msnet_buf_add(buf, "]");
	}
}
