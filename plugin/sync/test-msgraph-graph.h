#ifndef TEST_MSGRAPH_GRAPH_H
#define TEST_MSGRAPH_GRAPH_H

/* A Graph for tests: a transport that answers delta requests with scripted
   pages and carries out batches on a table of messages. Timers fire when there
   is nothing else to do, without waiting. */

#define TEST_GRAPH_URL "https://graph.example"
#define TEST_GRAPH_FOLDER "here"

struct test_graph;
struct msnet_transport;

struct test_graph_msg {
	const char *id, *folder, *subject, *body;
	const char *message_id;	/* NULL = none */
	unsigned int day;	/* received */
	bool read, draft;
	const char *categories;	/* inside of a JSON array */
};

struct test_graph *test_graph_create(void);
void test_graph_free(struct test_graph **graph);
struct msnet_transport *test_graph_transport(struct test_graph *graph);

struct test_graph_msg *
test_graph_add(struct test_graph *graph, const char *id, unsigned int day);
struct test_graph_msg *
test_graph_msg(struct test_graph *graph, const char *id);
void test_graph_remove(struct test_graph *graph, const char *id);

/* Queue a delta page. Rows: ids of messages, "-id" for a removed one, "*" for
   all, or JSON objects as they are. */
void test_graph_page(struct test_graph *graph, const char *rows,
		     const char *next, const char *delta);
void test_graph_page_fail(struct test_graph *graph, int status,
			  const char *code);
/* Called when a delta request has arrived. */
void test_graph_before_delta(struct test_graph *graph, void (*func)(void));
/* Rows of delta have no extended properties. */
void test_graph_no_properties(struct test_graph *graph);
/* Refuse an operation ("PATCH a", "BATCH") so many times; NULL ends it. */
void test_graph_fail(struct test_graph *graph, const char *op, int status,
		     const char *code, unsigned int count);
/* Carry this operation out and cut the connection, once. */
void test_graph_lose(struct test_graph *graph, const char *op);
/* Each request takes so long. */
void test_graph_latency(struct test_graph *graph, unsigned int msecs);

/* The operation of the last PATCH as it came. */
const char *test_graph_last_patch(struct test_graph *graph);
/* "DELTA", "DELTA link", "BATCH", "GET id", "FIND id", "PATCH id", ... */
const char *test_graph_log(struct test_graph *graph);
void test_graph_clear_log(struct test_graph *graph);

#endif
