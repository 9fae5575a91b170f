/* msgraph_sync_run() with a bare index against a small Graph made of a table of
   messages and scripted delta pages. */

#include "lib.h"
#include "array.h"
#include "ioloop.h"
#include "str.h"
#include "test-common.h"
#include "unlink-directory.h"
#include "mail-index.h"
#include "mail-types.h"
#include "graph-client.h"
#include "msgraph-cache.h"
#include "msgraph-flags.h"
#include "msgraph-quarantine.h"
#include "msgraph-sync.h"
#include "test-msgraph-graph.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static struct ioloop *ioloop;
static struct mail_index *mail_index;
static struct msgraph_idmap *idmap;
static struct test_graph *graph;
static struct graph_client *client;
static struct msgraph_sync_result result;
static const char *dir;
static unsigned int deadline_msecs;
/* after the last sync */
static unsigned int quarantined;
/* what a pull has found: "flags:2=b ..." */
static string_t *differences;
static void (*edited_func)(void *context, const char *id);
static void *edited_context;

static int get_token(void *context ATTR_UNUSED,
		     const char *rejected ATTR_UNUSED,
		     const char *claims ATTR_UNUSED, const char **token_r,
		     struct graph_failure *fail_r ATTR_UNUSED)
{
	*token_r = "token";
	return 0;
}

static void open_index(void)
{
	mail_index = mail_index_alloc(NULL, dir, "dovecot.index");
	test_assert(mail_index_open_or_create(mail_index,
		MAIL_INDEX_OPEN_FLAG_CREATE) >= 0);
	idmap = msgraph_idmap_init(mail_index, dir);
}

static void close_index(void)
{
	msgraph_idmap_deinit(&idmap);
	mail_index_close(mail_index);
	mail_index_free(&mail_index);
}

static void begin(const char *name)
{
	struct graph_client_settings set = {
		.base_url = TEST_GRAPH_URL, .mailbox = "me",
		.request_timeout_msecs = 10000, .get_token = get_token,
	};

	test_begin(name);
	differences = str_new(default_pool, 128);
	dir = t_strdup_printf("test-sync.%ld", (long)getpid());
	if (mkdir(dir, 0700) < 0)
		i_fatal("mkdir(%s): %m", dir);
	ioloop = io_loop_create();
	open_index();
	graph = test_graph_create();
	set.transport = test_graph_transport(graph);
	client = graph_client_create(&set);
}

static void end(void)
{
	const char *error;

	graph_client_destroy(&client);
	test_graph_free(&graph);
	close_index();
	if (unlink_directory(dir, UNLINK_DIRECTORY_FLAG_RMDIR, &error) < 0)
		i_error("%s", error);
	io_loop_destroy(&ioloop);
	str_free(&differences);
	test_end();
}

static void differs(void *context ATTR_UNUSED, enum msgraph_difference what,
		    uint32_t uid, const char *id)
{
	static const char *const names[] = {
		"missing", "gone", "flags", "id", "content"
	};

	str_printfa(differences, "%s%s:%u=%s", str_len(differences) == 0 ?
		    "" : " ", names[what], uid, id == NULL ? "?" : id);
}

static void sync_mode(enum msgraph_sync_flags flags,
		      enum msgraph_expunge_mode mode)
{
	struct event *event = event_create(NULL);
	struct msgraph_quarantine *quarantine =
		msgraph_quarantine_init(dir, event);
	struct msgraph_sync_env env = {
		.quarantine = quarantine,
		.index = mail_index, .idmap = idmap, .client = client,
		.event = event, .folder_id = TEST_GRAPH_FOLDER, .dir = dir,
		.expunge_mode = mode, .trash_id = "trash",
		.edited = edited_func, .context = edited_context,
		.differs = differs,
	};
	const char *error;

	test_graph_clear_log(graph);
	str_truncate(differences, 0);
	graph_client_set_deadline(client, deadline_msecs);
	test_assert(msgraph_sync_run(&env, flags, &result, &error) == 0);
	quarantined = msgraph_quarantine_count(quarantine);
	msgraph_quarantine_deinit(&quarantine);
	event_unref(&event);
}

static void sync_now(void)
{
	sync_mode(MSGRAPH_SYNC_PULL, MSGRAPH_EXPUNGE_RECOVERABLE);
}

/* The index as "uid=id", with the flags' initials and the keywords. */
static const char *index_text(void)
{
	struct mail_index_view *view;
	const struct mail_index_record *rec;
	ARRAY_TYPE(keyword_indexes) keywords;
	const char *id, *error;
	const unsigned int *idx;
	string_t *str = t_str_new(128);
	uint32_t seq;

	t_array_init(&keywords, 4);
	test_assert(mail_index_refresh(mail_index) == 0);
	view = mail_index_view_open(mail_index);
	for (seq = 1; seq <= mail_index_view_get_messages_count(view); seq++) {
		rec = mail_index_lookup(view, seq);
		if (msgraph_idmap_get(idmap, view, seq, &id, NULL, &error) <= 0)
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
				mail_index_get_keywords(mail_index), *idx));
		}
	}
	mail_index_view_close(&view);
	return str_c(str);
}

#define check(text) test_assert_strcmp(index_text(), text)
#define check_log(text) test_assert_strcmp(test_graph_log(graph), text)

/* What a client does: a change that is pending until it has been sent. */
static void store(uint32_t uid, enum modify_type modify, enum mail_flags flags)
{
	struct mail_index_transaction *trans;
	struct mail_index_view *view;
	uint32_t seq;

	test_assert(mail_index_refresh(mail_index) == 0);
	view = mail_index_view_open(mail_index);
	test_assert(mail_index_lookup_seq(view, uid, &seq));
	trans = mail_index_transaction_begin(view, 0);
	mail_index_update_flags(trans, seq, modify, flags);
	test_assert(mail_index_transaction_commit(&trans) == 0);
	mail_index_view_close(&view);
}

static void store_keyword(uint32_t uid, enum modify_type modify,
			  const char *name)
{
	const char *const names[] = { name, NULL };
	struct mail_index_transaction *trans;
	struct mail_keywords *keywords;
	struct mail_index_view *view;
	uint32_t seq;

	test_assert(mail_index_refresh(mail_index) == 0);
	view = mail_index_view_open(mail_index);
	test_assert(mail_index_lookup_seq(view, uid, &seq));
	trans = mail_index_transaction_begin(view, 0);
	keywords = mail_index_keywords_create(mail_index, names);
	mail_index_update_keywords(trans, seq, modify, keywords);
	mail_index_keywords_unref(&keywords);
	test_assert(mail_index_transaction_commit(&trans) == 0);
	mail_index_view_close(&view);
}

static void expunge(uint32_t uid, bool moved)
{
	struct mail_index_transaction *trans;
	struct mail_index_view *view;
	uint32_t seq;

	test_assert(mail_index_refresh(mail_index) == 0);
	view = mail_index_view_open(mail_index);
	test_assert(mail_index_lookup_seq(view, uid, &seq));
	trans = mail_index_transaction_begin(view, 0);
	if (moved)
		msgraph_idmap_set_flags(idmap, view, trans, seq,
					MSGRAPH_REC_MOVED);
	mail_index_expunge(trans, seq);
	test_assert(mail_index_transaction_commit(&trans) == 0);
	mail_index_view_close(&view);
}

/* What another process does when it has saved a message. */
static void append(const char *id)
{
	struct mail_index_transaction *trans;
	struct mail_index_view *view;
	const char *error;
	uint32_t seq;

	test_assert(mail_index_refresh(mail_index) == 0);
	view = mail_index_view_open(mail_index);
	trans = mail_index_transaction_begin(view,
		MAIL_INDEX_TRANSACTION_FLAG_EXTERNAL);
	mail_index_append(trans, mail_index_get_header(view)->next_uid, &seq);
	test_assert(msgraph_idmap_set(idmap, trans, seq, id, 100,
				      MSGRAPH_REC_PINNED, 0, &error) == 0);
	test_assert(mail_index_transaction_commit(&trans) == 0);
	mail_index_view_close(&view);
}

/* Three messages, a, b and c, as UID 1 to 3. */
static void fill(void)
{
	test_graph_add(graph, "a", 1);
	test_graph_add(graph, "b", 2);
	test_graph_add(graph, "c", 3);
	test_graph_page(graph, "a b c", NULL, "L1");
	sync_now();
	check("1=a 2=b 3=c");
}

static void test_first_sync(void)
{
	begin("first listing: UIDs in order of dates, over pages");
	test_graph_add(graph, "new", 30);
	test_graph_add(graph, "old", 10);
	test_graph_add(graph, "mid", 20);
	test_graph_page(graph, "new", "N1", NULL);
	/* an empty page is not the end */
	test_graph_page(graph, "", "N2", NULL);
	test_graph_page(graph, "mid old mid", NULL, "L1");
	sync_now();
	test_assert(result.synced && result.appended == 3);
	check("1=old 2=mid 3=new");
	check_log("DELTA DELTA N1 DELTA N2");

	test_graph_page(graph, "", NULL, "L1");
	sync_now();
	test_assert(result.appended == 0 && result.updated == 0 &&
		    result.expunged == 0);
	check_log("DELTA L1");
	end();
}

static void test_changes(void)
{
	begin("flags, deletes and new ones; what we know changes nothing");
	fill();
	test_graph_msg(graph, "a")->read = TRUE;
	test_graph_add(graph, "d", 1);
	test_graph_page(graph, "a d -b", NULL, "L2");
	sync_now();
	check("1=aS 3=c 4=d");
	test_graph_page(graph, "a c d", NULL, "L3");
	sync_now();
	test_assert(result.appended == 0 && result.updated == 0);
	check("1=aS 3=c 4=d");
	end();
}

static void test_interrupted(void)
{
	begin("a listing that breaks off shows nothing and expunges nothing");
	test_graph_add(graph, "a", 1);
	test_graph_page(graph, "a", "N1", NULL);
	test_graph_page_fail(graph, 403, "ErrorAccessDenied");
	sync_now();
	test_assert(result.pull.error == GRAPH_ERROR_PERM && !result.synced);
	check("");
	fill();
	test_graph_page_fail(graph, 410, "syncStateNotFound");
	test_graph_page(graph, "a", "N1", NULL);
	test_graph_page_fail(graph, 403, "ErrorAccessDenied");
	sync_now();
	test_assert(result.pull.error == GRAPH_ERROR_PERM && result.synced);
	check("1=a 2=b 3=c");
	end();
}

static void test_token_lost(void)
{
	static const struct {
		int status;
		const char *code;
	} tests[] = {
		{ 410, "" }, { 410, "resyncRequired" },
		{ 404, "SyncStateNotFound" }, { 400, "syncstateinvalid" },
		{ 400, "ErrorInvalidIdMalformed" }, { 400, "BadRequest" },
	};
	unsigned int i;

	begin("token lost: everything is listed, then swept");
	fill();
	test_graph_remove(graph, "b");
	for (i = 0; i < N_ELEMENTS(tests); i++) {
		test_graph_page_fail(graph, tests[i].status, tests[i].code);
		test_graph_page(graph, "c a", NULL, "L2");
		sync_now();
		test_assert_idx(result.pull.error == GRAPH_OK, i);
		test_assert_strcmp_idx(index_text(), "1=a 3=c", i);
	}
	end();
}

static void append_a_message(void)
{
	test_graph_before_delta(graph, NULL);
	test_graph_add(graph, "mine", 50);
	append("mine");
}

static void test_sweep_spares_new_ones(void)
{
	begin("what another process saves during a listing is not swept");
	fill();
	test_graph_page_fail(graph, 410, "");
	test_graph_page(graph, "a b c", NULL, "L2");
	test_graph_before_delta(graph, append_a_message);
	sync_now();
	check("1=a 2=b 3=c 4=mine");
	/* and the listing's successor does not double it */
	test_graph_page(graph, "mine", NULL, "L3");
	sync_now();
	check("1=a 2=b 3=c 4=mine");
	end();
}

static void be_faster(void)
{
	struct msgraph_sync_result before = result;

	test_graph_before_delta(graph, NULL);
	sync_now();
	result = before;
}

static void test_other_process_first(void)
{
	begin("another process was faster: its result stays");
	fill();
	test_graph_add(graph, "d", 9);
	/* the inner sync takes the first page */
	test_graph_page(graph, "d", NULL, "L2");
	test_graph_page(graph, "d -a", NULL, "L3");
	test_graph_before_delta(graph, be_faster);
	sync_now();
	check("1=a 2=b 3=c 4=d");
	end();
}

static void test_rows_that_say_little(void)
{
	begin("partial rows, also after whole ones; ids missing");
	fill();
	/* known: what it says is enough */
	test_graph_msg(graph, "a")->read = TRUE;
	test_graph_page(graph, "{\"id\":\"a\",\"isRead\":\"true\"}", NULL,
			"L2");
	sync_now();
	check("1=aS 2=b 3=c");
	check_log("DELTA L1");
	/* whole, then partial: neither alone is the truth */
	test_graph_msg(graph, "b")->read = TRUE;
	test_graph_msg(graph, "b")->categories = "\"x\"";
	test_graph_page(graph, "{\"id\":\"b\",\"subject\":\"s\","
		"\"receivedDateTime\":\"2020-01-02T00:00:00Z\","
		"\"isRead\":false,\"categories\":[\"x\"],"
		"\"singleValueExtendedProperties\":[]}"
		"{\"id\":\"b\",\"isRead\":true}", NULL, "L3");
	sync_now();
	check("1=aS 2=bS,x 3=c");
	/* two partial ones */
	test_graph_msg(graph, "c")->read = TRUE;
	test_graph_msg(graph, "c")->categories = "\"y\"";
	test_graph_page(graph, "{\"id\":\"c\",\"isRead\":true}"
		"{\"id\":\"c\",\"categories\":[\"y\"]}", NULL, "L4");
	sync_now();
	check("1=aS 2=bS,x 3=cS,y");
	/* unknown and partial: asked for; a row without id is nobody's */
	test_graph_add(graph, "d", 4);
	test_graph_page(graph, "{\"id\":\"d\",\"isRead\":true}"
		"{\"isRead\":true,\"subject\":\"no id\"}", NULL, "L5");
	sync_now();
	test_assert(result.pull.error == GRAPH_OK);
	check("1=aS 2=bS,x 3=cS,y 4=d");
	/* what has no name in a full listing may be one of ours */
	test_graph_page_fail(graph, 410, "");
	test_graph_page(graph, "a b c {\"subject\":\"no id\"}", NULL, "L6");
	sync_now();
	check("1=aS 2=bS,x 3=cS,y 4=d");
	end();
}

static void test_moved_and_back(void)
{
	begin("there and back between two polls; gone and moved on");
	fill();
	test_graph_page(graph, "-a a", NULL, "L2");
	sync_now();
	check("1=a 2=b 3=c");
	test_graph_msg(graph, "b")->folder = "other";
	test_graph_page(graph, "b -b", NULL, "L3");
	sync_now();
	check("1=a 3=c");
	/* refused a look: not gone */
	test_graph_fail(graph, "GET c", 403, "ErrorAccessDenied", 1);
	test_graph_page(graph, "-c c", NULL, "L4");
	test_expect_error_string("a message cannot be read");
	sync_now();
	test_expect_no_more_errors();
	check("1=a 3=c");
	/* moved back by others: a new UID */
	test_graph_msg(graph, "b")->folder = TEST_GRAPH_FOLDER;
	test_graph_page(graph, "b", NULL, "L5");
	sync_now();
	check("1=a 3=c 4=b");
	end();
}

static void edited(void *context, const char *id)
{
	str_append(context, id);
}

static void test_draft_edited(void)
{
	string_t *str = t_str_new(16);

	begin("a draft that others have edited gets a new UID");
	test_graph_add(graph, "a", 1)->draft = TRUE;
	test_graph_add(graph, "b", 2);
	test_graph_page(graph, "a b", NULL, "L1");
	sync_now();
	/* flags are no edit, and what is no draft cannot be edited */
	test_graph_msg(graph, "a")->read = TRUE;
	test_graph_msg(graph, "a")->categories = "\"x\"";
	test_graph_msg(graph, "b")->subject = "other";
	test_graph_page(graph, "a b", NULL, "L2");
	sync_now();
	check("1=aS,x 2=b");

	edited_func = edited;
	edited_context = str;
	test_graph_msg(graph, "a")->preview = "more text";
	test_graph_page(graph, "a", NULL, "L3");
	sync_now();
	check("2=b 3=aS,x");
	test_assert_strcmp(str_c(str), "a");
	/* a row of what changed only: the whole is asked for */
	test_graph_msg(graph, "a")->subject = "t";
	test_graph_page(graph, "{\"id\":\"a\",\"subject\":\"t\"}", NULL,
			"L4");
	sync_now();
	check("2=b 4=aS,x");
	/* the client's own: known from its first row on */
	test_graph_add(graph, "mine", 9)->draft = TRUE;
	append("mine");
	test_graph_page(graph, "mine", NULL, "L5");
	sync_now();
	check("2=b 4=aS,x 5=mine");
	test_graph_msg(graph, "mine")->subject = "changed";
	test_graph_page(graph, "mine", NULL, "L6");
	sync_now();
	check("2=b 4=aS,x 6=mine");
	edited_func = NULL;
	end();
}

/* Somebody has damaged the index: no delta tells of it. */
static void damage(uint32_t expunge_uid, uint32_t flag_uid, uint32_t id_uid)
{
	struct mail_index_transaction *trans;
	struct mail_index_view *view;
	const char *error;
	uint32_t seq;

	view = mail_index_view_open(mail_index);
	trans = mail_index_transaction_begin(view,
		MAIL_INDEX_TRANSACTION_FLAG_EXTERNAL);
	test_assert(mail_index_lookup_seq(view, flag_uid, &seq));
	mail_index_update_flags(trans, seq, MODIFY_ADD, MAIL_FLAGGED);
	test_assert(mail_index_lookup_seq(view, id_uid, &seq));
	test_assert(msgraph_idmap_set_id(idmap, view, trans, seq, "lost",
					 &error) == 0);
	test_assert(mail_index_lookup_seq(view, expunge_uid, &seq));
	mail_index_expunge(trans, seq);
	test_assert(mail_index_transaction_commit(&trans) == 0);
	mail_index_view_close(&view);
	/* by another process: what this one remembers of ids goes, too */
	close_index();
	open_index();
}

static void test_verify(void)
{
	begin("verify tells what differs and changes nothing");
	test_graph_add(graph, "d", 4)->message_id = "<d@x>";
	test_graph_add(graph, "e", 5);
	fill();
	test_graph_page(graph, "d e", NULL, "L2");
	sync_now();
	check("1=a 2=b 3=c 4=d 5=e");
	test_graph_page(graph, "*", NULL, "L9");
	sync_mode(MSGRAPH_SYNC_VERIFY, MSGRAPH_EXPUNGE_RECOVERABLE);
	test_assert(result.compared);
	test_assert_strcmp(str_c(differences), "");

	damage(2, 3, 4);
	test_graph_remove(graph, "e");
	test_graph_page(graph, "*", NULL, "L9");
	sync_mode(MSGRAPH_SYNC_VERIFY, MSGRAPH_EXPUNGE_RECOVERABLE);
	test_assert(result.compared);
	test_assert_strcmp(str_c(differences),
			   "flags:3=c missing:0=b id:4=d gone:5=e");
	check("1=a 3=cF 4=lost 5=e");
	/* the link is as it was */
	test_graph_page(graph, "", NULL, "L2");
	sync_now();
	check_log("DELTA L2");

	/* and a repair: what is the same message keeps its UID */
	test_graph_page(graph, "*", NULL, "L3");
	sync_mode(MSGRAPH_SYNC_PULL | MSGRAPH_SYNC_FULL,
		  MSGRAPH_EXPUNGE_RECOVERABLE);
	check("1=a 3=c 4=d 6=b");
	test_graph_page(graph, "d", NULL, "L4");
	sync_now();
	check("1=a 3=c 4=d 6=b");
	test_graph_page(graph, "*", NULL, "L9");
	sync_mode(MSGRAPH_SYNC_VERIFY, MSGRAPH_EXPUNGE_RECOVERABLE);
	test_assert_strcmp(str_c(differences), "");
	end();
}

static void test_other_ids(void)
{
	struct test_graph_msg *msg;
	unsigned int i;

	begin("a mailbox whose ids are others keeps its UIDs");
	for (i = 0; i < 4; i++) {
		msg = test_graph_add(graph, t_strdup_printf("old%u", i), i);
		/* 2 and 3 are alike: no telling which is which */
		msg->message_id = t_strdup_printf("<%u@x>", I_MIN(i, 2));
		msg->day = I_MIN(i, 2);
	}
	test_graph_page(graph, "*", NULL, "L1");
	sync_now();
	check("1=old0 2=old1 3=old2 4=old3");
	for (i = 0; i < 4; i++) {
		test_graph_remove(graph, t_strdup_printf("old%u", i));
		msg = test_graph_add(graph, t_strdup_printf("new%u", i), i);
		/* 1 came at another time: it is another message */
		msg->message_id = t_strdup_printf("<%u@x>", I_MIN(i, 2));
		msg->day = i == 1 ? 9 : I_MIN(i, 2);
	}
	test_graph_page_fail(graph, 410, "syncStateNotFound");
	test_graph_page(graph, "*", NULL, "L2");
	sync_now();
	check("1=new0 5=new2 6=new3 7=new1");
	test_graph_page(graph, "new0 -new2", NULL, "L3");
	sync_now();
	check("1=new0 6=new3 7=new1");
	end();
}

static void test_poison(void)
{
	begin("a message that cannot be read does not stop the folder");
	/* rows without properties: every one is asked for */
	test_graph_no_properties(graph);
	test_graph_add(graph, "a", 1);
	test_graph_add(graph, "bad", 2);
	test_graph_add(graph, "late", 3);
	test_graph_fail(graph, "GET bad", 500, "ErrorInternalServerError", 99);
	test_graph_fail(graph, "GET late", 404, "ErrorItemNotFound", 1);
	test_graph_page(graph, "a bad late", NULL, "L1");
	test_expect_error_string("a message cannot be read");
	sync_now();
	test_expect_no_more_errors();
	test_assert(result.pull.error == GRAPH_OK);
	check("1=a 2=bad 3=late");
	end();
}

/* The pauses are over. */
static void end_pauses(const char *kind, const char *id, unsigned int tries)
{
	const char *path = t_strconcat(dir, "/msgraph.quarantine", NULL);
	FILE *f = fopen(path, "w");

	fprintf(f, "%s %s 1 2 %u HTTP-500\nnonsense\n", id, kind, tries);
	fclose(f);
}

static void test_quarantine(void)
{
	begin("what was named and cannot be read is tried again");
	fill();
	test_graph_add(graph, "bad", 4);
	test_graph_fail(graph, "GET bad", 500, "ErrorInternalServerError", 99);
	test_graph_page(graph, "{\"id\":\"bad\",\"isRead\":true}", NULL, "L2");
	test_expect_error_string("a message cannot be read");
	sync_now();
	test_expect_no_more_errors();
	check("1=a 2=b 3=c");
	test_assert(quarantined == 1);
	/* not at once */
	test_graph_fail(graph, NULL, 0, NULL, 0);
	test_graph_page(graph, "", NULL, "L3");
	sync_now();
	check_log("DELTA L2");
	test_assert(quarantined == 1);
	end_pauses("row", "bad", 1);
	test_graph_page(graph, "", NULL, "L4");
	sync_now();
	check_log("DELTA L3 BATCH GET bad");
	check("1=a 2=b 3=c 4=bad");
	test_assert(quarantined == 0);

	/* what others have deleted, or is not there for long */
	end_pauses("row", "other", 1);
	test_graph_page(graph, "-other", NULL, "L5");
	sync_now();
	check_log("DELTA L4");
	test_assert(quarantined == 0);
	end_pauses("row", "never", 3);
	test_graph_page(graph, "", NULL, "L6");
	sync_now();
	test_assert(quarantined == 1);
	end_pauses("row", "never", 4);
	test_graph_page(graph, "", NULL, "L7");
	sync_now();
	test_assert(quarantined == 0);
	check("1=a 2=b 3=c 4=bad");

	/* a body stays as long as the message does */
	end_pauses("body", "a", 2);
	test_graph_page(graph, "", NULL, "L8");
	sync_now();
	test_assert(quarantined == 1);
	test_graph_page(graph, "-a", NULL, "L9");
	sync_now();
	test_assert(quarantined == 0);
	end();
}

static void test_store(void)
{
	begin("a STORE wins over the delta until it is sent; no echo");
	fill();
	store(1, MODIFY_ADD, MAIL_SEEN);
	test_graph_fail(graph, "PATCH a", 503, "", 1);
	test_graph_page(graph, "a", NULL, "L2");
	sync_now();
	check("1=aS 2=b 3=c");
	test_assert(result.push.error == GRAPH_OK && result.pushed == 1);
	test_assert(test_graph_msg(graph, "a")->read);
	test_assert(!msgraph_sync_have_pending(mail_index));
	test_graph_page(graph, "a", NULL, "L3");
	sync_now();
	test_assert(result.updated == 0);
	check_log("DELTA L2");
	end();
}

static void test_store_keywords(void)
{
	begin("keywords: what others have set meanwhile stays");
	test_graph_add(graph, "a", 1)->categories = "\"Red\",\"red\",\"x\"";
	test_graph_page(graph, "a", NULL, "L1");
	sync_now();
	test_graph_msg(graph, "a")->categories =
		"\"Red\",\"red\",\"x\",\"theirs\"";
	store_keyword(1, MODIFY_ADD, "mine");
	store_keyword(1, MODIFY_REMOVE, "x");
	sync_mode(0, MSGRAPH_EXPUNGE_RECOVERABLE);
	test_assert_strcmp(test_graph_msg(graph, "a")->categories,
			   "\"Red\",\"red\",\"theirs\",\"mine\"");
	check_log("BATCH FIND a BATCH PATCH a");
	/* a reply mark that others have set is not ours to take away */
	test_assert(strstr(test_graph_last_patch(graph), "0x1081") == NULL);
	store_keyword(1, MODIFY_ADD, MSGRAPH_KEYWORD_FORWARDED);
	sync_mode(0, MSGRAPH_EXPUNGE_RECOVERABLE);
	test_assert(strstr(test_graph_last_patch(graph), "0x1081") != NULL);
	test_assert(strstr(test_graph_last_patch(graph),
			   "categories") == NULL);
	end();
}

static void test_store_refused(void)
{
	begin("a push that fails stays pending; reading goes on");
	fill();
	store(1, MODIFY_ADD, MAIL_SEEN);
	expunge(3, FALSE);
	test_graph_fail(graph, "BATCH", 503, "", 99);
	test_graph_page(graph, "b", NULL, "L2");
	test_graph_msg(graph, "b")->read = TRUE;
	sync_now();
	test_assert(result.pull.error == GRAPH_OK);
	test_assert(result.push.error != GRAPH_OK && result.pushed == 0);
	test_assert(msgraph_sync_have_pending(mail_index));
	check("1=aS 2=bS 3=c");
	/* the next session */
	close_index();
	open_index();
	test_graph_fail(graph, NULL, 0, NULL, 0);
	sync_mode(0, MSGRAPH_EXPUNGE_RECOVERABLE);
	test_assert(result.push.error == GRAPH_OK);
	check("1=aS 2=bS");
	test_assert(test_graph_msg(graph, "a")->read);
	test_assert_strcmp(test_graph_msg(graph, "c")->folder,
			   "dumpster");
	end();
}

static void test_store_undone(void)
{
	begin("what Graph will never have is undone here");
	fill();
	store(1, MODIFY_ADD, MAIL_SEEN);
	store(2, MODIFY_ADD, MAIL_SEEN);
	expunge(3, FALSE);
	test_graph_fail(graph, "PATCH a", 403, "ErrorAccessDenied", 1);
	sync_mode(0, MSGRAPH_EXPUNGE_RECOVERABLE);
	test_assert(result.push.error == GRAPH_OK);
	test_assert(result.refused.error == GRAPH_ERROR_PERM);
	test_assert(!msgraph_sync_have_pending(mail_index));
	check("1=a 2=bS");
	test_assert(!test_graph_msg(graph, "a")->read);
	sync_mode(0, MSGRAPH_EXPUNGE_RECOVERABLE);
	test_assert(result.refused.error == GRAPH_OK);
	end();

	begin("also when the others cannot be sent just now");
	fill();
	store(1, MODIFY_ADD, MAIL_SEEN);
	store(2, MODIFY_ADD, MAIL_SEEN);
	test_graph_fail(graph, "PATCH a", 400, "ErrorInvalidRequest", 99);
	test_graph_fail(graph, "PATCH b", 500, "ErrorInternalServerError", 99);
	sync_mode(0, MSGRAPH_EXPUNGE_RECOVERABLE);
	test_assert(result.push.error != GRAPH_OK);
	test_assert(msgraph_sync_have_pending(mail_index));
	test_graph_fail(graph, NULL, 0, NULL, 0);
	test_graph_fail(graph, "PATCH a", 400, "ErrorInvalidRequest", 99);
	sync_mode(0, MSGRAPH_EXPUNGE_RECOVERABLE);
	test_assert(!msgraph_sync_have_pending(mail_index));
	check("1=a 2=bS 3=c");
	end();
}

static void test_expunge_undone(void)
{
	begin("an expunge that Graph will never carry out is given up");
	fill();
	expunge(1, FALSE);
	expunge(2, FALSE);
	test_graph_fail(graph, "MOVE a", 403, "ErrorAccessDenied", 1);
	test_graph_fail(graph, "DELETE a", 403, "ErrorAccessDenied", 1);
	sync_mode(0, MSGRAPH_EXPUNGE_RECOVERABLE);
	test_assert(result.refused.error == GRAPH_ERROR_PERM);
	test_assert(!msgraph_sync_have_pending(mail_index));
	check("1=a 3=c");
	end();
}

static void test_one_sender(void)
{
	int fd;

	begin("while another process sends, changes wait for their turn");
	fill();
	store(1, MODIFY_ADD, MAIL_SEEN);
	fd = open(t_strconcat(dir, "/msgraph.push", NULL), O_RDWR | O_CREAT,
		  0600);
	test_assert(fd != -1 && flock(fd, LOCK_EX | LOCK_NB) == 0);
	deadline_msecs = 100;
	sync_mode(0, MSGRAPH_EXPUNGE_RECOVERABLE);
	deadline_msecs = 0;
	check_log("");
	test_assert(result.push.error == GRAPH_ERROR_UNAVAILABLE);
	test_assert(msgraph_sync_have_pending(mail_index));
	i_close_fd(&fd);
	sync_mode(0, MSGRAPH_EXPUNGE_RECOVERABLE);
	check_log("BATCH PATCH a");
	test_assert(!msgraph_sync_have_pending(mail_index));
	end();
}

static void test_one_bad_does_not_block(void)
{
	begin("one message that cannot be changed does not hold up the others");
	fill();
	store(1, MODIFY_ADD, MAIL_SEEN);
	store(2, MODIFY_ADD, MAIL_FLAGGED);
	expunge(3, FALSE);
	test_graph_fail(graph, "PATCH a", 500, "ErrorInternalServerError", 99);
	sync_mode(0, MSGRAPH_EXPUNGE_RECOVERABLE);
	test_assert(result.push.error != GRAPH_OK);
	/* the client sees the expunge, the flag waits */
	check("1=aS 2=bF");
	test_assert(msgraph_sync_have_pending(mail_index));
	test_assert_strcmp(test_graph_msg(graph, "c")->folder,
			   "dumpster");
	test_graph_fail(graph, NULL, 0, NULL, 0);
	sync_mode(0, MSGRAPH_EXPUNGE_RECOVERABLE);
	test_assert(result.push.error == GRAPH_OK);
	test_assert(!msgraph_sync_have_pending(mail_index));
	test_assert(test_graph_msg(graph, "a")->read);
	end();
}

static void test_expunge(void)
{
	begin("an expunge hits the message here and nowhere else");
	fill();
	test_graph_msg(graph, "a")->folder = "other";
	test_graph_remove(graph, "b");
	expunge(1, FALSE);
	expunge(2, FALSE);
	expunge(3, FALSE);
	sync_mode(0, MSGRAPH_EXPUNGE_RECOVERABLE);
	check("");
	test_assert_strcmp(test_graph_msg(graph, "a")->folder, "other");
	check_log("BATCH FIND a FIND b FIND c BATCH MOVE c");
	end();

	begin("a message that we moved away is not asked for");
	fill();
	test_graph_msg(graph, "a")->folder = "other";
	expunge(1, TRUE);
	sync_mode(0, MSGRAPH_EXPUNGE_PERMANENT);
	check("2=b 3=c");
	check_log("");
	end();
}

static void test_expunge_fallback(void)
{
	begin("recoverable refused: deleted; a lost answer is no refusal");
	fill();
	test_graph_fail(graph, "MOVE a", 400, "ErrorMoveCopyFailed", 1);
	expunge(1, FALSE);
	sync_mode(0, MSGRAPH_EXPUNGE_RECOVERABLE);
	check("2=b 3=c");
	test_assert_strcmp(test_graph_msg(graph, "a")->folder, "deleted");
	/* The move took place, its answer was lost, and a second one is
	   refused: a DELETE would take it out of the recoverable items. */
	test_graph_lose(graph, "MOVE b");
	test_graph_fail(graph, "MOVE b", 400, "ErrorMoveCopyFailed", 1);
	expunge(2, FALSE);
	sync_mode(0, MSGRAPH_EXPUNGE_RECOVERABLE);
	check("3=c");
	test_assert_strcmp(test_graph_msg(graph, "b")->folder,
			   "dumpster");
	end();

	begin("expunge to the trash, and for good");
	fill();
	expunge(1, FALSE);
	sync_mode(0, MSGRAPH_EXPUNGE_TRASH);
	test_assert_strcmp(test_graph_msg(graph, "a")->folder, "trash");
	expunge(2, FALSE);
	sync_mode(0, MSGRAPH_EXPUNGE_PERMANENT);
	test_assert_strcmp(test_graph_msg(graph, "b")->folder, "purged");
	check("3=c");
	end();
}

static void test_many(void)
{
	unsigned int i;

	begin("thousands of local changes take longer than a command may");
	for (i = 0; i < 800; i++) T_BEGIN {
		test_graph_add(graph, t_strdup_printf("m%u", i), i);
	} T_END;
	test_graph_page(graph, "*", NULL, "L1");
	sync_now();
	test_assert(result.appended == 800);
	test_graph_latency(graph, 10);
	deadline_msecs = 200;
	for (i = 1; i <= 800; i++)
		store(i, MODIFY_ADD, MAIL_SEEN);
	sync_mode(0, MSGRAPH_EXPUNGE_RECOVERABLE);
	test_assert(result.push.error == GRAPH_OK && result.pushed == 800);
	for (i = 1; i <= 800; i++)
		expunge(i, FALSE);
	sync_mode(0, MSGRAPH_EXPUNGE_RECOVERABLE);
	test_assert(result.push.error == GRAPH_OK);
	deadline_msecs = 0;
	test_assert(*index_text() == '\0');
	end();
}

/* Appended, under UIDs that rise from 1 in the order of the ids, and one more
   that has to be in the side file. */
static void check_slices(unsigned int count, bool last)
{
	struct mail_index_view *view;
	struct msgraph_folder_state state;
	const char *id, *error;
	uint32_t seq, uid;

	test_assert(mail_index_refresh(mail_index) == 0);
	view = mail_index_view_open(mail_index);
	test_assert(mail_index_view_get_messages_count(view) ==
		    count + (last ? 1 : 0));
	for (seq = 1; seq <= count; seq++) T_BEGIN {
		mail_index_lookup_uid(view, seq, &uid);
		test_assert_idx(uid == seq, seq);
		test_assert_idx(msgraph_idmap_get(idmap, view, seq, &id, NULL,
						  &error) > 0, seq);
		test_assert_strcmp_idx(id, t_strdup_printf("m%05u", seq), seq);
		test_assert_idx(msgraph_idmap_find(idmap, view, id) == seq,
				seq);
	} T_END;
	msgraph_idmap_get_state(idmap, view, &state);
	test_assert(last == (state.link != NULL));
	mail_index_view_close(&view);
}

static void test_slices(void)
{
	const char *side, *last = t_strdup_printf("z%0100d", 0);
	struct event *event = event_create(NULL);
	struct msgraph_sync_env env;
	const char *error;
	unsigned int i;

	begin("many new ones: several transactions, the last one has the link");
	for (i = 1; i <= 4500; i++)
		test_graph_add(graph, t_strdup_printf("m%05u", i), 1);
	test_graph_add(graph, last, 2);
	i_zero(&env);
	env.index = mail_index;
	env.idmap = idmap;
	env.client = client;
	env.quarantine = msgraph_quarantine_init(dir, event);
	env.event = event;
	env.folder_id = TEST_GRAPH_FOLDER;
	env.dir = dir;
	/* the last one cannot be written */
	side = t_strconcat(dir, "/msgraph.ids", NULL);
	if (mkdir(side, 0700) < 0)
		i_fatal("mkdir(%s): %m", side);
	test_graph_page(graph, "*", NULL, "L1");
	test_assert(msgraph_sync_run(&env, MSGRAPH_SYNC_PULL, &result,
				     &error) < 0);
	test_assert(strstr(error, "msgraph.ids") != NULL);
	check_slices(4000, FALSE);
	/* and now it can */
	if (rmdir(side) < 0)
		i_fatal("rmdir(%s): %m", side);
	test_graph_page(graph, "*", NULL, "L1");
	sync_now();
	test_assert(result.synced);
	check_slices(4500, TRUE);
	msgraph_quarantine_deinit(&env.quarantine);
	event_unref(&event);
	end();
}

int main(void)
{
	static void (*const test_functions[])(void) = {
		test_first_sync,
		test_changes,
		test_interrupted,
		test_token_lost,
		test_sweep_spares_new_ones,
		test_other_process_first,
		test_rows_that_say_little,
		test_moved_and_back,
		test_draft_edited,
		test_verify,
		test_other_ids,
		test_poison,
		test_quarantine,
		test_store,
		test_store_keywords,
		test_store_refused,
		test_store_undone,
		test_expunge_undone,
		test_one_sender,
		test_one_bad_does_not_block,
		test_expunge,
		test_expunge_fallback,
		test_many,
		test_slices,
		NULL
	};

	return test_run(test_functions);
}
