#include "graph-delta-private.h"
#include "graph-client-private.h"
#include "graph-json.h"
#include "graph-message.h"
#include "graph-property.h"
#include "graph-url.h"
#include "msnet-buf.h"
#include "msnet-request.h"

#include <stdlib.h>
#include <string.h>

/* do not go below that when pages take the service too long */
#define DELTA_PAGE_MIN 50

/* Turns of the event loop until a request is on the wire: its turn in the queue,
   the start of the exchange, what libcurl does next. A timer that is due ends a
   turn, whatever else has become due since. */
#define DELTA_SEND_TURNS 3
#define DELTA_SEND_MSECS 1
/* in a row, before it is given up */
#define GRAPH_DELTA_EMPTY_PAGES_MAX 1000

/* one page; its rows are parsed one by one */
struct delta_page {
	char *text;
	struct graph_json_page shape;
	unsigned int next;
	struct graph_message *row;
};

struct graph_delta {
	struct graph_client *client;
	char *folder_id;
	/* of the present page; NULL before the first */
	char *link;
	bool final;
	/* to ask next; NULL = start a listing */
	char *next;
	unsigned int page_size, unusable_count;
	/* in a row */
	unsigned int empty_pages;
	struct delta_page page;

	/* the page after the present one, on its way or here */
	struct graph_call *call;
	bool call_done;
	struct graph_failure call_fail;
	struct msnet_response *call_resp;
};

struct graph_delta *
graph_delta_init(struct graph_client *client, const char *folder_id,
		 const char *link)
{
	struct graph_delta *delta = msnet_malloc(sizeof(*delta));

	delta->client = client;
	delta->folder_id = msnet_strdup(folder_id);
	delta->next = msnet_strdup(link);
	delta->page_size = GRAPH_DELTA_PAGE_MAX;
	return delta;
}

static void page_deinit(struct delta_page *page)
{
	graph_message_free(&page->row);
	graph_json_page_deinit(&page->shape);
	free(page->text);
	memset(page, 0, sizeof(*page));
}

void graph_delta_deinit(struct graph_delta **_delta)
{
	struct graph_delta *delta = *_delta;

	if (delta == NULL)
		return;
	*_delta = NULL;
	graph_call_abort(&delta->call);
	if (delta->call_resp != NULL)
		msnet_response_free(&delta->call_resp);
	page_deinit(&delta->page);
	free(delta->folder_id);
	free(delta->link);
	free(delta->next);
	free(delta);
}

/* Path of a listing's first page. Later pages and rounds have it all in their
   opaque links. */
char *graph_delta_start_path(struct graph_client *client, const char *folder_id)
{
	enum graph_expand_mode mode = *graph_client_expand_mode(client);
	struct msnet_buf path = { 0 };

	msnet_buf_printf(&path, "%s/mailFolders",
			 graph_client_mailbox_path(client));
	graph_url_add_segment(&path, folder_id);
	msnet_buf_add(&path, "/messages/delta");
	graph_url_add_query(&path, "$select", mode == GRAPH_EXPAND_PLAIN ?
		"singleValueExtendedProperties," GRAPH_MESSAGE_SELECT :
		GRAPH_MESSAGE_SELECT);
	if (mode != GRAPH_EXPAND_NONE)
		graph_url_add_query(&path, mode == GRAPH_EXPAND_DOLLAR ?
				    "$expand" : "expand",
				    GRAPH_MESSAGE_EXPAND);
	return msnet_buf_steal(&path);
}

static void delta_arrived(void *context, const struct graph_failure *failure,
			  struct msnet_response *resp)
{
	struct graph_delta *delta = context;

	delta->call = NULL;
	delta->call_fail = *failure;
	delta->call_resp = resp;
	delta->call_done = true;
}

static void delta_request(struct graph_delta *delta)
{
	char *start = delta->next == NULL ?
		graph_delta_start_path(delta->client, delta->folder_id) : NULL;
	struct graph_call_spec spec = {
		.what = "read changes", .method = "GET",
		.path = delta->next != NULL ? delta->next : start,
		.page_size = delta->page_size, .idempotent = true,
		.background = delta->link != NULL,
		.item_is_folder = true, .ok = { 200 },
	};

	delta->call_done = false;
	delta->call = graph_call_start(delta->client, &spec, delta_arrived,
				       delta);
	free(start);
}

/* What to try after a failure; false = nothing. */
static bool delta_adapt(struct graph_delta *delta)
{
	enum graph_expand_mode *mode =
		graph_client_expand_mode(delta->client);
	const struct graph_failure *fail = &delta->call_fail;

	if (delta->next == NULL && fail->status == 400 &&
	    fail->error == GRAPH_ERROR_REFUSED && *mode != GRAPH_EXPAND_NONE) {
		/* whether a service takes $expand here is not certain */
		(*mode)++;
		return true;
	}
	if ((fail->status == 503 || fail->status == 504 ||
	     fail->error == GRAPH_ERROR_TIMEOUT) &&
	    delta->page_size > DELTA_PAGE_MIN) {
		delta->page_size /= 2;
		return graph_client_pause(delta->client, 100);
	}
	return false;
}

static void delta_fix_failure(struct graph_delta *delta,
			      struct graph_failure *fail)
{
	/* A link is the service's own text: if it calls that a bad request,
	   whatever the code, it has lost the state that the link stands for.
	   What we have asked for ourselves stands in a first page only. */
	if (delta->next != NULL && fail->status == 400 &&
	    (fail->error == GRAPH_ERROR_NOT_FOUND ||
	     fail->error == GRAPH_ERROR_FOLDER_GONE ||
	     fail->error == GRAPH_ERROR_REFUSED))
		fail->error = GRAPH_ERROR_TOKEN_GONE;
	if (fail->status == 410)
		fail->error = GRAPH_ERROR_TOKEN_GONE;
	if (fail->error == GRAPH_ERROR_NOT_FOUND)
		fail->error = GRAPH_ERROR_FOLDER_GONE;
}

/* Take the page that has arrived; -1 if it makes no sense. */
static int delta_take_page(struct graph_delta *delta,
			   struct graph_failure *fail_r)
{
	struct graph_json_page *shape = &delta->page.shape;
	struct msnet_response *resp = delta->call_resp;
	const char *link;

	page_deinit(&delta->page);
	delta->call_resp = NULL;
	delta->page.text = resp->body;
	resp->body = NULL;
	if (graph_json_split_page(delta->page.text, (size_t)resp->body_size,
				  shape) < 0) {
		msnet_response_free(&resp);
		graph_failure_set(fail_r, GRAPH_ERROR_PROTOCOL,
				  "read changes: the answer is no page");
		return -1;
	}
	msnet_response_free(&resp);
	link = shape->next_link != NULL ? shape->next_link : shape->delta_link;
	if (link == NULL ||
	    !graph_url_same_origin(graph_client_base_url(delta->client),
				   link)) {
		graph_failure_set(fail_r, GRAPH_ERROR_PROTOCOL, link == NULL ?
			"read changes: a page without a link" :
			"read changes: a link to another host was refused");
		return -1;
	}
	/* empty pages are allowed, but not for ever */
	delta->empty_pages = shape->row_count > 0 ? 0 : delta->empty_pages + 1;
	if (shape->next_link != NULL &&
	    ((delta->next != NULL && strcmp(link, delta->next) == 0) ||
	     delta->empty_pages > GRAPH_DELTA_EMPTY_PAGES_MAX)) {
		graph_failure_set(fail_r, GRAPH_ERROR_PROTOCOL,
				  "read changes: the pages have no end");
		return -1;
	}
	free(delta->link);
	delta->link = msnet_strdup(link);
	delta->final = shape->next_link == NULL;
	return 0;
}

bool graph_delta_use_ahead(struct graph_delta *delta, uint32_t state)
{
	delta->call_resp = graph_delta_ahead_take(delta->client,
						  delta->folder_id,
						  delta->next, state);
	if (delta->call_resp != NULL) {
		memset(&delta->call_fail, 0, sizeof(delta->call_fail));
		delta->call_done = true;
	}
	return delta->call_done;
}

/* Let it leave before anybody goes to work on the page that is here. */
static void delta_request_ahead(struct graph_delta *delta)
{
	unsigned int i;

	delta_request(delta);
	for (i = 0; i < DELTA_SEND_TURNS; i++)
		(void)graph_client_pause(delta->client, DELTA_SEND_MSECS);
}

int graph_delta_next_page(struct graph_delta *delta,
			  struct graph_failure *fail_r)
{
	memset(fail_r, 0, sizeof(*fail_r));
	if (delta->final)
		return 0;
	for (;;) {
		if (delta->call == NULL && !delta->call_done)
			delta_request(delta);
		graph_client_run(delta->client, &delta->call_done);
		delta->call_done = false;
		if (delta->call_fail.error == GRAPH_OK)
			break;
		delta_fix_failure(delta, &delta->call_fail);
		if (!delta_adapt(delta)) {
			*fail_r = delta->call_fail;
			return -1;
		}
	}
	if (delta_take_page(delta, fail_r) < 0)
		return -1;
	if (!delta->final) {
		/* a long listing that gets on is let to its end */
		graph_client_set_deadline(delta->client, 0);
		free(delta->next);
		delta->next = msnet_strdup(delta->link);
		delta_request_ahead(delta);
	}
	return 1;
}

const struct graph_message *graph_delta_next_row(struct graph_delta *delta)
{
	struct delta_page *page = &delta->page;
	const struct graph_json_slice *slice;
	const char *error;

	graph_message_free(&page->row);
	while (page->next < page->shape.row_count) {
		slice = &page->shape.rows[page->next++];
		page->row = graph_message_parse(page->text + slice->offset,
						slice->size, &error);
		if (page->row != NULL)
			break;
		/* one senseless row must not make the whole folder
		   unreadable */
		delta->unusable_count++;
	}
	return page->row;
}

unsigned int graph_delta_unusable_count(const struct graph_delta *delta)
{
	return delta->unusable_count;
}

const char *graph_delta_link(const struct graph_delta *delta, bool *final_r)
{
	*final_r = delta->final;
	return delta->link;
}
