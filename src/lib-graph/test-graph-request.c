/* Requests, delta, batch and create against a scripted transport: each
   exchange takes the next step of the script. Timers fire when nothing else is
   left to do, without waiting for their time. */

#include "graph-batch.h"
#include "graph-budget.h"
#include "graph-client.h"
#include "graph-create.h"
#include "graph-delta.h"
#include "graph-mime.h"
#include "msnet-buf.h"
#include "msnet-transport.h"
#include "mstest.h"

#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define BASE "https://graph.example"

struct step {
	int result;		/* enum msnet_result */
	int status;
	const char *retry_after;
	const char *body;
	const char *type;
};

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
static unsigned int script_pos, script_len, max_parallel;
/* what was sent: "METHOD url\nPrefer\nAuthorization\nbody\n\n" */
static struct msnet_buf sent;
static unsigned int tokens_rejected;

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

static const char *shared_dir;

static struct graph_client *begin(const struct step *steps, unsigned int count)
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
#define BEGIN(steps) begin(steps, sizeof(steps) / sizeof((steps)[0]))

static void end(struct graph_client **client)
{
	T_CHECK(script_pos == script_len);
	graph_client_destroy(client);
	T_CHECK(exchanges == NULL && timers == NULL);
	msnet_buf_free(&sent);
}

static unsigned int count_sent(const char *text)
{
	const char *p = sent.data;
	unsigned int n = 0;

	while ((p = strstr(p, text)) != NULL) {
		p++;
		n++;
	}
	return n;
}

#define EMPTY_END "{\"value\":[],\"@odata.deltaLink\":\"" BASE "/v1.0/d\"}"
#define REFUSED "{\"error\":{\"code\":\"BadRequest\",\"message\":\"m\"}}"

static void test_transient(void)
{
	static const struct {
		const char *name;
		struct step first;
	} cases[] = {
		{ "401", { 0, 401, NULL, "{\"error\":{\"code\":"
			"\"InvalidAuthenticationToken\"}}", NULL } },
		{ "429 seconds", { 0, 429, "1", "", NULL } },
		{ "429 fraction", { 0, 429, "0.128", "", NULL } },
		{ "429 absent", { 0, 429, NULL, NULL, NULL } },
		{ "503", { 0, 503, NULL, "<html>", NULL } },
		{ "502", { 0, 502, NULL, "", NULL } },
		{ "refused", { MSNET_CONNECT_FAILED, 0, NULL, NULL, NULL } },
		{ "lost", { MSNET_LOST, 0, NULL, NULL, NULL } },
	};
	struct step steps[2] = { { 0, 200, NULL, EMPTY_END, NULL },
				 { 0, 200, NULL, EMPTY_END, NULL } };
	struct graph_failure fail;
	struct graph_client *client;
	struct graph_delta *delta;
	unsigned int i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		steps[0] = cases[i].first;
		client = BEGIN(steps);
		delta = graph_delta_init(client, "f", NULL);
		T_CHECK_CASE(cases[i].name,
			     graph_delta_next_page(delta, &fail) == 1);
		T_CHECK_CASE(cases[i].name,
			     tokens_rejected == (i == 0 ? 1 : 0));
		T_CHECK(count_sent("IdType=\"ImmutableId\"") == 2);
		T_CHECK(count_sent("Bearer new") == (i == 0 ? 1 : 0));
		graph_delta_deinit(&delta);
		end(&client);
	}
}

static void test_final(void)
{
	static const struct step twice_401[] = {
		{ 0, 401, NULL, "", NULL }, { 0, 401, NULL, "", NULL } };
	static const struct step long_wait[] = { { 0, 429, "500", "", NULL } };
	static const struct step tls[] = {
		{ MSNET_TLS_FAILED, 0, NULL, NULL, NULL } };
	struct graph_failure fail;
	struct graph_client *client = BEGIN(twice_401);
	struct graph_delta *delta = graph_delta_init(client, "f", NULL);

	T_CHECK(graph_delta_next_page(delta, &fail) == -1);
	T_CHECK(fail.error == GRAPH_ERROR_AUTH && tokens_rejected == 1);
	graph_delta_deinit(&delta);
	end(&client);

	/* longer than the deadline: no waiting, and all others are held */
	client = BEGIN(long_wait);
	delta = graph_delta_init(client, "f", NULL);
	T_CHECK(graph_delta_next_page(delta, &fail) == -1);
	T_CHECK(fail.error == GRAPH_ERROR_THROTTLED);
	T_CHECK(graph_delta_next_page(delta, &fail) == -1);
	T_CHECK(fail.error == GRAPH_ERROR_THROTTLED);
	T_CHECK(fail.retry_after_msecs > 490000);
	T_CHECK(graph_client_request_count(client) == 1);
	graph_delta_deinit(&delta);
	end(&client);

	client = BEGIN(tls);
	delta = graph_delta_init(client, "f", NULL);
	T_CHECK(graph_delta_next_page(delta, &fail) == -1);
	T_CHECK(fail.error == GRAPH_ERROR_UNAVAILABLE);
	graph_delta_deinit(&delta);
	end(&client);
}

/* What other processes have spent: nothing is sent that would only bring a
   429. */
static void test_budget(void)
{
	static const struct step once[] = { { 0, 200, NULL, EMPTY_END, NULL } };
	static const char *const names[] = {
		"budget", "hold", "urgent", "slot.0", "slot.1", "slot.2",
		"slot.3"
	};
	char dir[] = "/tmp/test-graph-request.XXXXXX", path[64];
	struct graph_failure fail;
	struct graph_budget *budget;
	struct graph_client *client;
	struct graph_delta *delta;
	struct timespec now;
	unsigned int i;

	T_CHECK(mkdtemp(dir) != NULL);
	shared_dir = dir;
	budget = graph_budget_create(dir);
	clock_gettime(CLOCK_REALTIME, &now);
	graph_budget_spend(budget, 9799, 0, now.tv_sec * INT64_C(1000));
	client = BEGIN(once);
	for (i = 0; i < 2; i++) {
		delta = graph_delta_init(client, "f", NULL);
		T_CHECK(graph_delta_next_page(delta, &fail) ==
			(i == 0 ? 1 : -1));
		graph_delta_deinit(&delta);
	}
	T_CHECK(fail.error == GRAPH_ERROR_THROTTLED);
	T_CHECK(fail.retry_after_msecs > 500000);
	end(&client);
	graph_budget_destroy(&budget);
	shared_dir = NULL;
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		(void)unlink(path);
	}
	T_CHECK(rmdir(dir) == 0);
}

static void test_links(void)
{
	static const struct step foreign[] = { { 0, 200, NULL,
		"{\"value\":[],\"@odata.nextLink\":"
		"\"https://graph.example.evil/v1.0/x\"}", NULL } };
	static const struct step pages[] = {
		{ 0, 200, NULL, "{\"value\":[],\"@odata.nextLink\":\"" BASE
			"/v1.0/n\"}", NULL },
		{ 0, 200, NULL, "{\"value\":[{\"id\":\"a\"}],"
			"\"@odata.deltaLink\":\"" BASE "/v1.0/d\"}", NULL } };
	struct graph_failure fail;
	struct graph_client *client = BEGIN(foreign);
	struct graph_delta *delta = graph_delta_init(client, "f", NULL);
	bool final;

	T_CHECK(graph_delta_next_page(delta, &fail) == -1);
	T_CHECK(fail.error == GRAPH_ERROR_PROTOCOL);
	T_CHECK(count_sent("evil") == 0);
	graph_delta_deinit(&delta);
	end(&client);

	/* a stored link of another service: not one request */
	client = begin(NULL, 0);
	delta = graph_delta_init(client, "f", "https://other.example/v1.0/d");
	T_CHECK(graph_delta_next_page(delta, &fail) == -1);
	T_CHECK(fail.error == GRAPH_ERROR_TOKEN_GONE);
	T_CHECK(graph_client_request_count(client) == 0);
	graph_delta_deinit(&delta);
	end(&client);

	/* an empty page is not the end */
	client = BEGIN(pages);
	delta = graph_delta_init(client, "f", NULL);
	T_CHECK(graph_delta_next_page(delta, &fail) == 1);
	T_CHECK(graph_delta_row_count(delta) == 0);
	T_CHECK(graph_delta_next_page(delta, &fail) == 1);
	T_CHECK(graph_delta_row_count(delta) == 1);
	T_STREQ(graph_delta_row(delta, 0)->id, "a");
	T_STREQ(graph_delta_link(delta, &final), BASE "/v1.0/d");
	T_CHECK(final);
	T_CHECK(graph_delta_next_page(delta, &fail) == 0);
	T_CHECK(count_sent("GET " BASE "/v1.0/n\n") == 1);
	graph_delta_deinit(&delta);
	end(&client);
}

static void test_token_gone(void)
{
	static const struct {
		const char *name;
		struct step step;
		enum graph_error error;
	} cases[] = {
		{ "410", { 0, 410, NULL, "", NULL }, GRAPH_ERROR_TOKEN_GONE },
		{ "400 code", { 0, 400, NULL, "{\"error\":{\"code\":"
			"\"syncstatenotfound\"}}", NULL },
			GRAPH_ERROR_TOKEN_GONE },
		{ "404 code", { 0, 404, NULL, "{\"error\":{\"code\":"
			"\"ResyncRequired\"}}", NULL },
			GRAPH_ERROR_TOKEN_GONE },
		{ "malformed", { 0, 400, NULL, "{\"error\":{\"code\":"
			"\"ErrorInvalidIdMalformed\"}}", NULL },
			GRAPH_ERROR_TOKEN_GONE },
		/* on the service's own link; on a first page it stays REFUSED */
		{ "any 400", { 0, 400, NULL, REFUSED, NULL },
			GRAPH_ERROR_TOKEN_GONE },
		{ "gone", { 0, 404, NULL, "{\"error\":{\"code\":"
			"\"ErrorItemNotFound\"}}", NULL },
			GRAPH_ERROR_FOLDER_GONE },
	};
	struct graph_failure fail;
	struct graph_client *client;
	struct graph_delta *delta;
	unsigned int i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		client = begin(&cases[i].step, 1);
		delta = graph_delta_init(client, "f", BASE "/v1.0/d");
		T_CHECK(graph_delta_next_page(delta, &fail) == -1);
		T_CHECK_CASE(cases[i].name, fail.error == cases[i].error);
		graph_delta_deinit(&delta);
		end(&client);
	}
}

static void test_ladders(void)
{
	static const struct step expand[] = {
		{ 0, 400, NULL, REFUSED, NULL }, { 0, 400, NULL, REFUSED, NULL },
		{ 0, 200, NULL, EMPTY_END, NULL },
		{ 0, 200, NULL, EMPTY_END, NULL } };
	static const struct step slow[] = {
		{ MSNET_TIMEOUT, 0, NULL, NULL, NULL },
		{ MSNET_TIMEOUT, 0, NULL, NULL, NULL },
		{ 0, 200, NULL, EMPTY_END, NULL } };
	struct graph_failure fail;
	struct graph_client *client = BEGIN(expand);
	struct graph_delta *delta = graph_delta_init(client, "f", NULL);

	T_CHECK(graph_delta_next_page(delta, &fail) == 1);
	T_CHECK(count_sent("&%24expand=") + count_sent("&$expand=") == 1);
	T_CHECK(count_sent("&expand=") == 1);
	graph_delta_deinit(&delta);
	/* remembered */
	delta = graph_delta_init(client, "f", NULL);
	T_CHECK(graph_delta_next_page(delta, &fail) == 1);
	graph_delta_deinit(&delta);
	end(&client);

	client = BEGIN(slow);
	delta = graph_delta_init(client, "f", NULL);
	T_CHECK(graph_delta_next_page(delta, &fail) == 1);
	T_CHECK(count_sent("maxpagesize=1000") == 2);
	T_CHECK(count_sent("maxpagesize=500") == 1);
	graph_delta_deinit(&delta);
	end(&client);
}

static void test_batch(void)
{
	static const struct step steps[] = {
		/* out of order; one missing, one throttled, one gone */
		{ 0, 200, NULL, "{\"responses\":["
			"{\"id\":\"3\",\"status\":404,\"body\":{\"error\":"
			"{\"code\":\"ErrorItemNotFound\"}}},"
			"{\"id\":\"1\",\"status\":429,\"headers\":"
			"{\"retry-after\":\"0.2\"},\"body\":{}},"
			"{\"id\":\"0\",\"status\":200,\"body\":{}}]}", NULL },
		{ 0, 200, NULL, "{\"responses\":["
			"{\"id\":\"2\",\"status\":200,\"body\":"
			"\"eyJpZCI6Im0ifQ==\"},"
			"{\"id\":\"1\",\"status\":412,\"body\":{\"error\":"
			"{\"code\":\"ErrorIrresolvableConflict\"}}}]}", NULL },
		{ 0, 200, NULL, "{\"responses\":["
			"{\"id\":\"1\",\"status\":200}]}", NULL } };
	struct graph_patch patch = GRAPH_PATCH_INIT;
	struct graph_failure fail;
	struct graph_client *client = BEGIN(steps);
	struct graph_batch *batch = graph_batch_init(client);

	patch.is_read = 1;
	graph_batch_patch(batch, "a", &patch);
	graph_batch_patch(batch, "b", &patch);
	graph_batch_get(batch, "m");
	graph_batch_delete(batch, "d");
	T_CHECK(graph_batch_run(batch, &fail) == 0);
	T_CHECK(graph_batch_result(batch, 0)->failure.error == GRAPH_OK);
	T_CHECK(graph_batch_result(batch, 1)->failure.error == GRAPH_OK);
	T_CHECK(graph_batch_result(batch, 2)->failure.error == GRAPH_OK);
	T_CHECK(graph_batch_result(batch, 2)->message != NULL);
	T_CHECK(graph_batch_result(batch, 3)->failure.error ==
		GRAPH_ERROR_NOT_FOUND);
	/* what had its verdict was not sent again */
	T_CHECK(count_sent("\"id\":\"0\"") == 1);
	T_CHECK(count_sent("\"id\":\"3\"") == 1);
	graph_batch_deinit(&batch);
	end(&client);
}

/* Answers to the operations first..last of a batch: 200 up to the one before
   bad, which is gone, then 424. */
static char *chain_answer(unsigned int first, unsigned int last,
			  unsigned int bad)
{
	struct msnet_buf buf = { 0 };
	unsigned int i;

	msnet_buf_add(&buf, "{\"responses\":[");
	for (i = first; i <= last; i++) {
		msnet_buf_printf(&buf, "%s{\"id\":\"%u\",\"status\":%d}",
				 i == first ? "" : ",", i,
				 i < bad ? 200 : i == bad ? 404 : 424);
	}
	msnet_buf_add(&buf, "]}");
	return msnet_buf_steal(&buf);
}

/* Many operations: several batches at a time, each a chain. What the first
   chain leaves out after a failure comes once more, in parallel. */
static void test_batch_chains(void)
{
	char *bodies[] = { chain_answer(0, 19, 4), chain_answer(20, 39, 99),
		chain_answer(40, 44, 99), chain_answer(5, 19, 99) };
	struct step steps[] = {
		{ 0, 200, NULL, bodies[0], NULL },
		{ 0, 200, NULL, bodies[1], NULL },
		{ 0, 200, NULL, bodies[2], NULL },
		{ 0, 200, NULL, bodies[3], NULL } };
	struct graph_failure fail;
	struct graph_client *client = BEGIN(steps);
	struct graph_batch *batch = graph_batch_init(client);
	unsigned int i;

	for (i = 0; i < 45; i++)
		graph_batch_delete(batch, "x");
	T_CHECK(graph_batch_run(batch, &fail) == 0);
	T_CHECK(max_parallel == 3);
	for (i = 0; i < 45; i++) {
		T_CHECK(graph_batch_result(batch, i)->failure.error ==
			(i == 4 ? GRAPH_ERROR_NOT_FOUND : GRAPH_OK));
	}
	T_CHECK(count_sent("\"dependsOn\":[\"0\"]") == 1);
	T_CHECK(count_sent("dependsOn") == 19 + 19 + 4);
	T_CHECK(count_sent("\"id\":\"4\"") == 1);
	T_CHECK(count_sent("\"id\":\"5\"") == 2);
	graph_batch_deinit(&batch);
	end(&client);
	for (i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++)
		free(bodies[i]);
}

/* A service that counts a chain for four: one at a time from then on. */
static void test_batch_no_chains(void)
{
	char *bodies[] = { chain_answer(0, 19, 99), chain_answer(20, 39, 99),
		chain_answer(40, 44, 99) };
	struct step steps[] = {
		{ 0, 200, NULL, bodies[0], NULL },
		{ 0, 429, "0.05", "", NULL },
		{ 0, 200, NULL, bodies[2], NULL },
		{ 0, 200, NULL, bodies[1], NULL },
		{ 0, 200, NULL, bodies[0], NULL },
		{ 0, 200, NULL, bodies[1], NULL },
		{ 0, 200, NULL, bodies[2], NULL } };
	struct graph_failure fail;
	struct graph_client *client = BEGIN(steps);
	struct graph_batch *batch;
	unsigned int round, i;

	for (round = 0; round < 2; round++) {
		batch = graph_batch_init(client);
		for (i = 0; i < 45; i++)
			graph_batch_delete(batch, "x");
		T_CHECK(graph_batch_run(batch, &fail) == 0);
		T_CHECK(max_parallel == (round == 0 ? 3 : 1));
		max_parallel = 0;
		graph_batch_deinit(&batch);
	}
	end(&client);
	for (i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++)
		free(bodies[i]);
}

static void test_batch_lost(void)
{
	static const struct step move[] = {
		{ MSNET_LOST, 0, NULL, NULL, NULL },
		{ 0, 200, NULL, "{\"responses\":[{\"id\":\"0\",\"status\":200,"
			"\"body\":{\"id\":\"a\",\"parentFolderId\":\"dest\"}}]}",
			NULL } };
	static const struct step copy[] = {
		{ MSNET_LOST, 0, NULL, NULL, NULL } };
	static const struct step none[] = {
		{ 0, 404, NULL, "", NULL },
		{ 0, 204, NULL, "", NULL }, { 0, 204, NULL, "", NULL },
		{ 0, 204, NULL, "", NULL }, { 0, 404, NULL, "", NULL },
		{ 0, 204, NULL, "", NULL } };
	struct graph_failure fail;
	struct graph_client *client = BEGIN(move);
	struct graph_batch *batch = graph_batch_init(client);
	unsigned int i;

	graph_batch_move(batch, "a", "dest");
	T_CHECK(graph_batch_run(batch, &fail) == 0);
	T_CHECK(graph_batch_result(batch, 0)->failure.error == GRAPH_OK);
	T_STREQ(graph_batch_result(batch, 0)->message->parent_id, "dest");
	T_CHECK(count_sent("/move") == 1);
	graph_batch_deinit(&batch);
	end(&client);

	client = BEGIN(copy);
	batch = graph_batch_init(client);
	graph_batch_copy(batch, "a", "dest");
	(void)graph_batch_run(batch, &fail);
	T_CHECK(graph_batch_result(batch, 0)->failure.error ==
		GRAPH_ERROR_LOST);
	graph_batch_deinit(&batch);
	end(&client);

	/* a server without $batch: singly, four at a time */
	client = BEGIN(none);
	batch = graph_batch_init(client);
	for (i = 0; i < 5; i++)
		graph_batch_delete(batch, "x");
	T_CHECK(graph_batch_run(batch, &fail) == 0);
	T_CHECK(graph_batch_result(batch, 3)->failure.error ==
		GRAPH_ERROR_NOT_FOUND);
	T_CHECK(max_parallel == 4);
	graph_batch_deinit(&batch);
	end(&client);
}

static void test_create(void)
{
	static const struct step found[] = {
		{ MSNET_LOST, 0, NULL, NULL, NULL },
		{ 0, 200, NULL, "{\"value\":[{\"id\":\"x\"}]}", NULL } };
	static const struct step ladder[] = {
		{ 0, 400, NULL, REFUSED, NULL },
		{ 0, 201, NULL, "{\"id\":\"y\"}", NULL } };
	static const struct step oversize[] = {
		{ 0, 200, NULL, "", NULL } };
	static const struct step busy[] = {
		{ 0, 429, "0.1", "", NULL },
		{ 0, 201, NULL, "{\"id\":\"z\"}", NULL } };
	/* it shows up after the second one was made: one of the two goes */
	static const struct step late[] = {
		{ MSNET_LOST, 0, NULL, NULL, NULL },
		{ 0, 200, NULL, "{\"value\":[]}", NULL },
		{ 0, 200, NULL, "{\"value\":[]}", NULL },
		{ 0, 200, NULL, "{\"value\":[]}", NULL },
		{ 0, 201, NULL, "{\"id\":\"second\"}", NULL },
		{ 0, 200, NULL, "{\"value\":[{\"id\":\"first\"},"
			"{\"id\":\"second\"}]}", NULL },
		{ 0, 200, NULL, "{\"responses\":[{\"id\":\"0\","
			"\"status\":204}]}", NULL } };
	static const struct {
		const char *name;
		const struct step *steps;
		unsigned int count;
		const char *id;
	} cases[] = {
		{ "lost and found", found, 2, "x" },
		{ "ladder", ladder, 2, "y" },
		{ "200 is no success", oversize, 1, NULL },
		{ "429", busy, 2, "z" },
		{ "late", late, 7, "second" },
	};
	struct graph_new_message msg = {
		.folder_id = "f", .subject = "s", .mark = "m'1",
		.transport_headers = "X-A: b\r\n",
		.received = 1, .sent = GRAPH_TIME_UNKNOWN,
		.flags = GRAPH_PATCH_INIT,
	};
	struct graph_failure fail;
	struct graph_client *client;
	unsigned int i;
	char *id;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		client = begin(cases[i].steps, cases[i].count);
		T_CHECK_CASE(cases[i].name,
			     (graph_message_create(client, &msg, &id,
						   &fail) == 0) ==
			     (cases[i].id != NULL));
		T_STREQ(id, cases[i].id);
		T_CHECK_CASE(cases[i].name, count_sent("POST ") ==
			     (i == 4 ? 3 : i == 1 || i == 3 ? 2 : 1));
		free(id);
		end(&client);
	}
}

static bool is_older(void *context, const char *id)
{
	return strcmp(id, context) == 0;
}

static void test_create_mime(void)
{
	static const struct step taken[] = {
		{ MSNET_LOST, 0, NULL, NULL, NULL },
		{ 0, 200, NULL, "{\"value\":[{\"id\":\"older\"},"
			"{\"id\":\"new\"}]}", NULL } };
	static const struct step not_taken[] = {
		{ MSNET_LOST, 0, NULL, NULL, NULL },
		{ 0, 200, NULL, "{\"value\":[{\"id\":\"older\"}]}", NULL },
		{ 0, 201, NULL, "{\"id\":\"new\"}", NULL } };
	struct graph_client *client;
	struct graph_failure fail;
	char older[] = "older", path[] = "/tmp/test-graph-XXXXXX", *id;
	int fd = mkstemp(path);

	(void)unlink(path);
	T_CHECK(write(fd, "A: b\r\n\r\n", 8) == 8);
	/* the draft that was saved a moment ago is not the one being saved */
	client = BEGIN(taken);
	T_CHECK(graph_message_create_mime(client, fd, 0, 8, "<1@x>", is_older,
					  older, &id, &fail) == 0);
	T_STREQ(id, "new");
	free(id);
	end(&client);
	client = BEGIN(not_taken);
	T_CHECK(graph_message_create_mime(client, fd, 0, 8, "<1@x>", is_older,
					  older, &id, &fail) == 0);
	T_STREQ(id, "new");
	T_CHECK(count_sent("POST ") == 2);
	free(id);
	end(&client);
	(void)close(fd);
}

struct mime_result {
	enum graph_error error;
	uint64_t size;
	bool done;
};

static void mime_done(void *context, const struct graph_failure *failure,
		      uint64_t size)
{
	struct mime_result *result = context;

	result->error = failure->error;
	result->size = size;
	result->done = true;
}

static void test_mime(void)
{
	static const struct step good[] = {
		{ MSNET_LOST, 0, NULL, "half of it, too long", NULL },
		{ 0, 200, NULL, "A: b\r\n\r\n", "text/plain" } };
	static const struct step json[] = {
		{ 0, 200, NULL, REFUSED, "application/json;x=y" } };
	struct mime_result result = { .done = false };
	struct graph_client *client = BEGIN(good);
	char path[] = "/tmp/test-graph-XXXXXX";
	int fd = mkstemp(path);

	(void)unlink(path);
	graph_mime_start(client, "id", fd, false, mime_done, &result);
	fake_run(NULL, &result.done);
	T_CHECK(result.error == GRAPH_OK && result.size == 8);
	T_CHECK(lseek(fd, 0, SEEK_END) == 8);
	end(&client);

	result.done = false;
	client = BEGIN(json);
	graph_mime_start(client, "id", fd, false, mime_done, &result);
	fake_run(NULL, &result.done);
	T_CHECK(result.error == GRAPH_ERROR_PROTOCOL);
	end(&client);

	/* destroy() ends what is in flight */
	result.done = false;
	client = begin(NULL, 0);
	graph_mime_start(client, "id", fd, false, mime_done, &result);
	end(&client);
	T_CHECK(result.done && result.error == GRAPH_ERROR_CANCELLED);
	close(fd);
}

int main(void)
{
	test_transient();
	test_final();
	test_budget();
	test_links();
	test_token_gone();
	test_ladders();
	test_batch();
	test_batch_chains();
	test_batch_no_chains();
	test_batch_lost();
	test_create();
	test_create_mime();
	test_mime();
	T_RETURN();
}
