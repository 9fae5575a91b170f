#include "graph-retry.h"

#define GRAPH_RETRY_THROTTLED_BASE_MSECS 1000
#define GRAPH_RETRY_THROTTLED_MAX_MSECS 30000
#define GRAPH_RETRY_THROTTLED_ATTEMPTS 10
#define GRAPH_RETRY_BASE_MSECS 400
#define GRAPH_RETRY_MAX_MSECS 10000
#define GRAPH_RETRY_ATTEMPTS 5
/* of a request whose answer is lost, or ends early */
#define GRAPH_RETRY_LOST_ATTEMPTS 4
#define GRAPH_RETRY_TIMEOUT_ATTEMPTS 2

unsigned int graph_retry_backoff(unsigned int attempt, unsigned int base_msecs,
				 unsigned int max_msecs, unsigned int random)
{
	unsigned int msecs = base_msecs;

	while (attempt > 1 && msecs < max_msecs) {
		msecs *= 2;
		attempt--;
	}
	if (msecs > max_msecs)
		msecs = max_msecs;
	return msecs - random % (msecs / 2 + 1);
}

static struct graph_retry_verdict
graph_retry_wait(const struct graph_retry_input *input, unsigned int msecs)
{
	struct graph_retry_verdict verdict = {
		.action = GRAPH_RETRY_GIVE_UP, .wait_msecs = 0
	};

	if (msecs < input->msecs_left) {
		verdict.action = GRAPH_RETRY_WAIT;
		verdict.wait_msecs = msecs;
	}
	return verdict;
}

static struct graph_retry_verdict
graph_retry_throttled(const struct graph_retry_input *input)
{
	struct graph_retry_verdict verdict = {
		.action = GRAPH_RETRY_GIVE_UP, .wait_msecs = 0
	};
	unsigned int msecs;

	/* a little later than told, since the service counts refused calls
	   too; and not all waiters at the same moment */
	if (input->retry_after_msecs > 0)
		msecs = input->retry_after_msecs + 50 + input->random % 200;
	else
		msecs = graph_retry_backoff(input->attempt,
			GRAPH_RETRY_THROTTLED_BASE_MSECS,
			GRAPH_RETRY_THROTTLED_MAX_MSECS, input->random);
	if (input->attempt < GRAPH_RETRY_THROTTLED_ATTEMPTS)
		verdict = graph_retry_wait(input, msecs);
	verdict.hold_msecs = msecs;
	return verdict;
}

struct graph_retry_verdict
graph_retry_decide(const struct graph_retry_input *input)
{
	struct graph_retry_verdict give_up = {
		.action = GRAPH_RETRY_GIVE_UP, .wait_msecs = 0
	};
	unsigned int max = 0, msecs;

	switch (input->error) {
	case GRAPH_ERROR_AUTH:
		if (!input->token_renewed && input->status == 401)
			give_up.action = GRAPH_RETRY_FRESH_TOKEN;
		return give_up;
	case GRAPH_ERROR_THROTTLED:
		return graph_retry_throttled(input);
	case GRAPH_ERROR_UNAVAILABLE:
		if (input->idempotent || input->not_sent)
			max = GRAPH_RETRY_ATTEMPTS;
		break;
	case GRAPH_ERROR_LOST:
		if (input->idempotent)
			max = GRAPH_RETRY_LOST_ATTEMPTS;
		break;
	case GRAPH_ERROR_TIMEOUT:
		if (input->idempotent || input->not_sent)
			max = GRAPH_RETRY_TIMEOUT_ATTEMPTS;
		break;
	default:
		break;
	}
	give_up.exhausted = max > 0 && input->attempt >= max;
	if (input->hopeless || input->attempt >= max)
		return give_up;
	if (input->retry_after_msecs > 0)
		msecs = input->retry_after_msecs + input->random % 200;
	else
		msecs = graph_retry_backoff(input->attempt,
			GRAPH_RETRY_BASE_MSECS, GRAPH_RETRY_MAX_MSECS,
			input->random);
	return graph_retry_wait(input, msecs);
}
