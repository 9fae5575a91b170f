#ifndef GRAPH_CALL_PRIVATE_H
#define GRAPH_CALL_PRIVATE_H

/* What graph-client.c, graph-queue.c and graph-call.c know of each other. The
   life of a request: queued - (hold, slots, token) - in flight - done, or
   queued again. */

#include "graph-client-private.h"

struct graph_budget;
struct msnet_exchange;
struct msnet_timer;

struct graph_call {
	struct graph_call *next;
	struct graph_client *client;
	struct graph_call_spec spec;
	char *path, *content_type, *body, *content_range;
	graph_call_callback_t *callback;
	void *context;
	enum graph_priority priority;

	struct msnet_exchange *exchange;	/* in flight */
	graph_slot_set slots;
	int64_t queued, not_before, deadline, started;	/* monotonic msecs */
	unsigned int attempt;
	bool token_renewed;
	char *sent_token;		/* with the last attempt */
	char *claims;			/* that a 401 wanted */
	/* what stopped it last */
	struct graph_failure last;
};

struct graph_client {
	struct graph_client_settings set;
	char *base_url, *mailbox_path, *shared_dir;
	struct graph_slots *slots;
	struct graph_budget *budget;
	struct graph_call *calls;	/* all that are not done, in order */
	struct msnet_timer *timer;
	int64_t timer_at;
	int64_t deadline;
	enum graph_priority priority;
	unsigned int request_count;
	/* the service's clock less ours (monotonic), milliseconds */
	int64_t service_clock;
	bool have_service_clock;
	enum graph_expand_mode expand_mode;
	bool no_batch, no_chains;
	struct graph_ahead *ahead;
};

/* Milliseconds: monotonic, and since the epoch. */
int64_t graph_now(void);
int64_t graph_wall_now(void);
unsigned int graph_random(void);

/* Look at the queue at this time (monotonic) or earlier. */
void graph_queue_schedule(struct graph_client *client, int64_t when);

/* What it counts for: requests, and bytes that go out. */
unsigned int graph_call_requests(const struct graph_call *call);
uint64_t graph_call_upload(const struct graph_call *call);
/* Returns false when the call has ended. */
bool graph_call_send(struct graph_call *call);
/* The callback, with resp or a failure; frees the call. */
void graph_call_finish(struct graph_call *call,
		       const struct graph_failure *failure,
		       struct msnet_response *resp);

/* The service's clock, from the header Date of an answer. */
void graph_client_set_clock(struct graph_client *client,
			    const struct msnet_response *resp);

#endif
