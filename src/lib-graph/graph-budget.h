#ifndef GRAPH_BUDGET_H
#define GRAPH_BUDGET_H

/* What a mailbox may cost in a while: Exchange allows 10,000 requests in ten
   minutes and 150 MB of uploads in five. All processes count in one small file
   that they share as memory, and stay below on purpose; the last tenth is for
   what somebody waits for. No locks: a process may be killed anywhere.
   https://learn.microsoft.com/graph/throttling-limits */

#include <stdbool.h>
#include <stdint.h>

#define GRAPH_BUDGET_REQUESTS 10000U
#define GRAPH_BUDGET_REQUESTS_SECS 600
#define GRAPH_BUDGET_BYTES 150000000U
#define GRAPH_BUDGET_BYTES_SECS 300

struct graph_budget;

/* dir NULL, or one that cannot be used: count in this process alone. now is the
   wall clock in milliseconds everywhere. */
struct graph_budget *graph_budget_create(const char *dir);
void graph_budget_destroy(struct graph_budget **budget);

/* Milliseconds until this would be within the budget, 0 = now. What is larger
   than the whole budget has to wait until nothing else counts. */
int64_t graph_budget_wait(const struct graph_budget *budget, bool background,
			  unsigned int requests, uint64_t bytes, int64_t now);
void graph_budget_spend(struct graph_budget *budget, unsigned int requests,
			uint64_t bytes, int64_t now);

/* Somebody waits for a request of this process. */
void graph_budget_note_interactive(struct graph_budget *budget, int64_t now);
/* Another process has had such a request lately. */
bool graph_budget_others_interactive(const struct graph_budget *budget,
				     int64_t now);

#endif
