/* msgraph_sync_run(): which message a row is about: edited drafts, other ids,
   damage, and what cannot be read. */

#include "lib.h"
#include "str.h"
#include "test-msgraph-sync-rig.h"

#include <stdio.h>

static void test_draft_edited(void)
{
	rig_begin("a draft that others have edited gets a new UID");
	test_graph_add(rig.graph, "a", 1)->draft = TRUE;
	test_graph_add(rig.graph, "b", 2);
	test_graph_page(rig.graph, "a b", NULL, "L1");
	rig_sync();
	/* flags are no edit, and what is no draft cannot be edited */
	test_graph_msg(rig.graph, "a")->read = TRUE;
	test_graph_msg(rig.graph, "a")->categories = "\"x\"";
	test_graph_msg(rig.graph, "b")->subject = "other";
	test_graph_page(rig.graph, "a b", NULL, "L2");
	rig_sync();
	check("1=aS,x 2=b");

	test_graph_msg(rig.graph, "a")->body = "more text";
	test_graph_page(rig.graph, "a", NULL, "L3");
	rig_sync();
	check("2=b 3=aS,x");
	check_log("DELTA L2 BATCH GET a");
	test_assert_strcmp(str_c(rig.edited), "a");
	/* where the preview does not show it, and in a row of what changed
	   only: the whole is asked for */
	test_graph_msg(rig.graph, "a")->body = "more tests";
	test_graph_page(rig.graph, "{\"id\":\"a\",\"changeKey\":\"2\"}", NULL,
			"L4");
	rig_sync();
	check("2=b 4=aS,x");
	/* the client's own: known from its first row on */
	test_graph_add(rig.graph, "mine", 9)->draft = TRUE;
	rig_append("mine");
	test_graph_page(rig.graph, "mine", NULL, "L5");
	rig_sync();
	check("2=b 4=aS,x 5=mine");
	test_graph_msg(rig.graph, "mine")->subject = "changed";
	test_graph_page(rig.graph, "mine", NULL, "L6");
	rig_sync();
	check("2=b 4=aS,x 6=mine");
	rig_end();
}

static void test_own_elsewhere(void)
{
	rig_begin("what we have appended lives on where others move it");
	rig_fill();
	rig.own = "a b c d";
	test_graph_msg(rig.graph, "a")->folder = "other";
	test_graph_remove(rig.graph, "b");
	test_graph_page(rig.graph, "-a -b", NULL, "L2");
	rig_sync();
	check("3=c");
	check_log("DELTA L1 BATCH GET a GET b");
	test_assert_strcmp(str_c(rig.expunged), "1 2=b");
	/* not to be had just now: perhaps it does */
	test_graph_fail(rig.graph, "GET c", 403, "ErrorAccessDenied", 1);
	test_graph_page(rig.graph, "-c", NULL, "L3");
	rig_sync();
	check("");
	test_assert_strcmp(str_c(rig.expunged), "3");
	/* gone from here is gone from here, though a look is still late */
	test_graph_add(rig.graph, "d", 4);
	test_graph_page(rig.graph, "d", NULL, "L4");
	rig_sync();
	test_graph_page(rig.graph, "-d", NULL, "L5");
	rig_sync();
	check("");
	test_assert_strcmp(str_c(rig.expunged), "4");
	/* after a listing nobody is asked */
	test_graph_page(rig.graph, "d", NULL, "L6");
	rig_sync();
	test_graph_page_fail(rig.graph, 410, "");
	test_graph_page(rig.graph, "", NULL, "L7");
	rig_sync();
	check("");
	test_assert_strcmp(str_c(rig.expunged), "5");
	rig_end();
}

static void test_expunged_elsewhere(void)
{
	rig_begin("an EXPUNGE of what others have moved, or into the trash");
	rig_fill();
	test_graph_msg(rig.graph, "a")->folder = "other";
	rig_expunge(1, FALSE);
	rig_expunge(2, FALSE);
	rig_push();
	test_assert_strcmp(str_c(rig.expunged), "1 2=b");
	rig_expunge(3, FALSE);
	rig_sync_mode(0, MSGRAPH_EXPUNGE_TRASH);
	test_assert_strcmp(str_c(rig.expunged), "3");
	rig_end();
}

/* Somebody has damaged the index: no delta tells of it. */
static void damage(uint32_t expunge_uid, uint32_t flag_uid, uint32_t id_uid)
{
	struct mail_index_transaction *trans;
	struct mail_index_view *view;
	const char *error;
	uint32_t seq;

	view = mail_index_view_open(rig.index);
	trans = mail_index_transaction_begin(view,
		MAIL_INDEX_TRANSACTION_FLAG_EXTERNAL);
	test_assert(mail_index_lookup_seq(view, flag_uid, &seq));
	mail_index_update_flags(trans, seq, MODIFY_ADD, MAIL_FLAGGED);
	test_assert(mail_index_lookup_seq(view, id_uid, &seq));
	test_assert(msgraph_idmap_set_id(rig.idmap, view, trans, seq, "lost",
					 &error) == 0);
	test_assert(mail_index_lookup_seq(view, expunge_uid, &seq));
	mail_index_expunge(trans, seq);
	test_assert(mail_index_transaction_commit(&trans) == 0);
	mail_index_view_close(&view);
	/* by another process: what this one remembers of ids goes, too */
	rig_close_index();
	rig_open_index();
}

static void test_verify(void)
{
	rig_begin("verify tells what differs and changes nothing");
	test_graph_add(rig.graph, "d", 4)->message_id = "<d@x>";
	test_graph_add(rig.graph, "e", 5);
	rig_fill();
	test_graph_page(rig.graph, "d e", NULL, "L2");
	rig_sync();
	check("1=a 2=b 3=c 4=d 5=e");
	test_graph_page(rig.graph, "*", NULL, "L9");
	rig_sync_mode(MSGRAPH_SYNC_VERIFY, MSGRAPH_EXPUNGE_RECOVERABLE);
	test_assert(rig.result.compared);
	test_assert_strcmp(str_c(rig.differences), "");

	damage(2, 3, 4);
	test_graph_remove(rig.graph, "e");
	test_graph_page(rig.graph, "*", NULL, "L9");
	rig_sync_mode(MSGRAPH_SYNC_VERIFY, MSGRAPH_EXPUNGE_RECOVERABLE);
	test_assert(rig.result.compared);
	test_assert_strcmp(str_c(rig.differences),
			   "flags:3=c missing:0=b id:4=d gone:5=e");
	check("1=a 3=cF 4=lost 5=e");
	/* the link is as it was */
	test_graph_page(rig.graph, "", NULL, "L2");
	rig_sync();
	check_log("DELTA L2");

	/* and a repair: what is the same message keeps its UID */
	test_graph_page(rig.graph, "*", NULL, "L3");
	rig_sync_mode(MSGRAPH_SYNC_PULL | MSGRAPH_SYNC_FULL,
		  MSGRAPH_EXPUNGE_RECOVERABLE);
	check("1=a 3=c 4=d 6=b");
	test_graph_page(rig.graph, "d", NULL, "L4");
	rig_sync();
	check("1=a 3=c 4=d 6=b");
	test_graph_page(rig.graph, "*", NULL, "L9");
	rig_sync_mode(MSGRAPH_SYNC_VERIFY, MSGRAPH_EXPUNGE_RECOVERABLE);
	test_assert_strcmp(str_c(rig.differences), "");
	rig_end();
}

static void test_other_ids(void)
{
	struct test_graph_msg *msg;
	unsigned int i;

	rig_begin("a mailbox whose ids are others keeps its UIDs");
	for (i = 0; i < 4; i++) {
		msg = test_graph_add(rig.graph, t_strdup_printf("old%u", i), i);
		/* 2 and 3 are alike: no telling which is which */
		msg->message_id = t_strdup_printf("<%u@x>", I_MIN(i, 2));
		msg->day = I_MIN(i, 2);
	}
	test_graph_page(rig.graph, "*", NULL, "L1");
	rig_sync();
	check("1=old0 2=old1 3=old2 4=old3");
	for (i = 0; i < 4; i++) {
		test_graph_remove(rig.graph, t_strdup_printf("old%u", i));
		msg = test_graph_add(rig.graph, t_strdup_printf("new%u", i), i);
		/* 1 came at another time: it is another message */
		msg->message_id = t_strdup_printf("<%u@x>", I_MIN(i, 2));
		msg->day = i == 1 ? 9 : I_MIN(i, 2);
	}
	test_graph_page_fail(rig.graph, 410, "syncStateNotFound");
	test_graph_page(rig.graph, "*", NULL, "L2");
	rig_sync();
	check("1=new0 5=new2 6=new3 7=new1");
	test_graph_page(rig.graph, "new0 -new2", NULL, "L3");
	rig_sync();
	check("1=new0 6=new3 7=new1");
	rig_end();
}

static void test_poison(void)
{
	rig_begin("a message that cannot be read does not stop the folder");
	/* rows without properties: every one is asked for */
	test_graph_no_properties(rig.graph);
	test_graph_add(rig.graph, "a", 1);
	test_graph_add(rig.graph, "bad", 2);
	test_graph_add(rig.graph, "late", 3);
	test_graph_fail(rig.graph, "GET bad", 500, "ErrorInternalServerError", 99);
	test_graph_fail(rig.graph, "GET late", 404, "ErrorItemNotFound", 1);
	test_graph_page(rig.graph, "a bad late", NULL, "L1");
	test_expect_error_string("a message cannot be read");
	rig_sync();
	test_expect_no_more_errors();
	test_assert(rig.result.pull.error == GRAPH_OK);
	check("1=a 2=bad 3=late");
	rig_end();
}

/* The pauses are over. */
static void end_pauses(const char *kind, const char *id, unsigned int tries)
{
	const char *path = t_strconcat(rig.dir, "/msgraph.quarantine", NULL);
	FILE *f = fopen(path, "w");

	fprintf(f, "%s %s 1 2 %u HTTP-500\nnonsense\n", id, kind, tries);
	fclose(f);
}

static void test_quarantine(void)
{
	rig_begin("what was named and cannot be read is tried again");
	rig_fill();
	test_graph_add(rig.graph, "bad", 4);
	test_graph_fail(rig.graph, "GET bad", 500, "ErrorInternalServerError", 99);
	test_graph_page(rig.graph, "{\"id\":\"bad\",\"isRead\":true}", NULL, "L2");
	test_expect_error_string("a message cannot be read");
	rig_sync();
	test_expect_no_more_errors();
	check("1=a 2=b 3=c");
	test_assert(rig.quarantined == 1);
	/* not at once */
	test_graph_fail(rig.graph, NULL, 0, NULL, 0);
	test_graph_page(rig.graph, "", NULL, "L3");
	rig_sync();
	check_log("DELTA L2");
	test_assert(rig.quarantined == 1);
	end_pauses("row", "bad", 1);
	test_graph_page(rig.graph, "", NULL, "L4");
	rig_sync();
	check_log("DELTA L3 BATCH GET bad");
	check("1=a 2=b 3=c 4=bad");
	test_assert(rig.quarantined == 0);

	/* what others have deleted, or is not there for long */
	end_pauses("row", "other", 1);
	test_graph_page(rig.graph, "-other", NULL, "L5");
	rig_sync();
	check_log("DELTA L4");
	test_assert(rig.quarantined == 0);
	end_pauses("row", "never", 3);
	test_graph_page(rig.graph, "", NULL, "L6");
	rig_sync();
	test_assert(rig.quarantined == 1);
	end_pauses("row", "never", 4);
	test_graph_page(rig.graph, "", NULL, "L7");
	rig_sync();
	test_assert(rig.quarantined == 0);
	check("1=a 2=b 3=c 4=bad");

	/* a body stays as long as the message does */
	end_pauses("body", "a", 2);
	test_graph_page(rig.graph, "", NULL, "L8");
	rig_sync();
	test_assert(rig.quarantined == 1);
	test_graph_page(rig.graph, "-a", NULL, "L9");
	rig_sync();
	test_assert(rig.quarantined == 0);
	rig_end();
}

int main(void)
{
	static void (*const test_functions[])(void) = {
		test_draft_edited,
		test_own_elsewhere,
		test_expunged_elsewhere,
		test_verify,
		test_other_ids,
		test_poison,
		test_quarantine,
		NULL
	};

	return test_run(test_functions);
}
