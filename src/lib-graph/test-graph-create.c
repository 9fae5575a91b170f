/* Creating messages, and looking for lost ones, against a scripted transport */

#include "test-graph-transport.h"
#include "graph-client.h"
#include "graph-create.h"
#include "graph-find.h"
#include "graph-message.h"
#include "msnet-transport.h"

#include <stdlib.h>
#include <time.h>
#include <unistd.h>

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
		{ 0, 200, NULL, "{\"value\":[{\"id\":\"older\"}]}", NULL },
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

#define ROW(id, created, received) "{\"id\":\"" id "\"," \
	"\"createdDateTime\":\"2026-11-24T12:00:" created "Z\"," \
	"\"receivedDateTime\":\"2020-01-01T00:00:" received "Z\"}"

/* What was there before the request, came at another time or is known here is
   not what was lost. */
static void test_find_lost(void)
{
	static const struct {
		const char *rows, *id;
	} cases[] = {
		{ ROW("a", "10", "07"), "a" },
		{ ROW("a", "08", "07"), "a" },
		{ ROW("a", "07", "07"), NULL },
		{ ROW("a", "10", "06"), NULL },
		{ ROW("a", "07", "07") "," ROW("b", "10", "07"), "b" },
		{ ROW("older", "10", "07") "," ROW("b", "10", "07"), "b" },
		{ ROW("older", "10", "07"), NULL },
		{ "{\"id\":\"a\"}", "a" },
		{ "", NULL },
	};
	struct step steps[4] = {
		{ 0, 200, NULL, "{\"value\":[]}", NULL },
	};
	struct graph_message_traits traits = {
		.internet_message_id = "<o'k@x>", .has_received = true,
		.received = 1577836807
	};
	struct graph_failure fail;
	struct graph_client *client;
	char **ids, body[1024], older[] = "older", *id;
	unsigned int i, tries;
	int ret;

	service_date = "Tue, 24 Nov 2026 12:00:10 GMT";
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		tries = cases[i].id != NULL ? 1 : 3;
		snprintf(body, sizeof(body), "{\"value\":[%s]}",
			 cases[i].rows);
		steps[1] = steps[2] = steps[3] =
			(struct step){ 0, 200, NULL, body, NULL };
		client = begin(steps, 1 + tries);
		/* teaches it the service's clock */
		T_CHECK(graph_message_find(client, "f", &traits, &ids,
					   &fail) == 0);
		graph_ids_free(&ids);
		traits.created_since = graph_client_service_time(client);
		ret = graph_message_find_lost(client, "f", &traits, is_older,
					      older, &id, &fail);
		T_CHECK_CASE(cases[i].rows, ret == (tries == 1 ? 1 : 0));
		T_STREQ(id, cases[i].id);
		T_CHECK(count_sent("o%27%27k") == 1 + tries);
		free(id);
		end(&client);
	}
	service_date = NULL;
}

int main(void)
{
	test_create();
	test_create_mime();
	test_find_lost();
	T_RETURN();
}
