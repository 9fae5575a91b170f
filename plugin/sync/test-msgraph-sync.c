/* msgraph_sync_run(): what delta pages do to the index. */

#include "lib.h"
#include "ioloop.h"
#include "test-msgraph-sync-rig.h"

#include <sys/stat.h>
#include <unistd.h>

static void test_first_sync(void)
{
	rig_begin("first listing: UIDs in order of dates, over pages");
	test_graph_add(rig.graph, "new", 30);
	test_graph_add(rig.graph, "old", 10);
	test_graph_add(rig.graph, "mid", 20);
	test_graph_page(rig.graph, "new", "N1", NULL);
	/* an empty page is not the end */
	test_graph_page(rig.graph, "", "N2", NULL);
	test_graph_page(rig.graph, "mid old mid", NULL, "L1");
	rig_sync();
	test_assert(rig.result.synced && rig.result.appended == 3);
	check("1=old 2=mid 3=new");
	check_log("DELTA DELTA N1 DELTA N2");

	test_graph_page(rig.graph, "", NULL, "L1");
	rig_sync();
	test_assert(rig.result.appended == 0 && rig.result.updated == 0 &&
		    rig.result.expunged == 0);
	check_log("DELTA L1");
	rig_end();
}

static void test_alike(void)
{
	rig_begin("ids that are alike; of one second in the order of the ids");
	/* these have the same CRC32 */
	test_graph_add(rig.graph, "plumless", 2);
	test_graph_add(rig.graph, "buckeroo", 2);
	test_graph_add(rig.graph, "z", 1);
	test_graph_add(rig.graph, "y", 1);
	test_graph_page(rig.graph, "plumless z buckeroo y", NULL, "L1");
	rig_sync();
	check("1=y 2=z 3=buckeroo 4=plumless");
	test_graph_msg(rig.graph, "plumless")->read = TRUE;
	test_graph_page(rig.graph, "-buckeroo plumless", NULL, "L2");
	rig_sync();
	check("1=y 2=z 4=plumlessS");
	rig_end();
}

static void test_changes(void)
{
	rig_begin("flags, deletes and new ones; what we know changes nothing");
	rig_fill();
	test_graph_msg(rig.graph, "a")->read = TRUE;
	test_graph_add(rig.graph, "d", 1);
	test_graph_page(rig.graph, "a d -b", NULL, "L2");
	rig_sync();
	check("1=aS 3=c 4=d");
	test_graph_page(rig.graph, "a c d", NULL, "L3");
	rig_sync();
	test_assert(rig.result.appended == 0 && rig.result.updated == 0);
	check("1=aS 3=c 4=d");
	rig_end();
}

static void test_interrupted(void)
{
	rig_begin("a listing that breaks off shows nothing and expunges nothing");
	test_graph_add(rig.graph, "a", 1);
	test_graph_page(rig.graph, "a", "N1", NULL);
	test_graph_page_fail(rig.graph, 403, "ErrorAccessDenied");
	rig_sync();
	test_assert(rig.result.pull.error == GRAPH_ERROR_PERM &&
		    !rig.result.synced);
	check("");
	rig_fill();
	test_graph_page_fail(rig.graph, 410, "syncStateNotFound");
	test_graph_page(rig.graph, "a", "N1", NULL);
	test_graph_page_fail(rig.graph, 403, "ErrorAccessDenied");
	rig_sync();
	test_assert(rig.result.pull.error == GRAPH_ERROR_PERM &&
		    rig.result.synced);
	check("1=a 2=b 3=c");
	rig_end();
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

	rig_begin("token lost: everything is listed, then swept");
	rig_fill();
	test_graph_remove(rig.graph, "b");
	for (i = 0; i < N_ELEMENTS(tests); i++) {
		test_graph_page_fail(rig.graph, tests[i].status, tests[i].code);
		test_graph_page(rig.graph, "c a", NULL, "L2");
		rig_sync();
		test_assert_idx(rig.result.pull.error == GRAPH_OK, i);
		test_assert_strcmp_idx(rig_index_text(), "1=a 3=c", i);
	}
	rig_end();
}

static unsigned int delta_requests;

/* When the page before has come, and the one before that was written. */
static void damage_the_spool(void)
{
	if (++delta_requests == 4 &&
	    truncate(t_strconcat(rig.dir, "/msgraph.spool", NULL), 0) < 0)
		i_fatal("truncate(msgraph.spool): %m");
}

static void test_unreadable_spool(void)
{
	rig_begin("what cannot be read back is not taken for gone");
	rig_fill();
	test_graph_page_fail(rig.graph, 410, "");
	test_graph_page(rig.graph, "a b c", "N1", NULL);
	test_graph_page(rig.graph, "a", "N2", NULL);
	test_graph_page(rig.graph, "", NULL, "L2");
	/* so everything is listed anew */
	test_graph_page(rig.graph, "a c", NULL, "L3");
	delta_requests = 0;
	test_graph_before_delta(rig.graph, damage_the_spool);
	rig_sync();
	test_assert(rig.result.pull.error == GRAPH_OK);
	check_log("DELTA L1 DELTA DELTA N1 DELTA N2 DELTA");
	check("1=a 3=c");
	rig_end();
}

static void append_a_message(void)
{
	test_graph_before_delta(rig.graph, NULL);
	test_graph_add(rig.graph, "mine", 50);
	rig_append("mine");
}

static void test_sweep_spares_new_ones(void)
{
	rig_begin("what another process saves during a listing is not swept");
	rig_fill();
	test_graph_page_fail(rig.graph, 410, "");
	test_graph_page(rig.graph, "a b c", NULL, "L2");
	test_graph_before_delta(rig.graph, append_a_message);
	rig_sync();
	check("1=a 2=b 3=c 4=mine");
	/* and the listing's successor does not double it */
	test_graph_page(rig.graph, "mine", NULL, "L3");
	rig_sync();
	check("1=a 2=b 3=c 4=mine");
	rig_end();
}

static void be_faster(void)
{
	struct msgraph_sync_result before = rig.result;

	test_graph_before_delta(rig.graph, NULL);
	rig_sync();
	rig.result = before;
}

static void test_other_process_first(void)
{
	rig_begin("another process was faster: its result stays");
	rig_fill();
	test_graph_add(rig.graph, "d", 9);
	/* the inner sync takes the first page */
	test_graph_page(rig.graph, "d", NULL, "L2");
	test_graph_page(rig.graph, "d -a", NULL, "L3");
	test_graph_before_delta(rig.graph, be_faster);
	rig_sync();
	check("1=a 2=b 3=c 4=d");
	rig_end();
}

static void test_rows_that_say_little(void)
{
	rig_begin("partial rows, also after whole ones; ids missing");
	rig_fill();
	/* known: what it says is enough */
	test_graph_msg(rig.graph, "a")->read = TRUE;
	test_graph_page(rig.graph, "{\"id\":\"a\",\"isRead\":\"true\"}", NULL,
			"L2");
	rig_sync();
	check("1=aS 2=b 3=c");
	check_log("DELTA L1");
	/* whole, then partial: neither alone is the truth */
	test_graph_msg(rig.graph, "b")->read = TRUE;
	test_graph_msg(rig.graph, "b")->categories = "\"x\"";
	test_graph_page(rig.graph, "{\"id\":\"b\",\"subject\":\"s\","
		"\"receivedDateTime\":\"2020-01-02T00:00:00Z\","
		"\"isRead\":false,\"categories\":[\"x\"],"
		"\"singleValueExtendedProperties\":[]}"
		"{\"id\":\"b\",\"isRead\":true}", NULL, "L3");
	rig_sync();
	check("1=aS 2=bS,x 3=c");
	/* two partial ones */
	test_graph_msg(rig.graph, "c")->read = TRUE;
	test_graph_msg(rig.graph, "c")->categories = "\"y\"";
	test_graph_page(rig.graph, "{\"id\":\"c\",\"isRead\":true}"
		"{\"id\":\"c\",\"categories\":[\"y\"]}", NULL, "L4");
	rig_sync();
	check("1=aS 2=bS,x 3=cS,y");
	/* unknown and partial: asked for */
	test_graph_add(rig.graph, "d", 4);
	test_graph_page(rig.graph, "{\"id\":\"d\",\"isRead\":true}", NULL,
			"L5");
	rig_sync();
	test_assert(rig.result.pull.error == GRAPH_OK);
	check("1=aS 2=bS,x 3=cS,y 4=d");
	rig_end();
}

#define NO_ID "{\"isRead\":true,\"subject\":\"no id\"}"

static void test_rows_without_id(void)
{
	const char *id;

	rig_begin("rows without a usable id: everything is listed");
	rig_fill();
	test_graph_add(rig.graph, "d", 4);
	/* whose removal or change it is cannot be known */
	test_graph_remove(rig.graph, "b");
	test_graph_page(rig.graph, "d "NO_ID, NULL, "L2");
	test_graph_page(rig.graph, "a c d", NULL, "L3");
	test_expect_error_string("without a usable id");
	rig_sync();
	test_expect_no_more_errors();
	test_assert(rig.result.pull.error == GRAPH_OK);
	check("1=a 3=c 4=d");
	/* what has no name in a full listing may be one of ours */
	test_graph_page_fail(rig.graph, 410, "");
	test_graph_page(rig.graph, "a c "NO_ID, NULL, "L4");
	test_expect_error_string("1 rows of Graph's list");
	rig_sync();
	test_expect_no_more_errors();
	check("1=a 3=c 4=d");
	/* and so may what has one that breaks lines, or files */
	id = t_strdup_printf("{\"id\":\"e\\ne\"}{\"id\":\"%01025d\"}", 1);
	test_graph_page_fail(rig.graph, 410, "");
	test_graph_page(rig.graph, t_strconcat("a c ", id, NULL), NULL, "L5");
	test_expect_error_string("2 rows of Graph's list");
	rig_sync();
	test_expect_no_more_errors();
	check("1=a 3=c 4=d");
	rig_end();
}

static unsigned int others_busy;

/* Another session changes something and has sent it before the answer comes. */
static void be_busy(void)
{
	struct msgraph_sync_result before = rig.result;

	if (others_busy == 0)
		return;
	others_busy--;
	rig_store(1, others_busy % 2 == 0 ? MODIFY_ADD : MODIFY_REMOVE,
		  MAIL_SEEN);
	rig_push();
	rig.result = before;
}

static void test_others_are_busy(void)
{
	rig_begin("what others send meanwhile: asked again, but not for ever");
	rig_fill();
	test_graph_msg(rig.graph, "b")->read = TRUE;
	test_graph_page(rig.graph, "b", NULL, "L2");
	test_graph_page(rig.graph, "b", NULL, "L3");
	test_graph_page(rig.graph, "b", NULL, "L4");
	others_busy = 9;
	test_graph_before_delta(rig.graph, be_busy);
	rig_sync();
	test_assert(others_busy == 6);
	check("1=aS 2=bS 3=c");
	rig_end();

	rig_begin("a listing is kept, and what has changed since comes at once");
	rig_fill();
	test_graph_page_fail(rig.graph, 410, "");
	test_graph_page(rig.graph, "b c {\"id\":\"a\",\"subject\":\"s\","
		"\"receivedDateTime\":\"2020-01-01T00:00:00Z\","
		"\"isRead\":false,\"singleValueExtendedProperties\":[]}",
		NULL, "L2");
	test_graph_page(rig.graph, "a -b", NULL, "L3");
	others_busy = 1;
	test_graph_before_delta(rig.graph, be_busy);
	rig_sync();
	check_log("BATCH PATCH a DELTA DELTA L2");
	check("1=aS 3=c");
	rig_end();
}

static void test_moved_and_back(void)
{
	rig_begin("there and back between two polls; gone and moved on");
	rig_fill();
	test_graph_page(rig.graph, "-a a", NULL, "L2");
	rig_sync();
	check("1=a 2=b 3=c");
	test_graph_msg(rig.graph, "b")->folder = "other";
	test_graph_page(rig.graph, "b -b", NULL, "L3");
	rig_sync();
	check("1=a 3=c");
	/* refused a look: not gone */
	test_graph_fail(rig.graph, "GET c", 403, "ErrorAccessDenied", 1);
	test_graph_page(rig.graph, "-c c", NULL, "L4");
	test_expect_error_string("a message cannot be read");
	rig_sync();
	test_expect_no_more_errors();
	check("1=a 3=c");
	/* moved back by others: a new UID */
	test_graph_msg(rig.graph, "b")->folder = TEST_GRAPH_FOLDER;
	test_graph_page(rig.graph, "b", NULL, "L5");
	rig_sync();
	check("1=a 3=c 4=b");
	rig_end();
}

/* Appended, under UIDs that rise from 1 in the order of the ids, and one more
   that has to be in the side file. */
static void check_slices(unsigned int count, bool last)
{
	struct mail_index_view *view;
	struct msgraph_folder_state state;
	const char *id, *error;
	uint32_t seq, uid;

	test_assert(mail_index_refresh(rig.index) == 0);
	view = mail_index_view_open(rig.index);
	test_assert(mail_index_view_get_messages_count(view) ==
		    count + (last ? 1 : 0));
	for (seq = 1; seq <= count; seq++) T_BEGIN {
		mail_index_lookup_uid(view, seq, &uid);
		test_assert_idx(uid == seq, seq);
		test_assert_idx(msgraph_idmap_get(rig.idmap, view, seq, &id, NULL,
						  &error) > 0, seq);
		test_assert_strcmp_idx(id, t_strdup_printf("m%05u", seq), seq);
		test_assert_idx(msgraph_idmap_find(rig.idmap, view, id) == seq,
				seq);
	} T_END;
	msgraph_idmap_get_state(rig.idmap, view, &state);
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

	rig_begin("many new ones: several transactions, the last has the link");
	for (i = 1; i <= 4500; i++)
		test_graph_add(rig.graph, t_strdup_printf("m%05u", i), 1);
	test_graph_add(rig.graph, last, 2);
	i_zero(&env);
	env.index = rig.index;
	env.idmap = rig.idmap;
	env.client = rig.client;
	env.quarantine = msgraph_quarantine_init(rig.dir, event);
	env.event = event;
	env.folder_id = TEST_GRAPH_FOLDER;
	env.dir = rig.dir;
	/* the last one cannot be written */
	side = t_strconcat(rig.dir, "/msgraph.ids", NULL);
	if (mkdir(side, 0700) < 0)
		i_fatal("mkdir(%s): %m", side);
	test_graph_page(rig.graph, "*", NULL, "L1");
	test_assert(msgraph_sync_run(&env, MSGRAPH_SYNC_PULL, &rig.result,
				     &error) < 0);
	test_assert(strstr(error, "msgraph.ids") != NULL);
	check_slices(4000, FALSE);
	/* and now it can */
	if (rmdir(side) < 0)
		i_fatal("rmdir(%s): %m", side);
	test_graph_page(rig.graph, "*", NULL, "L1");
	rig_sync();
	test_assert(rig.result.synced);
	check_slices(4500, TRUE);
	msgraph_quarantine_deinit(&env.quarantine);
	event_unref(&event);
	rig_end();
}

int main(void)
{
	static void (*const test_functions[])(void) = {
		test_first_sync,
		test_alike,
		test_changes,
		test_interrupted,
		test_token_lost,
		test_unreadable_spool,
		test_sweep_spares_new_ones,
		test_other_process_first,
		test_rows_that_say_little,
		test_rows_without_id,
		test_others_are_busy,
		test_moved_and_back,
		test_slices,
		NULL
	};

	return test_run(test_functions);
}
