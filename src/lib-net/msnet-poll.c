/* A transport with its own loop. Callbacks run between two steps of curl,
   never inside curl, so they may start, abort and run() as they like. */

#include "msnet-curl.h"
#include "msnet-buf.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* upper bound of one sleep, so that a flag set by a signal is seen */
#define MSNET_POLL_MAX_MSECS 1000

struct msnet_exchange {
	struct msnet_exchange *prev, *next;
	struct msnet_curl_exchange *curl;
	msnet_callback_t *callback;
	void *context;
	/* could not be started: reported by the loop */
	bool failed;
};

struct msnet_timer {
	struct msnet_timer *next;
	uint64_t due;
	uint64_t number;
	msnet_timer_callback_t *callback;
	void *context;
};

struct msnet_poll_transport {
	struct msnet_transport api;
	char *ca_file, *user_agent;
	struct msnet_tls_settings set;
	CURLM *multi;
	struct msnet_exchange *exchanges;
	struct msnet_timer *timers;	/* by due time */
	uint64_t timer_number;
	unsigned int failed_count;
};

static const struct msnet_transport_vfuncs msnet_poll_vfuncs;

static uint64_t msnet_poll_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

struct msnet_transport *
msnet_poll_transport_create(const struct msnet_tls_settings *set)
{
	struct msnet_poll_transport *t = msnet_malloc(sizeof(*t));

	t->api.v = &msnet_poll_vfuncs;
	t->set = *set;
	t->set.ca_file = t->ca_file = msnet_strdup(set->ca_file);
	t->set.user_agent = t->user_agent = msnet_strdup(set->user_agent);
	if (msnet_curl_global_ref() < 0 ||
	    (t->multi = curl_multi_init()) == NULL)
		abort();
	curl_multi_setopt(t->multi, CURLMOPT_PIPELINING,
			  (long)CURLPIPE_MULTIPLEX);
	return &t->api;
}

static void msnet_poll_unlink(struct msnet_poll_transport *t,
			      struct msnet_exchange *exchange)
{
	if (exchange->prev != NULL)
		exchange->prev->next = exchange->next;
	else
		t->exchanges = exchange->next;
	if (exchange->next != NULL)
		exchange->next->prev = exchange->prev;
	if (exchange->failed)
		t->failed_count--;
	else
		curl_multi_remove_handle(t->multi,
			msnet_curl_exchange_handle(exchange->curl));
}

static void msnet_poll_abort(struct msnet_transport *transport,
			     struct msnet_exchange **_exchange)
{
	struct msnet_poll_transport *t =
		(struct msnet_poll_transport *)transport;
	struct msnet_exchange *exchange = *_exchange;

	if (exchange == NULL)
		return;
	*_exchange = NULL;
	/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): not in the list twice */
	msnet_poll_unlink(t, exchange);
	msnet_curl_exchange_free(&exchange->curl);
	free(exchange);
}

static void msnet_poll_destroy(struct msnet_transport *transport)
{
	struct msnet_poll_transport *t =
		(struct msnet_poll_transport *)transport;
	struct msnet_exchange *exchange;
	struct msnet_timer *timer;

	while ((exchange = t->exchanges) != NULL)
		msnet_poll_abort(transport, &exchange);
	while ((timer = t->timers) != NULL) {
		t->timers = timer->next;
		free(timer);
	}
	curl_multi_cleanup(t->multi);
	free(t->ca_file);
	free(t->user_agent);
	free(t);
	msnet_curl_global_unref();
}

static struct msnet_exchange *
msnet_poll_start(struct msnet_transport *transport, struct msnet_request *req,
		 msnet_callback_t *callback, void *context)
{
	struct msnet_poll_transport *t =
		(struct msnet_poll_transport *)transport;
	struct msnet_exchange *exchange = msnet_malloc(sizeof(*exchange));

	exchange->callback = callback;
	exchange->context = context;
	exchange->curl = msnet_curl_exchange_create(&t->set, req);
	if (msnet_curl_exchange_error(exchange->curl) != NULL ||
	    curl_multi_add_handle(t->multi,
		msnet_curl_exchange_handle(exchange->curl)) != CURLM_OK) {
		exchange->failed = true;
		t->failed_count++;
	}
	exchange->next = t->exchanges;
	if (t->exchanges != NULL)
		t->exchanges->prev = exchange;
	t->exchanges = exchange;
	return exchange;
}

static struct msnet_timer *
msnet_poll_timer_add(struct msnet_transport *transport, unsigned int msecs,
		     msnet_timer_callback_t *callback, void *context)
{
	struct msnet_poll_transport *t =
		(struct msnet_poll_transport *)transport;
	struct msnet_timer *timer = msnet_malloc(sizeof(*timer)), **pos;

	timer->due = msnet_poll_now() + msecs;
	timer->number = ++t->timer_number;
	timer->callback = callback;
	timer->context = context;
	for (pos = &t->timers; *pos != NULL; pos = &(*pos)->next) {
		if ((*pos)->due > timer->due)
			break;
	}
	timer->next = *pos;
	*pos = timer;
	return timer;
}

static void msnet_poll_timer_remove(struct msnet_transport *transport,
				    struct msnet_timer **_timer)
{
	struct msnet_poll_transport *t =
		(struct msnet_poll_transport *)transport;
	struct msnet_timer *timer = *_timer, **pos;

	if (timer == NULL)
		return;
	*_timer = NULL;
	for (pos = &t->timers; *pos != NULL; pos = &(*pos)->next) {
		if (*pos == timer) {
			*pos = timer->next;
			free(timer);
			return;
		}
	}
}

/* Timers that a timer callback adds wait for the next round, so they cannot
   keep the exchanges from going on. */
static void msnet_poll_run_timers(struct msnet_poll_transport *t,
				  const bool *done)
{
	uint64_t now = msnet_poll_now(), last = t->timer_number;
	struct msnet_timer *timer;

	while (!*done && (timer = t->timers) != NULL && timer->due <= now &&
	       timer->number <= last) {
		msnet_timer_callback_t *callback = timer->callback;
		void *context = timer->context;

		t->timers = timer->next;
		free(timer);
		callback(context);
	}
}

static void msnet_poll_finish(struct msnet_poll_transport *t,
			      struct msnet_exchange *exchange, CURLcode code)
{
	struct msnet_response *resp;
	msnet_callback_t *callback = exchange->callback;
	void *context = exchange->context;

	msnet_poll_unlink(t, exchange);
	resp = msnet_curl_exchange_finish(exchange->curl, code);
	msnet_curl_exchange_free(&exchange->curl);
	free(exchange);
	callback(resp, context);
}

static struct msnet_exchange *
msnet_poll_find(struct msnet_poll_transport *t, const CURL *easy)
{
	struct msnet_exchange *exchange;

	for (exchange = t->exchanges; exchange != NULL;
	     exchange = exchange->next) {
		if (!exchange->failed &&
		    msnet_curl_exchange_handle(exchange->curl) == easy)
			return exchange;
	}
	return NULL;
}

static void msnet_poll_report_failed(struct msnet_poll_transport *t)
{
	struct msnet_exchange *exchange;

	for (exchange = t->exchanges; exchange != NULL;
	     exchange = exchange->next) {
		if (exchange->failed) {
			msnet_poll_finish(t, exchange, CURLE_FAILED_INIT);
			return;
		}
	}
}

static void msnet_poll_wait(struct msnet_poll_transport *t)
{
	uint64_t now = msnet_poll_now();
	int msecs = MSNET_POLL_MAX_MSECS;

	if (t->failed_count > 0)
		msecs = 0;
	else if (t->timers != NULL && t->timers->due <= now)
		msecs = 0;
	else if (t->timers != NULL &&
		 t->timers->due - now < MSNET_POLL_MAX_MSECS)
		msecs = (int)(t->timers->due - now);
	curl_multi_poll(t->multi, NULL, 0, msecs, NULL);
}

static void msnet_poll_run(struct msnet_transport *transport, const bool *done)
{
	struct msnet_poll_transport *t =
		(struct msnet_poll_transport *)transport;
	struct msnet_exchange *exchange;
	CURLMsg *msg;
	int running, left;

	while (!*done) {
		curl_multi_perform(t->multi, &running);
		/* a callback may run() in turn: ask curl anew each time */
		while (!*done &&
		       (msg = curl_multi_info_read(t->multi, &left)) != NULL) {
			CURLcode code = msg->data.result;

			if (msg->msg != CURLMSG_DONE)
				continue;
			exchange = msnet_poll_find(t, msg->easy_handle);
			if (exchange != NULL)
				msnet_poll_finish(t, exchange, code);
		}
		if (!*done && t->failed_count > 0)
			msnet_poll_report_failed(t);
		msnet_poll_run_timers(t, done);
		if (!*done)
			msnet_poll_wait(t);
	}
}

static const struct msnet_transport_vfuncs msnet_poll_vfuncs = {
	.destroy = msnet_poll_destroy,
	.start = msnet_poll_start,
	.abort = msnet_poll_abort,
	.timer_add = msnet_poll_timer_add,
	.timer_remove = msnet_poll_timer_remove,
	.run = msnet_poll_run
};
