#ifndef GRAPH_RETRY_H
#define GRAPH_RETRY_H

/* PURE: whether, and when, a failed request is sent again. */

#include "graph-error.h"

enum graph_retry_action {
	GRAPH_RETRY_GIVE_UP = 0,
	/* again after wait_msecs */
	GRAPH_RETRY_WAIT,
	/* at once, with a token other than the refused one */
	GRAPH_RETRY_FRESH_TOKEN
};

struct graph_retry_input {
	enum graph_error error;
	int status;			/* HTTP, 0 = none */
	/* sending twice is harmless */
	bool idempotent;
	/* the request cannot have reached the service */
	bool not_sent;
	/* repeating cannot help: certificate refused */
	bool hopeless;
	/* a 401 was already answered with a new token */
	bool token_renewed;
	unsigned int attempt;		/* tries made so far, from 1 */
	unsigned int retry_after_msecs;	/* 0 = none given */
	unsigned int msecs_left;	/* until the deadline */
	unsigned int random;		/* any value, for the jitter */
};

struct graph_retry_verdict {
	enum graph_retry_action action;
	unsigned int wait_msecs;
	/* given up since it has been tried often enough, not for want of
	   time */
	bool exhausted;
	/* hold all requests to this mailbox for this time, even when this
	   request is given up; 0 = none */
	unsigned int hold_msecs;
};

struct graph_retry_verdict
graph_retry_decide(const struct graph_retry_input *input);

/* base x 2^(attempt - 1), at most max, of which up to half is taken off by
   random. */
unsigned int graph_retry_backoff(unsigned int attempt, unsigned int base_msecs,
				 unsigned int max_msecs, unsigned int random);

#endif
