#include "lib.h"
#include "array.h"
#include "llist.h"
#include "str.h"
#include "msnet-buf.h"
#include "msnet-transport.h"
#include "test-msgraph-graph.h"

#include <ctype.h>
#include <unistd.h>

struct msnet_exchange {
	struct msnet_exchange *prev, *next;
	struct msnet_request *req;
	msnet_callback_t *callback;
	void *context;
};

struct msnet_timer {
	struct msnet_timer *prev, *next;
	bool at_once;
	msnet_timer_callback_t *callback;
	void *context;
};

struct test_fail {
	const char *op, *code;
	int status;
	unsigned int count;
};

struct test_page {
	int status;
	const char *text;	/* rows or error code */
	const char *next, *delta;
};

struct test_graph {
	struct msnet_transport transport;
	pool_t pool;
	ARRAY(struct test_graph_msg *) msgs;
	ARRAY(struct test_page) pages;
	unsigned int page_pos;
	struct msnet_exchange *ex_head, *ex_tail;
	struct msnet_timer *timer_head, *timer_tail;
	void (*before_delta)(void);
	bool no_properties;
	ARRAY(struct test_fail) fails;
	const char *lose_op, *last_patch;
	unsigned int latency;
	bool lost;
	string_t *log;
};

/*
 * The table
 */

struct test_graph_msg *
test_graph_msg(struct test_graph *graph, const char *id)
{
	struct test_graph_msg *const *p;

	array_foreach(&graph->msgs, p) {
		if (strcmp((*p)->id, id) == 0)
			return *p;
	}
	return NULL;
}

struct test_graph_msg *
test_graph_add(struct test_graph *graph, const char *id, unsigned int day)
{
	struct test_graph_msg *msg = test_graph_msg(graph, id);

	if (msg == NULL) {
		msg = p_new(graph->pool, struct test_graph_msg, 1);
		msg->id = p_strdup(graph->pool, id);
		array_push_back(&graph->msgs, &msg);
	}
	msg->folder = TEST_GRAPH_FOLDER;
	msg->subject = "s";
	msg->body = "";
	msg->day = day;
	msg->categories = "";
	return msg;
}

void test_graph_remove(struct test_graph *graph, const char *id)
{
	unsigned int i;

	for (i = 0; i < array_count(&graph->msgs); i++) {
		struct test_graph_msg *const *p = array_idx(&graph->msgs, i);

		if (strcmp((*p)->id, id) == 0) {
			array_delete(&graph->msgs, i, 1);
			return;
		}
	}
}

static void add_message(struct test_graph *graph, string_t *str,
			const struct test_graph_msg *msg, bool properties, bool content)
{
	str_printfa(str, "{\"id\":\"%s\",\"parentFolderId\":\"%s\","
		"\"subject\":\"%s\",\"bodyPreview\":\"%.3s\","
		"\"receivedDateTime\":"
		"\"%04u-01-%02uT00:00:00Z\",\"isRead\":%s,\"isDraft\":%s,"
		"\"flag\":{\"flagStatus\":\"notFlagged\"},"
		"\"categories\":[%s]", msg->id, msg->folder, msg->subject,
		msg->body,
		2000 + msg->day / 28, msg->day % 28 + 1,
		msg->read ? "true" : "false", msg->draft ? "true" : "false",
		msg->categories);
	if (msg->message_id != NULL)
		str_printfa(str, ",\"internetMessageId\":\"%s\"",
			    msg->message_id);
	if (properties)
		str_append(str, ",\"singleValueExtendedProperties\":[{\"id\":"
			   "\"Integer 0xe08\",\"value\":\"1000\"}]");
	if (content)
		str_printfa(str, ",\"hasAttachments\":false,\"body\":"
			    "{\"contentType\":\"text\",\"content\":\"%s\"}",
			    msg->body);
	str_append_c(str, '}');
	(void)graph;
}

/*
 * The script
 */

void test_graph_page(struct test_graph *graph, const char *rows,
		     const char *next, const char *delta)
{
	struct test_page *page = array_append_space(&graph->pages);

	page->status = 200;
	page->text = p_strdup(graph->pool, rows);
	page->next = next;
	page->delta = delta;
}

void test_graph_page_fail(struct test_graph *graph, int status,
			  const char *code)
{
	struct test_page *page = array_append_space(&graph->pages);

	page->status = status;
	page->text = code;
}

void test_graph_before_delta(struct test_graph *graph, void (*func)(void))
{
	graph->before_delta = func;
}

void test_graph_no_properties(struct test_graph *graph)
{
	graph->no_properties = TRUE;
}

void test_graph_fail(struct test_graph *graph, const char *op, int status,
		     const char *code, unsigned int count)
{
	struct test_fail fail = {
		.op = op, .code = code, .status = status, .count = count
	};

	if (op == NULL)
		array_clear(&graph->fails);
	else
		array_push_back(&graph->fails, &fail);
}

void test_graph_lose(struct test_graph *graph, const char *op)
{
	graph->lose_op = op;
}

void test_graph_latency(struct test_graph *graph, unsigned int msecs)
{
	graph->latency = msecs;
}

const char *test_graph_last_patch(struct test_graph *graph)
{
	return graph->last_patch;
}

static void log_op(struct test_graph *graph, const char *op)
{
	str_printfa(graph->log, "%s%s", str_len(graph->log) == 0 ? "" : " ",
		    op);
}

const char *test_graph_log(struct test_graph *graph)
{
	return str_c(graph->log);
}

void test_graph_clear_log(struct test_graph *graph)
{
	str_truncate(graph->log, 0);
}

/* Is the operation to fail this time? */
static const struct test_fail *
find_fail(struct test_graph *graph, const char *op)
{
	struct test_fail *fail;

	array_foreach_modifiable(&graph->fails, fail) {
		if (strcmp(fail->op, op) == 0 && fail->count > 0 &&
		    null_strcmp(graph->lose_op, op) != 0) {
			fail->count--;
			return fail;
		}
	}
	return NULL;
}

static void add_error(string_t *str, const char *code)
{
	str_printfa(str, "{\"error\":{\"code\":\"%s\"}}", code);
}

/*
 * Delta
 */

/* One word or JSON object of the script. */
static const char *
add_row(struct test_graph *graph, string_t *str, const char *p)
{
	const char *end = *p == '{' ? strstr(p, "}{") : strchr(p, ' ');
	const char *word;

	end = end == NULL ? p + strlen(p) : *p == '{' ? end + 1 : end;
	word = t_strdup_until(p, end);
	if (str_data(str)[str_len(str)-1] != '[')
		str_append_c(str, ',');
	if (*word == '{')
		str_append(str, word);
	else if (*word == '-')
		str_printfa(str, "{\"id\":\"%s\",\"@removed\":"
			    "{\"reason\":\"deleted\"}}", word + 1);
	else
		add_message(graph, str, test_graph_msg(graph, word),
			    !graph->no_properties, FALSE);
	return *end == ' ' ? end + 1 : end;
}

static int delta_answer(struct test_graph *graph, const char *url,
			string_t *str)
{
	const char *link = strstr(url, "token=");
	const struct test_page *page;
	struct test_graph_msg *const *m;
	const char *p;

	log_op(graph, link == NULL ? "DELTA" :
	       t_strdup_printf("DELTA %s", link + 6));
	if (graph->before_delta != NULL)
		graph->before_delta();
	if (graph->page_pos == array_count(&graph->pages))
		i_fatal("no page for %s", url);
	page = array_idx(&graph->pages, graph->page_pos++);
	if (page->status != 200) {
		add_error(str, page->text);
		return page->status;
	}
	str_append(str, "{\"value\":[");
	if (strcmp(page->text, "*") == 0) {
		array_foreach(&graph->msgs, m)
			(void)add_row(graph, str, (*m)->id);
	} else {
		for (p = page->text; *p != '\0'; )
			p = add_row(graph, str, p);
	}
	str_printfa(str, "],\"@odata.%sLink\":\"%s/d?token=%s\"}",
		    page->next != NULL ? "next" : "delta", TEST_GRAPH_URL,
		    page->next != NULL ? page->next : page->delta);
	return 200;
}

/*
 * Batches
 */

static const char *text_between(const char *text, const char *start,
				const char *ends)
{
	const char *p = strstr(text, start);

	if (p == NULL)
		return "";
	p += strlen(start);
	return t_strndup(p, strcspn(p, ends));
}

static void
patch(struct test_graph *graph, struct test_graph_msg *msg, const char *op)
{
	const char *p;

	graph->last_patch = p_strdup(graph->pool, op);
	if (strstr(op, "\"isRead\":true") != NULL)
		msg->read = TRUE;
	if (strstr(op, "\"isRead\":false") != NULL)
		msg->read = FALSE;
	p = strstr(op, "\"categories\":[");
	if (p != NULL)
		msg->categories = p_strdup(graph->pool,
			text_between(p, "\"categories\":[", "]"));
}

/* A well-known name is not the id that a message shows. */
static const char *folder_id(struct test_graph *graph, const char *name)
{
	return strcmp(name, "recoverableitemsdeletions") == 0 ? "dumpster" :
		p_strdup(graph->pool, name);
}

static const char *op_name(const char *op)
{
	const char *method = text_between(op, "\"method\":\"", "\"");
	const char *url = text_between(op, "\"url\":\"", "\"");

	if (strstr(url, "/move") != NULL)
		return "MOVE";
	if (strstr(url, "/permanentDelete") != NULL)
		return "PURGE";
	if (strcmp(method, "GET") == 0 &&
	    strstr(url, "select=id,parentFolderId") != NULL)
		return "FIND";
	return method;
}

/* Returns the status; body is appended. */
static int operate(struct test_graph *graph, const char *op, string_t *str)
{
	const char *name = op_name(op);
	const char *id = text_between(op, "/messages/", "/?\"");
	const char *what = t_strdup_printf("%s %s", name, id);
	struct test_graph_msg *msg = test_graph_msg(graph, id);
	const struct test_fail *fail;

	log_op(graph, what);
	if ((fail = find_fail(graph, what)) != NULL) {
		add_error(str, fail->code);
		return fail->status;
	}
	if (msg == NULL) {
		add_error(str, "ErrorItemNotFound");
		return 404;
	}
	if (null_strcmp(graph->lose_op, what) == 0) {
		graph->lose_op = NULL;
		graph->lost = TRUE;
	}
	if (strcmp(name, "MOVE") == 0)
		msg->folder = folder_id(graph,
			text_between(op, "\"destinationId\":\"", "\""));
	else if (strcmp(name, "PURGE") == 0)
		msg->folder = "purged";
	else if (strcmp(name, "DELETE") == 0)
		msg->folder = "deleted";
	else if (strcmp(name, "PATCH") == 0)
		patch(graph, msg, op);
	add_message(graph, str, msg, TRUE,
		    strstr(op, "hasAttachments") != NULL);
	return strcmp(name, "MOVE") == 0 ? 201 :
		strcmp(name, "PURGE") == 0 || strcmp(name, "DELETE") == 0 ?
		204 : 200;
}

/* Operations are numbered; properties have names. */
static const char *next_op(const char *p)
{
	do {
		p = strstr(p + 1, "{\"id\":\"");
	} while (p != NULL && !i_isdigit(p[7]));
	return p;
}

static int batch_answer(struct test_graph *graph, const char *body,
			string_t *str)
{
	const char *op = next_op(body), *next;
	const struct test_fail *fail;
	string_t *answer = t_str_new(256);
	int status;

	log_op(graph, "BATCH");
	if ((fail = find_fail(graph, "BATCH")) != NULL) {
		add_error(str, fail->code);
		return fail->status;
	}
	str_append(str, "{\"responses\":[");
	for (; op != NULL; op = next) {
		next = next_op(op);
		str_truncate(answer, 0);
		status = operate(graph, next == NULL ? op :
				 t_strdup_until(op, next), answer);
		str_printfa(str, "{\"id\":\"%s\",\"status\":%d,\"body\":%s}%s",
			    text_between(op, "{\"id\":\"", "\""), status,
			    str_c(answer), next == NULL ? "" : ",");
	}
	str_append(str, "]}");
	return 200;
}

/*
 * The transport
 */

static struct msnet_exchange *
graph_start(struct msnet_transport *t, struct msnet_request *req,
	    msnet_callback_t *callback, void *context)
{
	struct test_graph *graph =
		container_of(t, struct test_graph, transport);
	struct msnet_exchange *ex = i_new(struct msnet_exchange, 1);

	ex->req = req;
	ex->callback = callback;
	ex->context = context;
	DLLIST2_APPEND(&graph->ex_head, &graph->ex_tail, ex);
	return ex;
}

static void graph_abort(struct msnet_transport *t, struct msnet_exchange **_ex)
{
	struct test_graph *graph =
		container_of(t, struct test_graph, transport);
	struct msnet_exchange *ex = *_ex;

	*_ex = NULL;
	DLLIST2_REMOVE(&graph->ex_head, &graph->ex_tail, ex);
	msnet_request_free(&ex->req);
	i_free(ex);
}

static struct msnet_timer *
graph_timer_add(struct msnet_transport *t, unsigned int msecs,
		msnet_timer_callback_t *callback, void *context)
{
	struct test_graph *graph =
		container_of(t, struct test_graph, transport);
	struct msnet_timer *timer = i_new(struct msnet_timer, 1);

	timer->at_once = msecs == 0;
	timer->callback = callback;
	timer->context = context;
	DLLIST2_APPEND(&graph->timer_head, &graph->timer_tail, timer);
	return timer;
}

static void
graph_timer_remove(struct msnet_transport *t, struct msnet_timer **_timer)
{
	struct test_graph *graph =
		container_of(t, struct test_graph, transport);
	struct msnet_timer *timer = *_timer;

	*_timer = NULL;
	if (timer == NULL)
		return;
	DLLIST2_REMOVE(&graph->timer_head, &graph->timer_tail, timer);
	i_free(timer);
}

static void graph_answer(struct test_graph *graph, struct msnet_exchange *ex)
{
	struct msnet_response *resp = msnet_response_create();
	msnet_callback_t *callback = ex->callback;
	void *context = ex->context;

	/* a hook may run the loop */
	DLLIST2_REMOVE(&graph->ex_head, &graph->ex_tail, ex);
	T_BEGIN {
		string_t *str = t_str_new(1024);

		if (strstr(ex->req->url, "/$batch") != NULL)
			resp->status = batch_answer(graph, ex->req->body, str);
		else
			resp->status = delta_answer(graph, ex->req->url, str);
		if (graph->lost) {
			graph->lost = FALSE;
			resp->status = 0;
			resp->result = MSNET_LOST;
		} else {
			resp->body_size = str_len(str);
			resp->body = msnet_strdup(str_c(str));
		}
	} T_END;
	msnet_request_free(&ex->req);
	i_free(ex);
	callback(resp, context);
}

static void graph_run(struct msnet_transport *t, const bool *done)
{
	struct test_graph *graph =
		container_of(t, struct test_graph, transport);

	while (!*done) {
		struct msnet_timer *timer = graph->timer_head;

		/* what is due at once comes before an answer */
		if (timer != NULL &&
		    (timer->at_once || graph->ex_head == NULL)) {
			msnet_timer_callback_t *callback = timer->callback;
			void *context = timer->context;

			if (!timer->at_once)
				(void)usleep(1000);
			graph_timer_remove(t, &timer);
			callback(context);
		} else if (graph->ex_head != NULL) {
			if (graph->latency > 0)
				usleep(graph->latency * 1000);
			graph_answer(graph, graph->ex_head);
		} else {
			i_fatal("nothing to wait for");
		}
	}
}

static void graph_destroy(struct msnet_transport *t ATTR_UNUSED)
{
}

static const struct msnet_transport_vfuncs graph_vfuncs = {
	.destroy = graph_destroy,
	.start = graph_start,
	.abort = graph_abort,
	.timer_add = graph_timer_add,
	.timer_remove = graph_timer_remove,
	.run = graph_run,
};

struct test_graph *test_graph_create(void)
{
	struct test_graph *graph = i_new(struct test_graph, 1);

	graph->transport.v = &graph_vfuncs;
	graph->pool = pool_alloconly_create("test graph", 16384);
	i_array_init(&graph->msgs, 16);
	i_array_init(&graph->pages, 16);
	i_array_init(&graph->fails, 4);
	graph->log = str_new(default_pool, 256);
	return graph;
}

struct msnet_transport *test_graph_transport(struct test_graph *graph)
{
	return &graph->transport;
}

void test_graph_free(struct test_graph **_graph)
{
	struct test_graph *graph = *_graph;

	*_graph = NULL;
	array_free(&graph->msgs);
	array_free(&graph->pages);
	array_free(&graph->fails);
	str_free(&graph->log);
	pool_unref(&graph->pool);
	i_free(graph);
}
