#include "test-graph-transport.h"
#include "graph-client.h"
#include "msnet-buf.h"
#include "msnet-transport.h"

#include <stdlib.h>
#include <unistd.h>

struct msnet_exchange {
	struct msnet_exchange *next;
	struct msnet_request *req;
	msnet_callback_t *callback;
	void *context;
};

struct msnet_timer {
	struct msnet_timer *next;
	unsigned int msecs;
	msnet_timer_callback_t *callback;
	void *context;
};

static struct msnet_exchange *exchanges;
static struct msnet_timer *timers;
static const struct step *script;
static unsigned int script_pos, script_len;
static struct msnet_buf sent;

unsigned int max_parallel, tokens_rejected;
const char *shared_dir, *service_date;

static const char *header(const struct msnet_request *req, const char *name)
{
	unsigned int i;

	for (i = 0; i < req->header_count; i++) {
		if (strcmp(req->headers[i].name, name) == 0)
			return req->headers[i].value;
	}
	return "-";
}

static struct msnet_exchange *
fake_start(struct msnet_transport *t, struct msnet_request *req,
	   msnet_callback_t *callback, void *context)
{
	struct msnet_exchange *ex = msnet_malloc(sizeof(*ex)), **pos;
	unsigned int n = 1;

	(void)t;
	ex->req = req;
	ex->callback = callback;
	ex->context = context;
	for (pos = &exchanges; *pos != NULL; pos = &(*pos)->next)
		n++;
	*pos = ex;
	if (n > max_parallel)
		max_parallel = n;
	msnet_buf_printf(&sent, "%s %s\n%s\n%s\n%s\n\n", req->method, req->url,
			 header(req, "Prefer"), header(req, "Authorization"),
			 req->body == NULL ? "" : req->body);
	return ex;
}

static void fake_abort(struct msnet_transport *t, struct msnet_exchange **_ex)
{
	struct msnet_exchange *ex = *_ex, **pos;

	(void)t;
	*_ex = NULL;
	for (pos = &exchanges; *pos != ex; pos = &(*pos)->next) ;
	*pos = ex->next;
	msnet_request_free(&ex->req);
	free(ex);
}

static struct msnet_timer *
fake_timer_add(struct msnet_transport *t, unsigned int msecs,
	       msnet_timer_callback_t *callback, void *context)
{
	struct msnet_timer *timer = msnet_malloc(sizeof(*timer)), **pos;

	(void)t;
	timer->msecs = msecs;
	timer->callback = callback;
	timer->context = context;
	for (pos = &timers; *pos != NULL && (*pos)->msecs <= msecs;
	     pos = &(*pos)->next) ;
	timer->next = *pos;
	*pos = timer;
	return timer;
}

static void fake_timer_remove(struct msnet_transport *t,
			      struct msnet_timer **_timer)
{
	struct msnet_timer *timer = *_timer, **pos;

	(void)t;
	if (timer == NULL)
		return;
	*_timer = NULL;
	for (pos = &timers; *pos != timer; pos = &(*pos)->next) ;
	*pos = timer->next;
	free(timer);
}

static void add_header(struct msnet_response *resp, const char *name,
		       const char *value)
{
	if (value == NULL)
		return;
	resp->headers = msnet_realloc(resp->headers,
		sizeof(*resp->headers) * (resp->header_count + 1));
	resp->headers[resp->header_count].name = msnet_strdup(name);
	resp->headers[resp->header_count++].value = msnet_strdup(value);
}

static void fake_answer(struct msnet_exchange *ex, const struct step *step)
{
	struct msnet_response *resp = msnet_response_create();
	msnet_callback_t *callback = ex->callback;
	void *context = ex->context;

	resp->result = (enum msnet_result)step->result;
	resp->status = step->status;
	add_header(resp, "Retry-After", step->retry_after);
	add_header(resp, "Content-Type", step->type);
	add_header(resp, "Date", service_date);
	if (step->body != NULL && ex->req->sink_fd != -1) {
		T_CHECK(write(ex->req->sink_fd, step->body,
			      strlen(step->body)) >= 0);
	} else if (step->body != NULL) {
		resp->body = msnet_strdup(step->body);
		resp->body_size = strlen(step->body);
	}
	exchanges = ex->next;
	msnet_request_free(&ex->req);
	free(ex);
	callback(resp, context);
}

static void fake_run(struct msnet_transport *t, const bool *done)
{
	static const struct step nothing = { MSNET_CONNECT_FAILED, 0, NULL,
		NULL, NULL };
	struct msnet_timer *timer;

	(void)t;
	while (!*done) {
		/* what is due at once comes before an answer */
		if ((timer = timers) != NULL &&
		    (exchanges == NULL || timer->msecs == 0)) {
			msnet_timer_callback_t *callback = timer->callback;
			void *context = timer->context;

			if (exchanges == NULL && timer->msecs > 0)
				usleep(timer->msecs * 1000);
			timers = timer->next;
			free(timer);
			callback(context);
		} else if (exchanges != NULL) {
			T_CHECK(script_pos < script_len);
			fake_answer(exchanges, script_pos < script_len ?
				    &script[script_pos++] : &nothing);
		} else {
			abort();
		}
	}
}

static const struct msnet_transport_vfuncs fake_vfuncs = {
	.start = fake_start, .abort = fake_abort,
	.timer_add = fake_timer_add, .timer_remove = fake_timer_remove,
	.run = fake_run
};
static struct msnet_transport fake = { .v = &fake_vfuncs };

void play(const bool *done)
{
	fake_run(&fake, done);
}

static int get_token(void *context, const char *rejected, const char *claims,
		     const char **token_r, struct graph_failure *fail_r)
{
	(void)context;
	T_CHECK(claims == NULL);
	(void)fail_r;
	if (rejected != NULL)
		tokens_rejected++;
	*token_r = rejected != NULL ? "new" : "old";
	return 0;
}

struct graph_client *begin(const struct step *steps, unsigned int count)
{
	struct graph_client_settings set = {
		.base_url = BASE, .mailbox = "me", .transport = &fake,
		.request_timeout_msecs = 30000, .get_token = get_token,
		.shared_dir = shared_dir,
	};

	script = steps;
	script_len = count;
	script_pos = max_parallel = tokens_rejected = 0;
	msnet_buf_free(&sent);
	msnet_buf_add(&sent, "");
	return graph_client_create(&set);
}

void end(struct graph_client **client)
{
	T_CHECK(script_pos == script_len);
	graph_client_destroy(client);
	T_CHECK(exchanges == NULL && timers == NULL);
	msnet_buf_free(&sent);
}

unsigned int count_sent(const char *text)
{
	const char *p = sent.data;
	unsigned int n = 0;

	while ((p = strstr(p, text)) != NULL) {
		p++;
		n++;
	}
	return n;
}
