#ifndef TEST_GRAPH_TRANSPORT_H
#define TEST_GRAPH_TRANSPORT_H

/* A scripted transport: each exchange takes the next step of the script. Timers
   fire when nothing else is left to do, without waiting for their time. */

#include "mstest.h"

#include <stdbool.h>

struct graph_client;

#define BASE "https://graph.example"
#define EMPTY_END "{\"value\":[],\"@odata.deltaLink\":\"" BASE "/v1.0/d\"}"
#define REFUSED "{\"error\":{\"code\":\"BadRequest\",\"message\":\"m\"}}"

struct step {
	int result;		/* enum msnet_result */
	int status;
	const char *retry_after;
	const char *body;
	const char *type;
};

/* the most exchanges that were under way at a time */
extern unsigned int max_parallel;
extern unsigned int tokens_rejected;
/* of the next clients; may be NULL */
extern const char *shared_dir;
/* header Date of the next answers, or NULL */
extern const char *service_date;

struct graph_client *begin(const struct step *steps, unsigned int count);
#define BEGIN(steps) begin(steps, sizeof(steps) / sizeof((steps)[0]))
/* checks that the script was played to its end */
void end(struct graph_client **client);
/* goes on with the script until done */
void play(const bool *done);
/* How often text is in what was sent since begin(), which is kept as
   "METHOD url\nPrefer\nAuthorization\nbody\n\n" */
unsigned int count_sent(const char *text);

#endif
