#ifndef MSNET_TRANSPORT_H
#define MSNET_TRANSPORT_H

/* The seam between those who want an HTTP exchange and those who run an
   event loop. Two implementations: msnet-poll.c (curl multi with its own
   poll loop: daemon, tool, tests) and plugin/storage/msgraph-transport.c
   (curl multi in Dovecot's ioloop). */

#include "msnet-request.h"

struct msnet_transport;
struct msnet_exchange;
struct msnet_timer;

/* The response belongs to the callee, who frees it. Called from inside the
   loop, never from start() or abort(). The exchange is gone afterwards. */
typedef void msnet_callback_t(struct msnet_response *resp, void *context);
typedef void msnet_timer_callback_t(void *context);

struct msnet_transport_vfuncs {
	void (*destroy)(struct msnet_transport *transport);

	/* Begin an exchange. Takes ownership of req. Does not block. */
	struct msnet_exchange *(*start)(struct msnet_transport *transport,
					struct msnet_request *req,
					msnet_callback_t *callback,
					void *context);
	/* End an exchange without its callback being called. */
	void (*abort)(struct msnet_transport *transport,
		      struct msnet_exchange **exchange);

	/* One-shot timer; gone after its callback ran. */
	struct msnet_timer *(*timer_add)(struct msnet_transport *transport,
					 unsigned int msecs,
					 msnet_timer_callback_t *callback,
					 void *context);
	void (*timer_remove)(struct msnet_transport *transport,
			     struct msnet_timer **timer);

	/* Run exchanges and timers (all of them, also other people's) until
	   *done is true. Calls may be nested: a callback may itself call
	   run() for another flag. */
	void (*run)(struct msnet_transport *transport, const bool *done);
};

struct msnet_transport {
	const struct msnet_transport_vfuncs *v;
};

struct msnet_tls_settings {
	/* extra CA file (PEM), added in place of the system's store; NULL =
	   the system's */
	const char *ca_file;
	/* allow http:// URLs to loopback addresses; set by unit tests only */
	bool allow_loopback_http;
	const char *user_agent;
};

/* A transport with its own loop around curl_multi_poll(). Settings are
   copied. */
struct msnet_transport *
msnet_poll_transport_create(const struct msnet_tls_settings *set);

static inline void msnet_transport_destroy(struct msnet_transport **transport)
{
	if (*transport != NULL) {
		(*transport)->v->destroy(*transport);
		*transport = NULL;
	}
}

/* Convenience on any transport: one exchange, start to end. Takes ownership
   of req; the caller frees the response (never NULL). */
struct msnet_response *
msnet_transport_perform(struct msnet_transport *transport,
			struct msnet_request *req);

#endif
