/* SEARCH. Flags, dates and the usual header fields are in the index; BODY and
   TEXT read the messages, some ahead. With msgraph_search = server the service
   is asked for those words instead, and what it finds takes the place of the
   words while the search runs, as a set of UIDs; all else of the search program
   stays as it is. */

#include "lib.h"
#include "array.h"
#include "llist.h"
#include "mail-search.h"
#include "index-mail.h"
#include "graph-client.h"
#include "graph-find.h"
#include "graph-search.h"
#include "msgraph-settings.h"
#include "msgraph-storage.h"

/* Mails that a search may look ahead for prefetching. Four transfers run at a
   time; the rest keeps them busy. */
#define MSGRAPH_PREFETCH_COUNT 8
/* words of one search program that the service is asked for */
#define MSGRAPH_SEARCH_WORDS_MAX 5

/* An argument of a search that stands for what the service has found. */
struct msgraph_searched {
	struct msgraph_searched *prev, *next;
	struct mail_search_context *ctx;
	struct mail_search_arg *arg;
	/* as it was */
	enum mail_search_arg_type type;
	ARRAY_TYPE(seq_range) seqset;
};

static void
searched_add(struct msgraph_mailbox *mbox, struct mail_search_arg *arg,
	     ARRAY_TYPE(seq_range) *uids)
{
	struct msgraph_searched *searched = i_new(struct msgraph_searched, 1);

	searched->arg = arg;
	searched->type = arg->type;
	searched->seqset = arg->value.seqset;
	arg->type = SEARCH_UIDSET;
	arg->value.seqset = *uids;
	DLLIST_PREPEND(&mbox->searched, searched);
}

/* Returns FALSE if the service has not answered: then it is searched here. */
static bool
search_ask(struct mailbox_transaction_context *t, struct mail_search_arg *arg,
	   const char *query)
{
	struct msgraph_mailbox *mbox = MSGRAPH_MAILBOX(t->box);
	struct graph_client *client = mbox->storage->account->client;
	ARRAY_TYPE(seq_range) uids;
	struct graph_failure fail;
	uint32_t seq, uid;
	char **ids, **id;

	graph_client_set_deadline(client, 0);
	if (graph_search(client, mbox->folder_id, query, &ids, &fail) < 0) {
		e_debug(t->box->event, "msgraph: searching here: %s",
			fail.message);
		return FALSE;
	}
	i_array_init(&uids, 64);
	for (id = ids; *id != NULL; id++) {
		seq = msgraph_idmap_find(mbox->idmap, t->view, *id);
		if (seq != 0) {
			mail_index_lookup_uid(t->view, seq, &uid);
			seq_range_array_add(&uids, uid);
		}
	}
	graph_ids_free(&ids);
	searched_add(mbox, arg, &uids);
	return TRUE;
}

/* Returns FALSE when it is of no use to ask for more. */
static bool search_args(struct mailbox_transaction_context *t,
			struct mail_search_arg *arg, unsigned int *words_left)
{
	bool ok = TRUE;
	char *query;

	for (; arg != NULL && ok && *words_left > 0; arg = arg->next) {
		if (arg->type == SEARCH_OR || arg->type == SEARCH_SUB) {
			ok = search_args(t, arg->value.subargs, words_left);
			continue;
		}
		if ((arg->type != SEARCH_BODY && arg->type != SEARCH_TEXT) ||
		    arg->match_always || arg->nonmatch_always)
			continue;
		query = graph_search_query(arg->type == SEARCH_BODY ?
			GRAPH_SEARCH_BODY : GRAPH_SEARCH_ANYWHERE,
			arg->value.str);
		if (query == NULL)
			continue;
		ok = search_ask(t, arg, query);
		(*words_left)--;
		free(query);
	}
	return ok;
}

struct mail_search_context *
msgraph_search_init(struct mailbox_transaction_context *t,
		    struct mail_search_args *args,
		    const enum mail_sort_type *sort_program,
		    enum mail_fetch_field wanted_fields,
		    struct mailbox_header_lookup_ctx *wanted_headers)
{
	struct msgraph_mailbox *mbox = MSGRAPH_MAILBOX(t->box);
	struct msgraph_searched *searched, *before = mbox->searched;
	unsigned int words_left = MSGRAPH_SEARCH_WORDS_MAX;
	struct mail_search_context *ctx;

	if (mbox->storage->account->set->search_server) T_BEGIN {
		(void)search_args(t, args->args, &words_left);
	} T_END;
	ctx = index_storage_search_init(t, args, sort_program, wanted_fields,
					wanted_headers);
	for (searched = mbox->searched; searched != before;
	     searched = searched->next)
		searched->ctx = ctx;
	/* an admin's mail_prefetch_count, if larger, stays */
	if (ctx->max_mails < MSGRAPH_PREFETCH_COUNT + 1)
		ctx->max_mails = MSGRAPH_PREFETCH_COUNT + 1;
	return ctx;
}

int msgraph_search_deinit(struct mail_search_context *ctx)
{
	struct msgraph_mailbox *mbox = MSGRAPH_MAILBOX(ctx->transaction->box);
	struct msgraph_searched *searched, *next;

	/* who has given the arguments uses them again, later or elsewhere */
	for (searched = mbox->searched; searched != NULL; searched = next) {
		next = searched->next;
		if (searched->ctx != ctx)
			continue;
		array_free(&searched->arg->value.seqset);
		searched->arg->type = searched->type;
		searched->arg->value.seqset = searched->seqset;
		DLLIST_REMOVE(&mbox->searched, searched);
		i_free(searched);
	}
	return index_storage_search_deinit(ctx);
}
