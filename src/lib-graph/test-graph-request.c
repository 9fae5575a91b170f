/* Single requests, deltas and downloads against a scripted transport */

#include "test-graph-transport.h"
#include "graph-budget.h"
#include "graph-client.h"
#include "graph-delta.h"
#include "graph-message.h"
#include "graph-mime.h"
#include "msnet-transport.h"

#include <stdlib.h>
#include <time.h>
#include <unistd.h>

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
	static const struct step loop[] = {
		{ 0, 200, NULL, "{\"value\":[],\"@odata.nextLink\":\"" BASE
			"/v1.0/n\"}", NULL },
		{ 0, 200, NULL, "{\"value\":[],\"@odata.nextLink\":\"" BASE
			"/v1.0/n\"}", NULL } };
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

	/* a page that leads to itself */
	client = BEGIN(loop);
	delta = graph_delta_init(client, "f", NULL);
	T_CHECK(graph_delta_next_page(delta, &fail) == 1);
	T_CHECK(graph_delta_next_page(delta, &fail) == -1);
	T_CHECK(fail.error == GRAPH_ERROR_PROTOCOL);
	graph_delta_deinit(&delta);
	end(&client);

	/* an empty page is not the end */
	client = BEGIN(pages);
	delta = graph_delta_init(client, "f", NULL);
	T_CHECK(graph_delta_next_page(delta, &fail) == 1);
	/* the next one is asked for before this one is read */
	T_CHECK(count_sent("GET " BASE "/v1.0/n\n") == 1);
	T_CHECK(graph_delta_next_row(delta) == NULL);
	T_CHECK(graph_delta_next_page(delta, &fail) == 1);
	T_STREQ(graph_delta_next_row(delta)->id, "a");
	T_CHECK(graph_delta_next_row(delta) == NULL);
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
	play(&result.done);
	T_CHECK(result.error == GRAPH_OK && result.size == 8);
	T_CHECK(lseek(fd, 0, SEEK_END) == 8);
	end(&client);

	result.done = false;
	client = BEGIN(json);
	graph_mime_start(client, "id", fd, false, mime_done, &result);
	play(&result.done);
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
	test_mime();
	T_RETURN();
}
