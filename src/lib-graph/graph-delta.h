#ifndef GRAPH_DELTA_H
#define GRAPH_DELTA_H

/* Messages of one folder, or what changed since a link, page by page. While
   the caller works on a page the next one is already on its way.
   https://learn.microsoft.com/graph/api/message-delta */

#include "graph-error.h"

#include <stdbool.h>
#include <stdint.h>
#include <stddef.h>

struct graph_client;
struct graph_message;
struct graph_delta;

#define GRAPH_DELTA_PAGE_MAX 1000U

/* link: what graph_delta_link() returned in an earlier run (final or not), or
   NULL for a full listing. Does no I/O. Strings are copied. */
struct graph_delta *
graph_delta_init(struct graph_client *client, const char *folder_id,
		 const char *link);
/* Take the first page from what graph_delta_ahead() has brought, if it is there
   and was asked for in the same state; before the first
   graph_delta_next_page(). */
bool graph_delta_use_ahead(struct graph_delta *delta, uint32_t state);
/* Get the next page. Returns 1: a page is there (it may have 0 rows), 0: the
   round has ended with the page before, -1: failure (TOKEN_GONE: list anew
   without link; FOLDER_GONE). Blocks. After 503/504 and time-outs the page
   size is halved before it gives up. Each page has the time of a command. How
   extended properties may be asked for ($expand, expand, not at all) is tried
   out on the first page of a listing and remembered in the client. */
int graph_delta_next_page(struct graph_delta *delta,
			  struct graph_failure *fail_r);
/* The next row of the present page, or NULL; valid until the next call. */
const struct graph_message *graph_delta_next_row(struct graph_delta *delta);
/* Rows so far that could not be used: they had no id, or were no JSON. So what a
   full listing did not name may be there all the same. */
unsigned int graph_delta_unusable_count(const struct graph_delta *delta);
/* Link to go on with after the present page: a nextLink, or the deltaLink when
   *final_r. NULL before the first page. */
const char *graph_delta_link(const struct graph_delta *delta, bool *final_r);
void graph_delta_deinit(struct graph_delta **delta);

#define GRAPH_DELTA_AHEAD_MAX 20U

struct graph_delta_ahead_ask {
	const char *folder_id;
	const char *link;		/* as for graph_delta_init() */
	/* a number of the caller's, which changes when what was asked before
	   is no longer of use */
	uint32_t state;
};
/* Ask for the first pages of several folders by one $batch and keep them in the
   client until they are used or forgotten. What is not answered with a page is
   left out: who wants that asks singly. Blocks. */
void graph_delta_ahead(struct graph_client *client,
		       const struct graph_delta_ahead_ask *asks,
		       unsigned int count);
bool graph_delta_have_ahead(struct graph_client *client, const char *folder_id);
void graph_delta_ahead_forget(struct graph_client *client);

#endif
