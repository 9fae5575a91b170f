#ifndef GRAPH_CLIENT_PRIVATE_H
#define GRAPH_CLIENT_PRIVATE_H

/* One request with everything around it: token, slots, retries, deadline. Used
   by all other files of this folder. */

#include "graph-client.h"
#include "graph-slots.h"

#include <sys/types.h>

struct msnet_response;
struct graph_call;

/* How a service takes extended properties in message delta, found out by
   trying. */
enum graph_expand_mode {
	GRAPH_EXPAND_DOLLAR = 0,	/* $expand=... */
	GRAPH_EXPAND_PLAIN,		/* expand=... */
	GRAPH_EXPAND_NONE
};

struct graph_call_spec {
	const char *what;	/* static, for errors and logs */
	const char *method;
	/* path below /v1.0, or a whole URL of the service's own, or with
	   no_token any https URL. Copied. */
	const char *path;
	const char *content_type;	/* NULL = no body */
	const char *body;		/* copied */
	size_t body_size;
	int body_fd;			/* 0 = none (fd 0 is never used) */
	off_t body_offset;
	uint64_t body_fd_size;
	bool body_base64;
	const char *content_range;	/* NULL = none */
	/* 0 = into memory; else the file is truncated before each try */
	int sink_fd;
	unsigned int page_size;		/* Prefer: odata.maxpagesize, 0 = no */
	unsigned int weight;		/* slots; 0 = 1 */
	unsigned int requests;		/* that it counts for; 0 = 1 */
	/* a batch whose parts run one after the other, so it takes one slot; if
	   the service counts it for more, that is found out */
	bool chained;
	/* part of something large, or before anybody waits for it */
	bool background;
	bool idempotent;
	bool item_is_folder;
	bool no_token;			/* pre-authenticated upload URL */
	/* the statuses that mean success; 0 = end. Anything else is none. */
	int ok[4];
};

/* resp is NULL unless failure->error is GRAPH_OK; it belongs to the callee. */
typedef void graph_call_callback_t(void *context,
				   const struct graph_failure *failure,
				   struct msnet_response *resp);

/* Queue a request. Nothing happens before the loop runs. */
struct graph_call *
graph_call_start(struct graph_client *client,
		 const struct graph_call_spec *spec,
		 graph_call_callback_t *callback, void *context);
/* End without callback. NULL is fine. */
void graph_call_abort(struct graph_call **call);
/* start and wait; returns 0 and the response (caller frees), or -1. */
int graph_call_run(struct graph_client *client,
		   const struct graph_call_spec *spec,
		   struct msnet_response **resp_r,
		   struct graph_failure *fail_r);
/* Run the loop until *done. */
void graph_client_run(struct graph_client *client, const bool *done);

const char *graph_client_base_url(const struct graph_client *client);
enum graph_expand_mode *graph_client_expand_mode(struct graph_client *client);
bool *graph_client_no_batch(struct graph_client *client);
/* Kept by graph-delta-ahead.c. */
struct graph_ahead;
struct graph_ahead **graph_client_ahead(struct graph_client *client);
/* The service takes a chained batch for one of four parts in parallel. */
bool *graph_client_no_chains(struct graph_client *client);

#endif
