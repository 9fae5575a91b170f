/* Delta pages into the spool; no lock is held. Memory holds some 50 bytes for
   each row, whatever the rows measure: a date, a place in the file, and a
   checksum to find the id by. */

#include "lib.h"
#include "array.h"
#include "crc32.h"
#include "mail-index.h"
#include "graph-batch.h"
#include "graph-client.h"
#include "graph-delta.h"
#include "graph-message.h"
#include "msgraph-quarantine.h"
#include "msgraph-sync-private.h"

#include <time.h>
#include <unistd.h>

/* a message that was named once and is not there when it is asked for */
#define PULL_NOT_FOUND_TRIES 5

static struct msgraph_pull *pull_create(void)
{
	pool_t pool = pool_alloconly_create("msgraph pull", 1024);
	struct msgraph_pull *pull = p_new(pool, struct msgraph_pull, 1);

	pull->pool = pool;
	pull->spool_fd = -1;
	pull->spooled = buffer_create_dynamic(default_pool, 2048);
	i_array_init(&pull->rows, 64);
	pull->have_by_id = TRUE;
	return pull;
}

static void pull_forget_ids(struct msgraph_pull *pull)
{
	msgraph_slots_clear(&pull->by_id);
	pull->have_by_id = FALSE;
}

void msgraph_pull_free(struct msgraph_pull **_pull)
{
	struct msgraph_pull *pull = *_pull;

	if (pull == NULL)
		return;
	*_pull = NULL;
	i_close_fd(&pull->spool_fd);
	graph_batch_deinit(&pull->asked);
	pull_forget_ids(pull);
	array_free(&pull->rows);
	buffer_free(&pull->spooled);
	pool_unref(&pull->pool);
}

static int pull_fail_read(struct graph_failure *fail_r)
{
	graph_failure_set(fail_r, GRAPH_ERROR_LOCAL,
			  "the list of changes cannot be read back: %s",
			  strerror(errno));
	return -1;
}

static struct msgraph_pulled *
pull_new_row(struct msgraph_pull *pull, const char *id)
{
	struct msgraph_pulled *row = array_append_space(&pull->rows);

	row->received = GRAPH_TIME_UNKNOWN;
	msgraph_slots_add(&pull->by_id, crc32_str(id),
			  array_count(&pull->rows));
	return row;
}

/* Returns FALSE if it adds nothing to what has been said before. */
static bool
pull_take(struct msgraph_pull *pull, struct msgraph_pulled *row,
	  const struct msgraph_row *said)
{
	if (said->removed) {
		row->removed = TRUE;
		return FALSE;
	}
	if (said->elsewhere && !pull->full) {
		/* on its way to another folder */
		row->present = row->removed = TRUE;
	}
	if (said->has_properties)
		pull->has_properties = TRUE;
	if (row->present && row->said && (row->partial || !said->whole)) {
		/* neither the first nor the second alone is the truth */
		row->mixed = TRUE;
		if (!row->partial)
			return FALSE;
	}
	row->present = TRUE;
	row->partial = !said->whole;
	row->content = said->content;
	row->draft = row->draft || said->draft;
	if (said->received != GRAPH_TIME_UNKNOWN)
		row->received = said->received;
	return TRUE;
}

/* Returns 1 if the record of what is said is its record from now on, else 0. */
static int pull_note(struct msgraph_pull *pull, const struct msgraph_row *said,
		     struct msgraph_pulled **row_r, bool *says_r)
{
	int found = msgraph_pull_find(pull, said->id, row_r);

	if (found < 0)
		return -1;
	if (found == 0)
		*row_r = pull_new_row(pull, said->id);
	*says_r = pull_take(pull, *row_r, said);
	return found == 0 || *says_r ? 1 : 0;
}

/* Each row has a record, if only for its id; when more is said of it later,
   another one. */
static void pull_place(struct msgraph_pulled *row, bool says, off_t offset,
		       uint32_t size)
{
	row->offset = offset;
	row->size = size;
	row->said = says;
}

static int
pull_add(const struct msgraph_sync_env *env, struct msgraph_pull *pull,
	 const struct msgraph_row *said, struct graph_failure *fail_r)
{
	struct msgraph_pulled *row;
	uint32_t size;
	off_t offset;
	bool says;
	int ret;

	ret = pull_note(pull, said, &row, &says);
	if (ret < 0)
		return pull_fail_read(fail_r);
	/* a listing that goes on later has to meet it again */
	if (ret == 0 && !pull->listing)
		return 0;
	if (msgraph_spool_add(env, pull, said, &offset, &size, fail_r) < 0)
		return -1;
	if (ret > 0)
		pull_place(row, says, offset, size);
	return 0;
}

int msgraph_pull_replay(struct msgraph_pull *pull,
			const struct msgraph_row *said, off_t offset,
			uint32_t size)
{
	struct msgraph_pulled *row;
	bool says;
	int ret;

	ret = pull_note(pull, said, &row, &says);
	if (ret > 0)
		pull_place(row, says, offset, size);
	return ret < 0 ? -1 : 0;
}

static int
pull_page(const struct msgraph_sync_env *env, struct graph_delta *delta,
	  struct msgraph_pull *pull, bool *last_r,
	  struct graph_failure *fail_r)
{
	const struct graph_message *msg;
	struct msgraph_row said;
	const char *link;
	int ret = 0;

	while (ret == 0 &&
	       (msg = graph_delta_next_row(delta)) != NULL) T_BEGIN {
		msgraph_row_init(&said, msg, env->folder_id);
		ret = pull_add(env, pull, &said, fail_r);
	} T_END;
	if (ret < 0)
		return -1;
	if (graph_delta_unusable_count(delta) > 0)
		pull->unnamed = TRUE;
	link = graph_delta_link(delta, last_r);
	return msgraph_spool_page(env, pull, link, *last_r, fail_r);
}

static int
pull_pages(const struct msgraph_sync_env *env, struct graph_delta *delta,
	   struct msgraph_pull *pull, struct graph_failure *fail_r)
{
	time_t told = time(NULL);
	bool last;
	int ret;

	while ((ret = graph_delta_next_page(delta, fail_r)) > 0) {
		if (pull_page(env, delta, pull, &last, fail_r) < 0)
			return -1;
		if (!last && env->progress != NULL && time(NULL) > told) {
			told = time(NULL);
			env->progress(env->context, array_count(&pull->rows));
		}
	}
	if (ret == 0)
		pull->link = p_strdup(pull->pool,
				      graph_delta_link(delta, &last));
	if (graph_delta_unusable_count(delta) > 0 && pull->full) {
		e_warning(env->event, "%u rows of Graph's list of messages had "
			  "no usable id and are left out",
			  graph_delta_unusable_count(delta));
	}
	return ret;
}

/* draft_r: and it is a draft. */
static bool
pull_is_known(const struct msgraph_sync_env *env, struct mail_index_view *view,
	      const struct msgraph_pull *pull, const struct msgraph_pulled *row,
	      bool *draft_r)
{
	const char *id = msgraph_pull_id(pull, row), *error;
	uint32_t seq = id == NULL ? 0 :
		msgraph_idmap_find(env->idmap, view, id);
	struct msgraph_rec rec;

	*draft_r = seq != 0 &&
		msgraph_idmap_get(env->idmap, view, seq, &id, &rec,
				  &error) > 0 && rec.content != 0;
	return seq != 0;
}

/* Gone from here, and whether it is gone from everywhere matters. */
static bool pull_is_own(const struct msgraph_sync_env *env,
			struct mail_index_view *view,
			const struct msgraph_pull *pull,
			const struct msgraph_pulled *row)
{
	const char *id = msgraph_pull_id(pull, row);

	return env->is_own != NULL && id != NULL &&
		msgraph_idmap_find(env->idmap, view, id) != 0 &&
		env->is_own(env->context, id);
}

static bool pull_must_ask(const struct msgraph_sync_env *env,
			  struct mail_index_view *view,
			  const struct msgraph_pull *pull,
			  struct msgraph_pulled *row)
{
	bool draft;

	if (row->removed)
		return row->present || pull_is_own(env, view, pull, row);
	if (row->partial) {
		/* what it says of flags is enough of a known message */
		if (!pull_is_known(env, view, pull, row, &draft))
			return TRUE;
		row->draft = row->draft || draft;
		return row->mixed || row->content || row->draft;
	}
	return row->mixed || row->draft || !pull->has_properties;
}

/* The service's word on this message that asking again will not change. */
static bool pull_is_final(const struct graph_batch_result *result)
{
	return !graph_error_is_transient(result->failure.error) ||
		(result->answered &&
		 graph_failure_may_be_item(&result->failure));
}

/* Of a message that is new to us and whose row says too little nothing can be
   shown, and the link goes on: it has to be remembered. */
static void
pull_remember(const struct msgraph_sync_env *env, struct mail_index_view *view,
	      const struct msgraph_pull *pull, const struct msgraph_pulled *row,
	      const struct graph_batch_result *result)
{
	const char *id = row->partial ? msgraph_pull_id(pull, row) : NULL;

	if (id != NULL && msgraph_idmap_find(env->idmap, view, id) == 0)
		msgraph_quarantine_failed(env->quarantine, id,
					  MSGRAPH_QUARANTINE_ROW,
					  &result->failure);
}

/* Returns -1 if the whole round has to be tried again later. */
static int pull_take_answer(const struct msgraph_sync_env *env,
			    struct mail_index_view *view,
			    const struct msgraph_pull *pull,
			    struct msgraph_pulled *row,
			    const struct graph_batch_result *result,
			    struct graph_failure *fail_r)
{
	row->lives = row->removed &&
		result->failure.error != GRAPH_ERROR_NOT_FOUND;
	/* what was called removed alone is, whatever a look at it shows that
	   may be older */
	if (row->removed && !row->present)
		return 0;
	if (result->message != NULL) {
		row->removed = result->message->parent_id != NULL &&
			strcmp(result->message->parent_id,
			       env->folder_id) != 0;
		return 0;
	}
	/* In a list but not to be had: it went meanwhile, which the next round
	   tells, or it has not come everywhere yet. So only what the list
	   called removed itself counts as gone. */
	if (result->failure.error == GRAPH_ERROR_NOT_FOUND) {
		if (!row->removed)
			pull_remember(env, view, pull, row, result);
		return 0;
	}
	if (!pull_is_final(result)) {
		*fail_r = result->failure;
		return -1;
	}
	row->removed = FALSE;
	pull_remember(env, view, pull, row, result);
	e_warning(env->event, "a message cannot be read: %s",
		  result->failure.message);
	return 0;
}

static int
pull_ask(const struct msgraph_sync_env *env, struct mail_index_view *view,
	 struct msgraph_pull *pull, const ARRAY_TYPE(uint32_t) *asked,
	 struct graph_failure *fail_r)
{
	struct graph_failure ignored;
	struct msgraph_pulled *row;
	const char *id;
	const uint32_t *i;
	unsigned int n = 0;
	int ret = 0;

	pull->asked = graph_batch_init(env->client);
	pull->asked_rows = p_new(pull->pool, unsigned int,
				 array_count(&pull->rows));
	array_foreach(asked, i) T_BEGIN {
		row = array_idx_modifiable(&pull->rows, *i);
		id = msgraph_pull_id(pull, row);
		if (id == NULL)
			ret = pull_fail_read(fail_r);
		else if (row->draft)
			(void)graph_batch_get_content(pull->asked, id);
		else
			(void)graph_batch_get(pull->asked, id);
	} T_END;
	if (ret < 0)
		return -1;
	graph_client_extend_deadline(env->client,
		I_MIN(array_count(asked), MSGRAPH_LONG_MAX_MSECS /
		      MSGRAPH_MSECS_PER_MESSAGE) * MSGRAPH_MSECS_PER_MESSAGE);
	(void)graph_batch_run(pull->asked, &ignored);
	array_foreach(asked, i) {
		row = array_idx_modifiable(&pull->rows, *i);
		T_BEGIN {
			ret = pull_take_answer(env, view, pull, row,
				graph_batch_result(pull->asked, n++), fail_r);
		} T_END;
		if (ret < 0)
			return -1;
		pull->asked_rows[*i] = n;
	}
	return 0;
}

/* As if they had just been named. */
static int pull_add_quarantined(const struct msgraph_sync_env *env,
				struct msgraph_pull *pull,
				struct graph_failure *fail_r)
{
	unsigned int i, count = msgraph_quarantine_count(env->quarantine);
	struct msgraph_row named = { .received = GRAPH_TIME_UNKNOWN };
	const struct msgraph_quarantined *entry;
	struct msgraph_pulled *row;
	time_t now = time(NULL);
	int ret;

	for (i = 0; i < count; i++) {
		entry = msgraph_quarantine_get(env->quarantine, i);
		if (entry->kind != MSGRAPH_QUARANTINE_ROW || entry->next > now)
			continue;
		ret = msgraph_pull_find(pull, entry->id, &row);
		if (ret < 0)
			return pull_fail_read(fail_r);
		if (ret > 0)
			continue;
		named.id = entry->id;
		row = pull_new_row(pull, entry->id);
		row->present = row->partial = TRUE;
		if (msgraph_spool_add(env, pull, &named, &row->offset,
				      &row->size, fail_r) < 0)
			return -1;
	}
	return 0;
}

/* How the quarantine sees it now: TRUE if there is no more to be done. */
static bool pull_is_settled(const struct msgraph_sync_env *env,
			    const struct msgraph_pull *pull,
			    struct mail_index_view *view,
			    const struct msgraph_quarantined *entry)
{
	struct msgraph_pulled *row;
	unsigned int i, n;
	int ret;

	/* a row is wanted until the message is here, else as long as it is */
	if ((msgraph_idmap_find(env->idmap, view, entry->id) != 0) ==
	    (entry->kind == MSGRAPH_QUARANTINE_ROW))
		return TRUE;
	if (entry->kind != MSGRAPH_QUARANTINE_ROW)
		return FALSE;
	/* if it has come in only now, the next pull will see to it */
	if (!pull->have_by_id)
		return FALSE;
	ret = msgraph_pull_find(pull, entry->id, &row);
	if (ret <= 0)
		return ret == 0 && pull->full && !pull->unnamed;
	if (row->removed)
		return TRUE;
	i = array_ptr_to_idx(&pull->rows, row);
	n = pull->asked == NULL ? 0 : pull->asked_rows[i];
	return n > 0 && entry->tries >= PULL_NOT_FOUND_TRIES &&
		graph_batch_result(pull->asked, n - 1)->failure.error ==
		GRAPH_ERROR_NOT_FOUND;
}

void msgraph_pull_settle(const struct msgraph_sync_env *env,
			 const struct msgraph_pull *pull)
{
	unsigned int i = msgraph_quarantine_count(env->quarantine);
	const struct msgraph_quarantined *entry;
	struct mail_index_view *view;

	if (i == 0)
		return;
	(void)mail_index_refresh(env->index);
	view = mail_index_view_open(env->index);
	while (i-- > 0 && i < msgraph_quarantine_count(env->quarantine)) {
		entry = msgraph_quarantine_get(env->quarantine, i);
		if (pull_is_settled(env, pull, view, entry)) T_BEGIN {
			msgraph_quarantine_remove(env->quarantine,
				t_strdup(entry->id), entry->kind);
		} T_END;
	}
	mail_index_view_close(&view);
}

/* Rows that say too little, as those of drafts do of their text, and messages
   named as present and as gone: ask for each as it is now. */
static int
pull_complete(const struct msgraph_sync_env *env, struct mail_index_view *view,
	      struct msgraph_pull *pull, struct graph_failure *fail_r)
{
	struct msgraph_pulled *row;
	ARRAY_TYPE(uint32_t) asked;
	uint32_t i;
	int ret = 0;

	if (pull_add_quarantined(env, pull, fail_r) < 0)
		return -1;
	i_array_init(&asked, 16);
	array_foreach_modifiable(&pull->rows, row) T_BEGIN {
		if (pull_must_ask(env, view, pull, row)) {
			i = array_foreach_idx(&pull->rows, row);
			array_push_back(&asked, &i);
		}
	} T_END;
	if (array_count(&asked) > 0)
		ret = pull_ask(env, view, pull, &asked, fail_r);
	array_free(&asked);
	return ret;
}

/* Returns -1 with TOKEN_GONE when the interrupted listing that this goes on with
   is no longer known to the service. */
static int pull_list(const struct msgraph_sync_env *env,
		     struct msgraph_pull *pull,
		     const struct msgraph_pull_start *start,
		     struct graph_failure *fail_r)
{
	struct graph_delta *delta;
	int ret = 0;

	if (pull->full) {
		ret = msgraph_spool_begin(env, pull, start->anew, fail_r);
		if (ret < 0 || pull->listed)
			return ret < 0 ? -1 : 0;
	} else {
		msgraph_spool_forget(env);
	}
	delta = graph_delta_init(env->client, env->folder_id,
				 pull->full ? pull->link : start->link);
	if (start->ahead && ret == 0)
		(void)graph_delta_use_ahead(delta, start->pushes);
	ret = pull_pages(env, delta, pull, fail_r);
	graph_delta_deinit(&delta);
	return ret;
}

static struct msgraph_pull *
pull_run(const struct msgraph_sync_env *env,
	 const struct msgraph_pull_start *start, bool *resumed_r,
	 struct graph_failure *fail_r)
{
	struct msgraph_pull *pull = pull_create();
	struct mail_index_view *view;
	int ret;

	pull->full = start->link == NULL;
	pull->generation = start->generation;
	pull->pushes = start->pushes;
	pull->next_uid = start->next_uid;
	ret = pull_list(env, pull, start, fail_r);
	*resumed_r = ret < 0 && pull->listing && !start->anew;
	if (ret == 0) {
		view = mail_index_view_open(env->index);
		ret = pull_complete(env, view, pull, fail_r);
		mail_index_view_close(&view);
	}
	if (ret < 0)
		msgraph_pull_free(&pull);
	else if (!msgraph_pull_sweeps(pull) &&
		 msgraph_quarantine_count(env->quarantine) == 0)
		pull_forget_ids(pull);
	return pull;
}

bool msgraph_pull_sweeps(const struct msgraph_pull *pull)
{
	return pull->full && !pull->unnamed &&
		(pull->generation > 0 || pull->next_uid > 1);
}

struct msgraph_pull *
msgraph_pull_run(const struct msgraph_sync_env *env,
		 const struct msgraph_pull_start *start,
		 struct graph_failure *fail_r)
{
	struct msgraph_pull_start again = *start;
	struct msgraph_pull *pull;
	bool resumed;

	pull = pull_run(env, start, &resumed, fail_r);
	if (pull == NULL && resumed &&
	    (fail_r->error == GRAPH_ERROR_TOKEN_GONE ||
	     fail_r->error == GRAPH_ERROR_LOCAL)) {
		e_debug(env->event, "listing everything anew: %s",
			fail_r->message);
		i_zero(fail_r);
		again.anew = TRUE;
		pull = pull_run(env, &again, &resumed, fail_r);
	}
	return pull;
}
