#ifndef GRAPH_SLOTS_H
#define GRAPH_SLOTS_H

/* At most GRAPH_SLOTS requests in flight per mailbox over all processes: one
   lock file per slot, released by the kernel when its holder dies. Beside them
   a file with the time until which the service wants to be left alone (429).
   https://learn.microsoft.com/graph/throttling-limits */

#include <stdbool.h>
#include <stdint.h>

#define GRAPH_SLOTS 4

struct graph_slots;

/* dir NULL: count in this process alone. Nothing is opened yet. */
struct graph_slots *graph_slots_create(const char *dir);
void graph_slots_destroy(struct graph_slots **slots);

/* Slots held by one request, a bit each. */
typedef unsigned int graph_slot_set;

/* Take `weight` slots (1..GRAPH_SLOTS). Returns true when *set holds them all. A
   set that is not complete yet may keep some while its owner waits; they are
   taken in order, so that two such owners cannot block each other. leave_one:
   who wants a single slot leaves one to others. Never blocks. */
bool graph_slots_take(struct graph_slots *slots, unsigned int weight,
		      bool leave_one, graph_slot_set *set);
void graph_slots_release(struct graph_slots *slots, graph_slot_set *set);

/* Tell the other processes that somebody waits for a slot of ours, or no longer
   does; ends with the process. */
void graph_slots_set_urgent(struct graph_slots *slots, bool urgent);
/* Another process has told so: what nobody waits for stays back. */
bool graph_slots_urgent(struct graph_slots *slots);

/* Milliseconds of the wall clock until which nobody is to ask; 0 = now. */
int64_t graph_slots_hold_until(struct graph_slots *slots);
/* Never shortens a longer hold. */
void graph_slots_hold(struct graph_slots *slots, int64_t until_msecs);

#endif
