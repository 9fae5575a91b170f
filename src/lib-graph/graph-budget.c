#include "graph-budget.h"
#include "msnet-buf.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/* The windows are counted in slices of ten seconds. */
#define SLICE_MSECS 10000
#define SLICE_COUNT 64U
#define REQUESTS_SLICES (GRAPH_BUDGET_REQUESTS_SECS * 1000 / SLICE_MSECS)
#define BYTES_SLICES (GRAPH_BUDGET_BYTES_SECS * 1000 / SLICE_MSECS)

/* per cent of the limit */
#define SHARE_INTERACTIVE 98
#define SHARE_BACKGROUND 90

#define INTERACTIVE_MSECS 10000

/* A slice is one word, so that it changes at once: its number above, what was
   counted in it below. */
#define AMOUNT_BITS 40
#define AMOUNT_MASK ((UINT64_C(1) << AMOUNT_BITS) - 1)
#define NUMBER_MASK (UINT64_MAX >> AMOUNT_BITS)
/* the same for milliseconds and the process */
#define PID_BITS 22
#define PID_MASK ((UINT64_C(1) << PID_BITS) - 1)

struct budget_page {
	uint64_t requests[SLICE_COUNT], bytes[SLICE_COUNT];
	uint64_t interactive;
};

struct graph_budget {
	struct budget_page *page;
	bool mapped;
};

static struct budget_page *budget_map(const char *dir)
{
	struct msnet_buf path = { 0 };
	void *page = MAP_FAILED;
	int fd;

	msnet_buf_printf(&path, "%s/budget", dir);
	fd = open(path.data, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	msnet_buf_free(&path);
	if (fd == -1)
		return NULL;
	/* with its blocks, or a full disk would be a SIGBUS */
	if (posix_fallocate(fd, 0, sizeof(struct budget_page)) == 0)
		page = mmap(NULL, sizeof(struct budget_page),
			    PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	(void)close(fd);
	return page == MAP_FAILED ? NULL : page;
}

struct graph_budget *graph_budget_create(const char *dir)
{
	struct graph_budget *budget = msnet_malloc(sizeof(*budget));

	if (dir != NULL)
		budget->page = budget_map(dir);
	budget->mapped = budget->page != NULL;
	if (!budget->mapped)
		budget->page = msnet_malloc(sizeof(*budget->page));
	return budget;
}

void graph_budget_destroy(struct graph_budget **_budget)
{
	struct graph_budget *budget = *_budget;

	if (budget == NULL)
		return;
	*_budget = NULL;
	if (budget->mapped)
		(void)munmap(budget->page, sizeof(*budget->page));
	else
		free(budget->page);
	free(budget);
}

/* What was counted in a slice; its place may be another one's by now. */
static uint64_t slice_amount(const uint64_t *slices, int64_t number)
{
	uint64_t word = __atomic_load_n(&slices[(uint64_t)number % SLICE_COUNT],
					__ATOMIC_RELAXED);

	return word >> AMOUNT_BITS == ((uint64_t)number & NUMBER_MASK) ?
		word & AMOUNT_MASK : 0;
}

static void slice_add(uint64_t *slices, int64_t number, uint64_t amount)
{
	uint64_t *slice = &slices[(uint64_t)number % SLICE_COUNT];
	uint64_t head = ((uint64_t)number & NUMBER_MASK) << AMOUNT_BITS;
	uint64_t word = __atomic_load_n(slice, __ATOMIC_RELAXED), sum;

	do {
		sum = amount;
		if (word >> AMOUNT_BITS == head >> AMOUNT_BITS)
			sum += word & AMOUNT_MASK;
		if (sum > AMOUNT_MASK)
			sum = AMOUNT_MASK;
	} while (!__atomic_compare_exchange_n(slice, &word, head | sum, false,
					      __ATOMIC_RELAXED,
					      __ATOMIC_RELAXED));
}

/* The slice `count` ago counts until the present one has ended, so that the
   window is never shorter than the service's. */
static int64_t window_wait(const uint64_t *slices, int64_t count,
			   uint64_t amount, uint64_t limit, int64_t now)
{
	int64_t present = now / SLICE_MSECS, number;
	uint64_t sum = amount;

	if (amount == 0)
		return 0;
	for (number = present - count; number <= present; number++)
		sum += slice_amount(slices, number);
	if (sum <= limit)
		return 0;
	for (number = present - count; number <= present && sum > amount;
	     number++) {
		sum -= slice_amount(slices, number);
		if (sum <= limit || sum == amount)
			return (number + count + 1) * SLICE_MSECS - now;
	}
	return 0;
}

int64_t graph_budget_wait(const struct graph_budget *budget, bool background,
			  unsigned int requests, uint64_t bytes, int64_t now)
{
	unsigned int share = background ? SHARE_BACKGROUND : SHARE_INTERACTIVE;
	int64_t wait, other;

	wait = window_wait(budget->page->requests, REQUESTS_SLICES, requests,
			   GRAPH_BUDGET_REQUESTS / 100 * share, now);
	other = window_wait(budget->page->bytes, BYTES_SLICES, bytes,
			    GRAPH_BUDGET_BYTES / 100 * share, now);
	return wait > other ? wait : other;
}

void graph_budget_spend(struct graph_budget *budget, unsigned int requests,
			uint64_t bytes, int64_t now)
{
	int64_t present = now / SLICE_MSECS;

	slice_add(budget->page->requests, present, requests);
	if (bytes > 0)
		slice_add(budget->page->bytes, present, bytes);
}

void graph_budget_note_interactive(struct graph_budget *budget, int64_t now)
{
	__atomic_store_n(&budget->page->interactive,
			 (uint64_t)now << PID_BITS |
			 ((uint64_t)getpid() & PID_MASK), __ATOMIC_RELAXED);
}

bool graph_budget_others_interactive(const struct graph_budget *budget,
				     int64_t now)
{
	uint64_t word = __atomic_load_n(&budget->page->interactive,
					__ATOMIC_RELAXED);
	int64_t age = now - (int64_t)(word >> PID_BITS);

	return (word & PID_MASK) != ((uint64_t)getpid() & PID_MASK) &&
		age >= 0 && age < INTERACTIVE_MSECS;
}
