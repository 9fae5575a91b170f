#ifndef GRAPH_CLIENT_H
#define GRAPH_CLIENT_H

/* A mailbox at Graph: service root, token source, retry policy, and the
   limits that all requests to this mailbox share.

   All calls of lib-graph that "block" run the transport's loop until they are
   done; other exchanges and timers go on meanwhile. No call blocks past the
   client's deadline (graph_client_set_deadline()). */

#include "graph-error.h"

#include <stdbool.h>
#include <stdint.h>

struct msnet_transport;
struct graph_client;

enum graph_priority {
	GRAPH_PRIORITY_INTERACTIVE = 0,
	GRAPH_PRIORITY_BACKGROUND
};

/* One finished HTTP request, for the caller's event and statistics. */
struct graph_request_info {
	const char *what;	/* "message delta"; static text */
	const char *method;
	int status;		/* 0 = no answer */
	enum graph_error error;
	unsigned int attempt;	/* 1 = first */
	uint64_t bytes_in, bytes_out;
	unsigned int msecs;
	const char *request_id;	/* "" if none */
};

struct graph_client_settings {
	/* "https://graph.microsoft.com"; "/v1.0" is added here */
	const char *base_url;
	/* "me", or an address or object id of another mailbox */
	const char *mailbox;
	struct msnet_transport *transport;
	/* milliseconds, one HTTP request */
	unsigned int request_timeout_msecs;
	/* Folder for the locks that share the limit of 4 requests in flight,
	   and the wait after a 429, over all processes; NULL = this process
	   alone. Must exist. */
	const char *shared_dir;

	/* Get an access token. rejected = the token Graph refused, or NULL;
	   claims = what Graph wants in the next one (base64, as in the header
	   WWW-Authenticate), or NULL. Returns 0 and a token valid until the
	   next call, or -1. May block. */
	int (*get_token)(void *context, const char *rejected,
			 const char *claims, const char **token_r,
			 struct graph_failure *fail_r);
	/* May be NULL. */
	void (*request_finished)(void *context,
				 const struct graph_request_info *info);
	void *context;
};

/* Settings are copied; transport and context are borrowed. */
struct graph_client *
graph_client_create(const struct graph_client_settings *set);
/* Aborts what is in flight; callbacks are called with CANCELLED. */
void graph_client_destroy(struct graph_client **client);

/* Total time that blocking calls may spend from now on, retries and waits
   included; after it they fail with what stopped them last. Set it at the
   start of each command. 0 = request timeout x 4. */
void graph_client_set_deadline(struct graph_client *client,
			       unsigned int msecs);
/* More time for a command that turns out to be long. */
void graph_client_extend_deadline(struct graph_client *client,
				  unsigned int msecs);
/* Let the loop run for so long, but not past the deadline (false). */
bool graph_client_pause(struct graph_client *client, unsigned int msecs);
void graph_client_set_priority(struct graph_client *client,
			       enum graph_priority priority);
/* A time by the service's own clock (its header Date) that is not after
   anything it creates from now on: some seconds before its now. Without an
   answer so far it is taken from our clock, and some minutes early. Seconds
   since the epoch. */
int64_t graph_client_service_time(const struct graph_client *client);
/* "/me" or "/users/..." with the mailbox escaped. */
const char *graph_client_mailbox_path(const struct graph_client *client);
unsigned int graph_client_request_count(const struct graph_client *client);

#endif
