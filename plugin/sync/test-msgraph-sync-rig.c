/* A bare index that is synchronised with the Graph of test-msgraph-graph.h. */

#include "lib.h"
#include "array.h"
#include "ioloop.h"
#include "str.h"
#include "unlink-directory.h"
#include "test-msgraph-sync-rig.h"

#include <sys/stat.h>
#include <unistd.h>

struct test_rig rig;

static int get_token(void *context ATTR_UNUSED,
		     const char *rejected ATTR_UNUSED,
		     const char *claims ATTR_UNUSED, const char **token_r,
		     struct graph_failure *fail_r ATTR_UNUSED)
{
	*token_r = "token";
	return 0;
}

void rig_open_index(void)
{
	rig.index = mail_index_alloc(NULL, rig.dir, "dovecot.index");
	test_assert(mail_index_open_or_create(rig.index,
		MAIL_INDEX_OPEN_FLAG_CREATE) >= 0);
	rig.idmap = msgraph_idmap_init(rig.index, rig.dir);
}

void rig_close_index(void)
{
	msgraph_idmap_deinit(&rig.idmap);
	mail_index_close(rig.index);
	mail_index_free(&rig.index);
}

void rig_begin(const char *name)
{
	struct graph_client_settings set = {
		.base_url = TEST_GRAPH_URL, .mailbox = "me",
		.request_timeout_msecs = 10000, .get_token = get_token,
	};

	test_begin(name);
	rig.differences = str_new(default_pool, 128);
	rig.edited = str_new(default_pool, 32);
	rig.expunged = str_new(default_pool, 64);
	rig.dir = t_strdup_printf("test-sync.%ld", (long)getpid());
	if (mkdir(rig.dir, 0700) < 0)
		i_fatal("mkdir(%s): %m", rig.dir);
	rig.ioloop = io_loop_create();
	rig_open_index();
	rig.graph = test_graph_create();
	set.transport = test_graph_transport(rig.graph);
	rig.client = graph_client_create(&set);
}

void rig_end(void)
{
	const char *error;

	graph_client_destroy(&rig.client);
	test_graph_free(&rig.graph);
	rig_close_index();
	if (unlink_directory(rig.dir, UNLINK_DIRECTORY_FLAG_RMDIR, &error) < 0)
		i_error("%s", error);
	io_loop_destroy(&rig.ioloop);
	str_free(&rig.differences);
	str_free(&rig.edited);
	str_free(&rig.expunged);
	rig.own = NULL;
	test_end();
}

static void differs(void *context ATTR_UNUSED, enum msgraph_difference what,
		    uint32_t uid, const char *id)
{
	static const char *const names[] = {
		"missing", "gone", "flags", "id", "content"
	};

	str_printfa(rig.differences, "%s%s:%u=%s",
		    str_len(rig.differences) == 0 ? "" : " ", names[what], uid,
		    id == NULL ? "?" : id);
}

static void edited(void *context ATTR_UNUSED, const char *id)
{
	str_printfa(rig.edited, "%s%s", str_len(rig.edited) == 0 ? "" : " ",
		    id);
}

static void expunged(void *context ATTR_UNUSED, uint32_t uid, const char *id)
{
	str_printfa(rig.expunged, "%s%u%s%s",
		    str_len(rig.expunged) == 0 ? "" : " ", uid,
		    id == NULL ? "" : "=", id == NULL ? "" : id);
}

static bool is_own(void *context ATTR_UNUSED, const char *id)
{
	return rig.own != NULL &&
		str_array_find(t_strsplit(rig.own, " "), id);
}

void rig_sync_mode(enum msgraph_sync_flags flags,
		      enum msgraph_expunge_mode mode)
{
	struct event *event = event_create(NULL);
	struct msgraph_quarantine *quarantine =
		msgraph_quarantine_init(rig.dir, event);
	struct msgraph_sync_env env = {
		.quarantine = quarantine,
		.index = rig.index, .idmap = rig.idmap, .client = rig.client,
		.event = event, .folder_id = TEST_GRAPH_FOLDER, .dir = rig.dir,
		.expunge_mode = mode, .trash_id = "trash",
		.is_own = is_own,
		.expunged = expunged,
		.edited = edited,
		.differs = differs,
	};
	const char *error;

	test_graph_clear_log(rig.graph);
	str_truncate(rig.differences, 0);
	str_truncate(rig.edited, 0);
	str_truncate(rig.expunged, 0);
	graph_client_set_deadline(rig.client, rig.deadline_msecs);
	test_assert(msgraph_sync_run(&env, flags, &rig.result, &error) == 0);
	rig.quarantined = msgraph_quarantine_count(quarantine);
	msgraph_quarantine_deinit(&quarantine);
	event_unref(&event);
}

void rig_sync(void)
{
	rig_sync_mode(MSGRAPH_SYNC_PULL, MSGRAPH_EXPUNGE_RECOVERABLE);
}

void rig_push(void)
{
	rig_sync_mode(0, MSGRAPH_EXPUNGE_RECOVERABLE);
}

const char *rig_index_text(void)
{
	struct mail_index_view *view;
	const struct mail_index_record *rec;
	ARRAY_TYPE(keyword_indexes) keywords;
	const char *id, *error;
	const unsigned int *idx;
	string_t *str = t_str_new(128);
	uint32_t seq;

	t_array_init(&keywords, 4);
	test_assert(mail_index_refresh(rig.index) == 0);
	view = mail_index_view_open(rig.index);
	for (seq = 1; seq <= mail_index_view_get_messages_count(view); seq++) {
		rec = mail_index_lookup(view, seq);
		if (msgraph_idmap_get(rig.idmap, view, seq, &id, NULL,
				      &error) <= 0)
			id = "?";
		str_printfa(str, "%s%u=%s", seq == 1 ? "" : " ", rec->uid, id);
		if ((rec->flags & MAIL_SEEN) != 0)
			str_append(str, "S");
		if ((rec->flags & MAIL_FLAGGED) != 0)
			str_append(str, "F");
		if ((rec->flags & MAIL_DELETED) != 0)
			str_append(str, "D");
		mail_index_lookup_keywords(view, seq, &keywords);
		array_foreach(&keywords, idx) {
			str_printfa(str, ",%s", *array_idx(
				mail_index_get_keywords(rig.index), *idx));
		}
	}
	mail_index_view_close(&view);
	return str_c(str);
}

static struct mail_index_transaction *
change_begin(uint32_t uid, struct mail_index_view **view_r, uint32_t *seq_r)
{
	test_assert(mail_index_refresh(rig.index) == 0);
	*view_r = mail_index_view_open(rig.index);
	test_assert(mail_index_lookup_seq(*view_r, uid, seq_r));
	return mail_index_transaction_begin(*view_r, 0);
}

static void change_end(struct mail_index_transaction *trans,
		       struct mail_index_view *view)
{
	test_assert(mail_index_transaction_commit(&trans) == 0);
	mail_index_view_close(&view);
}

void rig_store(uint32_t uid, enum modify_type modify, enum mail_flags flags)
{
	struct mail_index_transaction *trans;
	struct mail_index_view *view;
	uint32_t seq;

	trans = change_begin(uid, &view, &seq);
	mail_index_update_flags(trans, seq, modify, flags);
	change_end(trans, view);
}

void rig_store_keyword(uint32_t uid, enum modify_type modify, const char *name)
{
	const char *const names[] = { name, NULL };
	struct mail_index_transaction *trans;
	struct mail_keywords *keywords;
	struct mail_index_view *view;
	uint32_t seq;

	trans = change_begin(uid, &view, &seq);
	keywords = mail_index_keywords_create(rig.index, names);
	mail_index_update_keywords(trans, seq, modify, keywords);
	mail_index_keywords_unref(&keywords);
	change_end(trans, view);
}

void rig_expunge(uint32_t uid, bool moved)
{
	struct mail_index_transaction *trans;
	struct mail_index_view *view;
	uint32_t seq;

	trans = change_begin(uid, &view, &seq);
	if (moved)
		msgraph_idmap_set_flags(rig.idmap, view, trans, seq,
					MSGRAPH_REC_MOVED);
	mail_index_expunge(trans, seq);
	change_end(trans, view);
}

void rig_append(const char *id)
{
	struct mail_index_transaction *trans;
	struct mail_index_view *view;
	const char *error;
	uint32_t seq;

	test_assert(mail_index_refresh(rig.index) == 0);
	view = mail_index_view_open(rig.index);
	trans = mail_index_transaction_begin(view,
		MAIL_INDEX_TRANSACTION_FLAG_EXTERNAL);
	mail_index_append(trans, mail_index_get_header(view)->next_uid, &seq);
	test_assert(msgraph_idmap_set(rig.idmap, trans, seq, id, 100,
				      MSGRAPH_REC_PINNED, 0, &error) == 0);
	test_assert(mail_index_transaction_commit(&trans) == 0);
	mail_index_view_close(&view);
}

void rig_fill(void)
{
	test_graph_add(rig.graph, "a", 1);
	test_graph_add(rig.graph, "b", 2);
	test_graph_add(rig.graph, "c", 3);
	test_graph_page(rig.graph, "a b c", NULL, "L1");
	rig_sync();
	check("1=a 2=b 3=c");
}
