#include "lib.h"
#include "test-common.h"
#include "msgraph-poll.h"
#include "msgraph-status.h"

#include <unistd.h>

#define NOW 10000000
#define INTERVAL 30000
#define ROUND (INTERVAL * MSGRAPH_POLL_ROUND)

static void test_need(void)
{
	static const struct {
		int64_t read, listed, changed;
		int total;
		bool told, differs;
		enum msgraph_poll_need want;
	} tests[] = {
		/* never read: only if something came */
		{ 0, 5000, 5000, 7, TRUE, FALSE, MSGRAPH_POLL_NONE },
		{ 0, 5000, 6000, 7, TRUE, FALSE, MSGRAPH_POLL_MUST },
		{ 0, 0, 6000, 7, TRUE, FALSE, MSGRAPH_POLL_MUST },
		{ 0, 5000, 6000, 0, TRUE, FALSE, MSGRAPH_POLL_NONE },
		{ 0, 5000, 6000, -1, TRUE, FALSE, MSGRAPH_POLL_MUST },
		/* ... which is not told: read it, if that is little */
		{ 0, 5000, 5000, 7, FALSE, FALSE, MSGRAPH_POLL_MUST },
		{ 0, 5000, 5000, 1000, FALSE, FALSE, MSGRAPH_POLL_MUST },
		{ 0, 5000, 5000, 1001, FALSE, FALSE, MSGRAPH_POLL_NONE },
		{ 0, 5000, 5000, 0, FALSE, FALSE, MSGRAPH_POLL_NONE },
		/* read, then changed */
		{ NOW - 100, 1, NOW - 50, 7, TRUE, FALSE, MSGRAPH_POLL_MUST },
		{ NOW - 100, 1, NOW - 100, 7, TRUE, FALSE, MSGRAPH_POLL_MUST },
		{ NOW - 100, 1, NOW - 200, 7, TRUE, FALSE, MSGRAPH_POLL_NONE },
		{ NOW - 100, 1, NOW - 200, 7, FALSE, FALSE, MSGRAPH_POLL_MUST },
		/* the messages come later than the row of the folder */
		{ NOW - 100, 1, NOW - 200, 7, TRUE, TRUE, MSGRAPH_POLL_MUST },
		{ NOW - 100, 1, NOW - 100 - MSGRAPH_STATUS_LAG_MSECS, 7, TRUE,
		  TRUE, MSGRAPH_POLL_MUST },
		{ NOW - 100, 1, NOW - 101 - MSGRAPH_STATUS_LAG_MSECS, 7, TRUE,
		  TRUE, MSGRAPH_POLL_NONE },
		/* now and then each */
		{ NOW - ROUND / 2 + 1, 1, 1, 7, TRUE, FALSE,
		  MSGRAPH_POLL_NONE },
		{ NOW - ROUND / 2, 1, 1, 7, TRUE, FALSE, MSGRAPH_POLL_SPARE },
		{ NOW - ROUND + 1, 1, 1, 7, TRUE, FALSE, MSGRAPH_POLL_SPARE },
		{ NOW - ROUND, 1, 1, 7, TRUE, FALSE, MSGRAPH_POLL_MUST },
	};
	unsigned int i;

	test_begin("msgraph poll: need");
	for (i = 0; i < N_ELEMENTS(tests); i++) {
		struct msgraph_poll_folder folder = {
			.now = NOW,
			.interval = INTERVAL,
			.read = tests[i].read,
			.listed = tests[i].listed,
			.changed = tests[i].changed,
			.total = tests[i].total,
			.told = tests[i].told,
			.differs = tests[i].differs,
		};

		test_assert_idx(msgraph_poll_need(&folder) == tests[i].want,
				i);
	}
	test_end();
}

/* The younger of two files says how long to wait. */
static void test_wait(void)
{
	static const struct {
		int age, age2;		/* seconds, -1 = no such file */
		unsigned int want;	/* seconds, rounded up */
	} tests[] = {
		{ -1, -1, 0 },
		{ 10, -1, 20 },
		{ -1, 10, 20 },
		{ 10, 20, 20 },
		{ 20, 10, 20 },
		{ 40, -1, 0 },
		{ 40, 25, 5 },
	};
	const char *paths[2];
	struct timespec times[2];
	unsigned int i, j;
	int age;

	test_begin("msgraph poll: wait");
	for (i = 0; i < N_ELEMENTS(tests); i++) {
		for (j = 0; j < 2; j++) {
			paths[j] = t_strdup_printf("test-msgraph-poll.%ld.%u",
						   (long)getpid(), j);
			i_unlink_if_exists(paths[j]);
			age = j == 0 ? tests[i].age : tests[i].age2;
			if (age < 0)
				continue;
			(void)clock_gettime(CLOCK_REALTIME, &times[0]);
			times[0].tv_sec -= age;
			times[1] = times[0];
			msgraph_poll_touch(paths[j], times);
		}
		test_assert_idx((msgraph_poll_wait(INTERVAL, paths[0],
						   paths[1]) + 999) / 1000 ==
				tests[i].want, i);
	}
	for (j = 0; j < 2; j++)
		i_unlink_if_exists(paths[j]);
	test_assert(msgraph_poll_wait(INTERVAL, paths[0], NULL) == 0);
	test_end();
}

int main(void)
{
	static void (*const test_functions[])(void) = {
		test_need,
		test_wait,
		NULL
	};
	return test_run(test_functions);
}
