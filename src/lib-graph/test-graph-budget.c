/* The budget over processes, at its edges, and what it costs. */

#include "graph-budget.h"
#include "graph-slots.h"
#include "mstest.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define START INT64_C(1700000000000)
#define SLICE 10000

static char dir[64];

static void test_requests(void)
{
	struct graph_budget *budget = graph_budget_create(NULL);
	int64_t wait;

	T_CHECK(graph_budget_wait(budget, true, 1, 0, START) == 0);
	graph_budget_spend(budget, 9000, 0, START);
	/* the last tenth is for what somebody waits for, and not all of it */
	T_CHECK(graph_budget_wait(budget, true, 1, 0, START) > 0);
	T_CHECK(graph_budget_wait(budget, false, 800, 0, START) == 0);
	T_CHECK(graph_budget_wait(budget, false, 801, 0, START) > 0);
	/* uploads have nothing to do with it */
	T_CHECK(graph_budget_wait(budget, true, 0, 1000, START) == 0);
	/* after exactly that time, not before */
	wait = graph_budget_wait(budget, true, 1, 0, START + 1);
	T_CHECK(wait >= 600 * 1000 - 1 && wait <= 610 * 1000);
	T_CHECK(graph_budget_wait(budget, true, 1, 0, START + wait) > 0);
	T_CHECK(graph_budget_wait(budget, true, 1, 0, START + 1 + wait) == 0);
	graph_budget_destroy(&budget);
}

/* It comes free a slice at a time. */
static void test_rolling(void)
{
	struct graph_budget *budget = graph_budget_create(NULL);
	int64_t now = START;
	unsigned int i;

	for (i = 0; i < 90; i++) {
		graph_budget_spend(budget, 150, 4000000, now);
		now += SLICE;
	}
	/* of the last 600 seconds at least, and no more than a slice older */
	T_CHECK(graph_budget_wait(budget, true, 1, 0, now) <= SLICE);
	T_CHECK(graph_budget_wait(budget, true, 1, 0, now) > 0);
	T_CHECK(graph_budget_wait(budget, true, 200, 0, now) > SLICE);
	T_CHECK(graph_budget_wait(budget, true, 1, 15000000, now) == 0 ||
		graph_budget_wait(budget, true, 0, 15000000, now) == 0);
	T_CHECK(graph_budget_wait(budget, true, 0, 25000000, now) > 0);
	/* larger than all of it: when nothing else counts */
	T_CHECK(graph_budget_wait(budget, true, 0, 500000000, now) > 0);
	T_CHECK(graph_budget_wait(budget, true, 0, 500000000,
				  now + 320 * 1000) == 0);
	T_CHECK(graph_budget_wait(budget, true, 9000, 0,
				  now + 620 * 1000) == 0);
	/* the clock is set back: what was counted later is not */
	T_CHECK(graph_budget_wait(budget, true, 1, 0,
				  START - 3600 * 1000) == 0);
	graph_budget_destroy(&budget);
}

static void test_processes(void)
{
	struct graph_budget *budget, *mine = graph_budget_create(dir);
	unsigned int i, n;

	for (i = 0; i < 8; i++) {
		if (fork() == 0) {
			budget = graph_budget_create(dir);
			for (n = 0; n < 1000; n++)
				graph_budget_spend(budget, 1, 1000, START);
			graph_budget_note_interactive(budget, START);
			_exit(0);
		}
	}
	while (wait(NULL) > 0) ;
	T_CHECK(graph_budget_wait(mine, false, 1800, 0, START) == 0);
	T_CHECK(graph_budget_wait(mine, false, 1801, 0, START) > 0);
	T_CHECK(graph_budget_others_interactive(mine, START + 5000));
	T_CHECK(!graph_budget_others_interactive(mine, START + 15000));
	graph_budget_note_interactive(mine, START + 15000);
	T_CHECK(!graph_budget_others_interactive(mine, START + 15000));
	graph_budget_destroy(&mine);
	/* a new process finds what was spent */
	mine = graph_budget_create(dir);
	T_CHECK(graph_budget_wait(mine, true, 1001, 0, START) > 0);
	graph_budget_destroy(&mine);
}

/* No pass or fail: a figure to look at. */
static void show_cost(void)
{
	struct graph_budget *budget = graph_budget_create(dir);
	struct graph_slots *slots = graph_slots_create(dir);
	const unsigned int count = 20000;
	struct timespec start, end;
	graph_slot_set set = 0;
	unsigned int i;

	clock_gettime(CLOCK_MONOTONIC, &start);
	for (i = 0; i < count; i++) {
		(void)graph_slots_hold_until(slots);
		(void)graph_slots_urgent(slots);
		(void)graph_budget_wait(budget, true, 1, 1, START);
		(void)graph_slots_take(slots, 1, true, &set);
		graph_budget_spend(budget, 1, 1, START + i);
		graph_slots_release(slots, &set);
	}
	clock_gettime(CLOCK_MONOTONIC, &end);
	printf("governor: %.2f us a request\n",
	       ((double)(end.tv_sec - start.tv_sec) * 1e9 +
		(double)(end.tv_nsec - start.tv_nsec)) / 1e3 / count);
	graph_slots_destroy(&slots);
	graph_budget_destroy(&budget);
}

int main(void)
{
	snprintf(dir, sizeof(dir), "/tmp/test-graph-budget.XXXXXX");
	if (mkdtemp(dir) == NULL)
		abort();
	test_requests();
	test_rolling();
	test_processes();
	show_cost();
	if (chdir(dir) == 0) {
		(void)unlink("budget");
		(void)unlink("hold");
		(void)unlink("urgent");
		(void)unlink("slot.0");
		(void)unlink("slot.1");
		(void)unlink("slot.2");
		(void)unlink("slot.3");
		(void)rmdir(dir);
	}
	T_RETURN();
}
