/* Batches against a scripted transport */

#include "test-graph-transport.h"
#include "graph-batch.h"
#include "graph-client.h"
#include "msnet-buf.h"
#include "msnet-transport.h"

#include <stdlib.h>

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

/* A part whose token is refused is sent by itself, with another token; once. */
static void test_batch_unauthorized(void)
{
#define REFUSED_PART(id) "{\"id\":\"" id "\",\"status\":401,\"body\":" \
	"{\"error\":{\"code\":\"InvalidAuthenticationToken\"}}}"
	static const struct step steps[] = {
		{ 0, 200, NULL, "{\"responses\":["
			"{\"id\":\"0\",\"status\":200},"
			REFUSED_PART("1") "," REFUSED_PART("2") "]}", NULL },
		{ 0, 401, NULL, "", NULL }, { 0, 401, NULL, "", NULL },
		{ 0, 200, NULL, "{}", NULL }, { 0, 401, NULL, "", NULL } };
	struct graph_patch patch = GRAPH_PATCH_INIT;
	struct graph_failure fail;
	struct graph_client *client = BEGIN(steps);
	struct graph_batch *batch = graph_batch_init(client);

	patch.is_read = 1;
	graph_batch_patch(batch, "a", &patch);
	graph_batch_patch(batch, "b", &patch);
	graph_batch_patch(batch, "c", &patch);
	T_CHECK(graph_batch_run(batch, &fail) == 0);
	T_CHECK(graph_batch_result(batch, 0)->failure.error == GRAPH_OK);
	T_CHECK(graph_batch_result(batch, 1)->failure.error == GRAPH_OK);
	T_CHECK(graph_batch_result(batch, 2)->failure.error ==
		GRAPH_ERROR_AUTH);
	T_CHECK(count_sent("$batch") == 1);
	T_CHECK(count_sent("Bearer new") == 2 && tokens_rejected == 2);
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

int main(void)
{
	test_batch();
	test_batch_unauthorized();
	test_batch_chains();
	test_batch_no_chains();
	test_batch_lost();
	T_RETURN();
}
