#ifndef GRAPH_PATCH_H
#define GRAPH_PATCH_H

/* Inside lib-graph: the fields of a struct graph_patch as JSON, for PATCH and
   for create. The buffer must end with the '{' or '[' they are put into, or
   with a member before them. */

struct graph_patch;
struct msnet_buf;

/* All of it. */
void graph_patch_add_json(const struct graph_patch *patch,
			  struct msnet_buf *buf);
/* Members of the message object alone. */
void graph_patch_add_fields(const struct graph_patch *patch,
			    struct msnet_buf *buf);
/* Items of singleValueExtendedProperties alone. */
void graph_patch_add_properties(const struct graph_patch *patch,
				struct msnet_buf *buf);
void graph_patch_add_property(struct msnet_buf *buf, const char *id,
			      const char *value);

#endif
