/* curl multi in Dovecot's ioloop. curl's callbacks only record; curl itself is
   entered from io and timeout callbacks alone. */

#include "lib.h"
#include "ioloop.h"
#include "llist.h"
#include "msnet-curl.h"
#include "msgraph-transport.h"

#include <curl/curl.h>

/* connections to one host; the limit of requests in flight is lib-graph's */
#define HOST_CONNECTIONS_MAX 6

struct transport_socket {
	struct transport_socket *prev, *next;
	struct ioloop_transport *transport;
	curl_socket_t fd;
	struct io *io_in, *io_out;
};

struct msnet_exchange {
	struct msnet_exchange *prev, *next;
	struct ioloop_transport *transport;
	struct msnet_curl_exchange *curl;
	msnet_callback_t *callback;
	void *context;
	/* could not be started; tell from the loop */
	struct timeout *to_fail;
};

struct msnet_timer {
	struct msnet_timer *prev, *next;
	struct ioloop_transport *transport;
	struct timeout *to;
	msnet_timer_callback_t *callback;
	void *context;
};

struct ioloop_transport {
	struct msnet_transport transport;
	struct msnet_tls_settings set;
	char *ca_file, *user_agent;
	CURLM *multi;
	struct timeout *to_curl;
	struct transport_socket *sockets;
	struct msnet_exchange *exchanges;
	struct msnet_timer *timers;
	/* the loop that somebody waits in, NULL outside of run() */
	struct ioloop *ioloop;
	bool destroying;
};

static void transport_wake(struct ioloop_transport *t)
{
	/* who waits looks at its flag after each round */
	if (t->ioloop != NULL)
		io_loop_stop(t->ioloop);
}

static void exchange_free(struct msnet_exchange *ex)
{
	struct ioloop_transport *t = ex->transport;

	timeout_remove(&ex->to_fail);
	DLLIST_REMOVE(&t->exchanges, ex);
	msnet_curl_exchange_free(&ex->curl);
	i_free(ex);
}

static void exchange_done(struct msnet_exchange *ex, CURLcode code)
{
	msnet_callback_t *callback = ex->callback;
	struct ioloop_transport *t = ex->transport;
	struct msnet_response *resp;
	void *context = ex->context;

	resp = msnet_curl_exchange_finish(ex->curl, code);
	exchange_free(ex);
	callback(resp, context);
	transport_wake(t);
}

static struct msnet_exchange *
exchange_find(struct ioloop_transport *t, CURL *easy)
{
	struct msnet_exchange *ex;

	for (ex = t->exchanges; ex != NULL; ex = ex->next) {
		if (msnet_curl_exchange_handle(ex->curl) == easy)
			return ex;
	}
	return NULL;
}

static void transport_collect(struct ioloop_transport *t)
{
	struct msnet_exchange *ex;
	CURLMsg *msg;
	CURLcode code;
	CURL *easy;
	int left;

	while ((msg = curl_multi_info_read(t->multi, &left)) != NULL) {
		if (msg->msg != CURLMSG_DONE)
			continue;
		easy = msg->easy_handle;
		code = msg->data.result;
		ex = exchange_find(t, easy);
		(void)curl_multi_remove_handle(t->multi, easy);
		if (ex != NULL)
			exchange_done(ex, code);
	}
}

static void transport_action(struct ioloop_transport *t, curl_socket_t fd,
			     int events)
{
	int running;

	(void)curl_multi_socket_action(t->multi, fd, events, &running);
	transport_collect(t);
}

static void socket_input(struct transport_socket *s)
{
	transport_action(s->transport, s->fd, CURL_CSELECT_IN);
}

static void socket_output(struct transport_socket *s)
{
	transport_action(s->transport, s->fd, CURL_CSELECT_OUT);
}

static void socket_free(struct transport_socket *s)
{
	io_remove(&s->io_in);
	io_remove(&s->io_out);
	DLLIST_REMOVE(&s->transport->sockets, s);
	i_free(s);
}

static int socket_callback(CURL *easy ATTR_UNUSED, curl_socket_t fd, int what,
			   void *context, void *socket_context)
{
	struct ioloop_transport *t = context;
	struct transport_socket *s = socket_context;

	if (what == CURL_POLL_REMOVE) {
		/* before curl closes it: the number may be used again */
		if (s != NULL)
			socket_free(s);
		return 0;
	}
	if (s == NULL) {
		s = i_new(struct transport_socket, 1);
		s->transport = t;
		s->fd = fd;
		DLLIST_PREPEND(&t->sockets, s);
		(void)curl_multi_assign(t->multi, fd, s);
	}
	if ((what & CURL_POLL_IN) == 0)
		io_remove(&s->io_in);
	else if (s->io_in == NULL)
		s->io_in = io_add(fd, IO_READ, socket_input, s);
	if ((what & CURL_POLL_OUT) == 0)
		io_remove(&s->io_out);
	else if (s->io_out == NULL)
		s->io_out = io_add(fd, IO_WRITE, socket_output, s);
	return 0;
}

static void curl_timeout(struct ioloop_transport *t)
{
	timeout_remove(&t->to_curl);
	transport_action(t, CURL_SOCKET_TIMEOUT, 0);
}

static int timer_callback(CURLM *multi ATTR_UNUSED, long msecs, void *context)
{
	struct ioloop_transport *t = context;

	timeout_remove(&t->to_curl);
	/* 0 means soon, not now: curl must not be entered from its callback */
	if (msecs >= 0 && !t->destroying)
		t->to_curl = timeout_add_short(msecs, curl_timeout, t);
	return 0;
}

static void exchange_failed(struct msnet_exchange *ex)
{
	timeout_remove(&ex->to_fail);
	exchange_done(ex, CURLE_URL_MALFORMAT);
}

static struct msnet_exchange *
transport_start(struct msnet_transport *transport, struct msnet_request *req,
		msnet_callback_t *callback, void *context)
{
	struct ioloop_transport *t =
		container_of(transport, struct ioloop_transport, transport);
	struct msnet_exchange *ex = i_new(struct msnet_exchange, 1);

	ex->transport = t;
	ex->callback = callback;
	ex->context = context;
	ex->curl = msnet_curl_exchange_create(&t->set, req);
	DLLIST_PREPEND(&t->exchanges, ex);
	if (msnet_curl_exchange_error(ex->curl) != NULL ||
	    curl_multi_add_handle(t->multi,
			msnet_curl_exchange_handle(ex->curl)) != CURLM_OK)
		ex->to_fail = timeout_add_short(0, exchange_failed, ex);
	return ex;
}

static void transport_abort(struct msnet_transport *transport ATTR_UNUSED,
			    struct msnet_exchange **_ex)
{
	struct msnet_exchange *ex = *_ex;

	if (ex == NULL)
		return;
	*_ex = NULL;
	(void)curl_multi_remove_handle(ex->transport->multi,
			msnet_curl_exchange_handle(ex->curl));
	exchange_free(ex);
}

static void timer_fired(struct msnet_timer *timer)
{
	msnet_timer_callback_t *callback = timer->callback;
	struct ioloop_transport *t = timer->transport;
	void *context = timer->context;

	timeout_remove(&timer->to);
	DLLIST_REMOVE(&t->timers, timer);
	i_free(timer);
	callback(context);
	transport_wake(t);
}

static struct msnet_timer *
transport_timer_add(struct msnet_transport *transport, unsigned int msecs,
		    msnet_timer_callback_t *callback, void *context)
{
	struct ioloop_transport *t =
		container_of(transport, struct ioloop_transport, transport);
	struct msnet_timer *timer = i_new(struct msnet_timer, 1);

	timer->transport = t;
	timer->callback = callback;
	timer->context = context;
	DLLIST_PREPEND(&t->timers, timer);
	timer->to = timeout_add_short(msecs, timer_fired, timer);
	return timer;
}

static void transport_timer_remove(struct msnet_transport *transport,
				   struct msnet_timer **_timer)
{
	struct ioloop_transport *t =
		container_of(transport, struct ioloop_transport, transport);
	struct msnet_timer *timer = *_timer;

	if (timer == NULL)
		return;
	*_timer = NULL;
	timeout_remove(&timer->to);
	DLLIST_REMOVE(&t->timers, timer);
	i_free(timer);
}

/* All our ios and timeouts into the current ioloop. */
static void transport_switch(struct ioloop_transport *t)
{
	struct transport_socket *s;
	struct msnet_exchange *ex;
	struct msnet_timer *timer;

	for (s = t->sockets; s != NULL; s = s->next) {
		if (s->io_in != NULL)
			s->io_in = io_loop_move_io(&s->io_in);
		if (s->io_out != NULL)
			s->io_out = io_loop_move_io(&s->io_out);
	}
	for (ex = t->exchanges; ex != NULL; ex = ex->next) {
		if (ex->to_fail != NULL)
			ex->to_fail = io_loop_move_timeout(&ex->to_fail);
	}
	for (timer = t->timers; timer != NULL; timer = timer->next)
		timer->to = io_loop_move_timeout(&timer->to);
	if (t->to_curl != NULL)
		t->to_curl = io_loop_move_timeout(&t->to_curl);
}

static void
transport_run(struct msnet_transport *transport, const bool *done)
{
	struct ioloop_transport *t =
		container_of(transport, struct ioloop_transport, transport);
	struct ioloop *prev_ioloop = current_ioloop, *prev_own = t->ioloop;

	t->ioloop = io_loop_create();
	transport_switch(t);
	while (!*done)
		io_loop_run(t->ioloop);
	io_loop_set_current(prev_ioloop);
	transport_switch(t);
	io_loop_set_current(t->ioloop);
	io_loop_destroy(&t->ioloop);
	t->ioloop = prev_own;
	/* whoever waits further out may have got what it waits for */
	if (prev_own != NULL)
		io_loop_stop(prev_own);
}

static void transport_destroy(struct msnet_transport *transport)
{
	struct ioloop_transport *t =
		container_of(transport, struct ioloop_transport, transport);

	t->destroying = TRUE;
	while (t->exchanges != NULL) {
		struct msnet_exchange *ex = t->exchanges;

		transport_abort(transport, &ex);
	}
	while (t->timers != NULL) {
		struct msnet_timer *timer = t->timers;

		transport_timer_remove(transport, &timer);
	}
	(void)curl_multi_cleanup(t->multi);
	while (t->sockets != NULL)
		socket_free(t->sockets);
	timeout_remove(&t->to_curl);
	i_free(t->ca_file);
	i_free(t->user_agent);
	i_free(t);
}

static const struct msnet_transport_vfuncs transport_vfuncs = {
	.destroy = transport_destroy,
	.start = transport_start,
	.abort = transport_abort,
	.timer_add = transport_timer_add,
	.timer_remove = transport_timer_remove,
	.run = transport_run,
};

struct msnet_transport *
msgraph_transport_create(const struct msnet_tls_settings *set)
{
	struct ioloop_transport *t = i_new(struct ioloop_transport, 1);

	t->transport.v = &transport_vfuncs;
	t->set = *set;
	t->ca_file = i_strdup(set->ca_file);
	t->user_agent = i_strdup(set->user_agent);
	t->set.ca_file = t->ca_file;
	t->set.user_agent = t->user_agent;
	t->multi = curl_multi_init();
	if (t->multi == NULL)
		i_fatal_status(FATAL_OUTOFMEM, "curl_multi_init() failed");
	(void)curl_multi_setopt(t->multi, CURLMOPT_SOCKETFUNCTION,
				socket_callback);
	(void)curl_multi_setopt(t->multi, CURLMOPT_SOCKETDATA, t);
	(void)curl_multi_setopt(t->multi, CURLMOPT_TIMERFUNCTION,
				timer_callback);
	(void)curl_multi_setopt(t->multi, CURLMOPT_TIMERDATA, t);
	(void)curl_multi_setopt(t->multi, CURLMOPT_MAX_HOST_CONNECTIONS,
				(long)HOST_CONNECTIONS_MAX);
	(void)curl_multi_setopt(t->multi, CURLMOPT_PIPELINING,
				(long)CURLPIPE_MULTIPLEX);
	return &t->transport;
}
