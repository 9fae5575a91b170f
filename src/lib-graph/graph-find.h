#ifndef GRAPH_FIND_H
#define GRAPH_FIND_H

/* Looking for a message whose id is not known: one that was created when the
   answer got lost, or one that somebody else has filed. */

#include "graph-error.h"

#include <stdbool.h>
#include <stdint.h>

struct graph_client;

/* What is known of the message. Zeroed fields do not matter. */
struct graph_message_traits {
	/* the value of GRAPH_PROP_MARK that it was created with; or else */
	const char *mark;
	/* with <> */
	const char *internet_message_id;
	/* not created before, seconds since the epoch by the service's clock
	   (graph_client_service_time()) */
	int64_t created_since;
	bool has_received;
	int64_t received;	/* seconds since the epoch */
};

/* Ids of the messages in a folder with these traits: a NULL-terminated heap
   array of heap strings, free with graph_ids_free(). Blocks. */
int graph_message_find(struct graph_client *client, const char *folder_id,
		       const struct graph_message_traits *traits,
		       char ***ids_r, struct graph_failure *fail_r);
/* The first id (heap) that is_known(), which may be NULL, does not know. Returns
   1, 0 if there is none, -1. Blocks. */
int graph_message_find_new(struct graph_client *client, const char *folder_id,
			   const struct graph_message_traits *traits,
			   bool (*is_known)(void *context, const char *id),
			   void *context, char **id_r,
			   struct graph_failure *fail_r);
/* Wait before the next look of so many, from 0, since lists lag behind. Returns
   false if that was the last one, or no time is left. */
bool graph_message_find_again(struct graph_client *client, unsigned int tries);
/* Both together, after a lost answer: 0 = there is surely none. */
int graph_message_find_lost(struct graph_client *client, const char *folder_id,
			    const struct graph_message_traits *traits,
			    bool (*is_known)(void *context, const char *id),
			    void *context, char **id_r,
			    struct graph_failure *fail_r);
void graph_ids_free(char ***ids);

#endif
