/* msgraph_sync_run(): what clients have changed goes to Graph. */

#include "lib.h"
#include "str.h"
#include "write-full.h"
#include "msgraph-flags.h"
#include "test-msgraph-sync-rig.h"

#include <fcntl.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

static void test_store(void)
{
	rig_begin("a STORE wins over the delta until it is sent; no echo");
	rig_fill();
	rig_store(1, MODIFY_ADD, MAIL_SEEN);
	test_graph_fail(rig.graph, "PATCH a", 503, "", 1);
	test_graph_page(rig.graph, "a", NULL, "L2");
	rig_sync();
	check("1=aS 2=b 3=c");
	test_assert(rig.result.push.error == GRAPH_OK && rig.result.pushed == 1);
	test_assert(test_graph_msg(rig.graph, "a")->read);
	test_assert(!msgraph_sync_have_pending(rig.index));
	test_graph_page(rig.graph, "a", NULL, "L3");
	rig_sync();
	test_assert(rig.result.updated == 0);
	check_log("DELTA L2");
	rig_end();
}

static void test_store_keywords(void)
{
	rig_begin("keywords: what others have set meanwhile stays");
	test_graph_add(rig.graph, "a", 1)->categories = "\"Red\",\"red\",\"x\"";
	test_graph_page(rig.graph, "a", NULL, "L1");
	rig_sync();
	test_graph_msg(rig.graph, "a")->categories =
		"\"Red\",\"red\",\"x\",\"theirs\"";
	rig_store_keyword(1, MODIFY_ADD, "mine");
	rig_store_keyword(1, MODIFY_REMOVE, "x");
	rig_push();
	test_assert_strcmp(test_graph_msg(rig.graph, "a")->categories,
			   "\"Red\",\"red\",\"theirs\",\"mine\"");
	check_log("BATCH FIND a BATCH PATCH a");
	/* a reply mark that others have set is not ours to take away */
	test_assert(strstr(test_graph_last_patch(rig.graph), "0x1081") == NULL);
	rig_store_keyword(1, MODIFY_ADD, MSGRAPH_KEYWORD_FORWARDED);
	rig_push();
	test_assert(strstr(test_graph_last_patch(rig.graph), "0x1081") != NULL);
	test_assert(strstr(test_graph_last_patch(rig.graph),
			   "categories") == NULL);
	rig_end();
}

static void test_store_refused(void)
{
	rig_begin("a push that fails stays pending; reading goes on");
	rig_fill();
	rig_store(1, MODIFY_ADD, MAIL_SEEN);
	rig_expunge(3, FALSE);
	test_graph_fail(rig.graph, "BATCH", 503, "", 99);
	test_graph_page(rig.graph, "b", NULL, "L2");
	test_graph_msg(rig.graph, "b")->read = TRUE;
	rig_sync();
	test_assert(rig.result.pull.error == GRAPH_OK);
	test_assert(rig.result.push.error != GRAPH_OK && rig.result.pushed == 0);
	test_assert(msgraph_sync_have_pending(rig.index));
	check("1=aS 2=bS 3=c");
	/* the next session */
	rig_close_index();
	rig_open_index();
	test_graph_fail(rig.graph, NULL, 0, NULL, 0);
	rig_push();
	test_assert(rig.result.push.error == GRAPH_OK);
	check("1=aS 2=bS");
	test_assert(test_graph_msg(rig.graph, "a")->read);
	test_assert_strcmp(test_graph_msg(rig.graph, "c")->folder,
			   "dumpster");
	rig_end();
}

static void test_store_undone(void)
{
	rig_begin("what Graph will never have is undone here");
	rig_fill();
	rig_store(1, MODIFY_ADD, MAIL_SEEN);
	rig_store(2, MODIFY_ADD, MAIL_SEEN);
	rig_expunge(3, FALSE);
	test_graph_fail(rig.graph, "PATCH a", 403, "ErrorAccessDenied", 1);
	rig_push();
	test_assert(rig.result.push.error == GRAPH_OK);
	test_assert(rig.result.refused.error == GRAPH_ERROR_PERM);
	test_assert(!msgraph_sync_have_pending(rig.index));
	check("1=a 2=bS");
	test_assert(!test_graph_msg(rig.graph, "a")->read);
	rig_push();
	test_assert(rig.result.refused.error == GRAPH_OK);
	rig_end();

	rig_begin("also when the others cannot be sent just now");
	rig_fill();
	rig_store(1, MODIFY_ADD, MAIL_SEEN);
	rig_store(2, MODIFY_ADD, MAIL_SEEN);
	test_graph_fail(rig.graph, "PATCH a", 400, "ErrorInvalidRequest", 99);
	test_graph_fail(rig.graph, "PATCH b", 500, "ErrorInternalServerError", 99);
	rig_push();
	test_assert(rig.result.push.error != GRAPH_OK);
	test_assert(msgraph_sync_have_pending(rig.index));
	test_graph_fail(rig.graph, NULL, 0, NULL, 0);
	test_graph_fail(rig.graph, "PATCH a", 400, "ErrorInvalidRequest", 99);
	rig_push();
	test_assert(!msgraph_sync_have_pending(rig.index));
	check("1=a 2=bS 3=c");
	rig_end();
}

static void test_expunge_undone(void)
{
	rig_begin("an expunge that Graph will never carry out is given up");
	rig_fill();
	rig_expunge(1, FALSE);
	rig_expunge(2, FALSE);
	test_graph_fail(rig.graph, "MOVE a", 403, "ErrorAccessDenied", 1);
	test_graph_fail(rig.graph, "DELETE a", 403, "ErrorAccessDenied", 1);
	rig_push();
	test_assert(rig.result.refused.error == GRAPH_ERROR_PERM);
	test_assert(!msgraph_sync_have_pending(rig.index));
	check("1=a 3=c");
	rig_end();
}

static void test_one_sender(void)
{
	int fd;

	rig_begin("while another process sends, changes wait for their turn");
	rig_fill();
	rig_store(1, MODIFY_ADD, MAIL_SEEN);
	fd = open(t_strconcat(rig.dir, "/msgraph.push", NULL), O_RDWR | O_CREAT,
		  0600);
	test_assert(fd != -1 && flock(fd, LOCK_EX | LOCK_NB) == 0);
	rig.deadline_msecs = 100;
	rig_push();
	rig.deadline_msecs = 0;
	check_log("");
	test_assert(rig.result.push.error == GRAPH_ERROR_UNAVAILABLE);
	test_assert(msgraph_sync_have_pending(rig.index));
	i_close_fd(&fd);
	rig_push();
	check_log("BATCH PATCH a");
	test_assert(!msgraph_sync_have_pending(rig.index));
	rig_end();
}

static void test_one_bad_does_not_block(void)
{
	rig_begin("one that cannot be changed does not hold up the others");
	rig_fill();
	rig_store(1, MODIFY_ADD, MAIL_SEEN);
	rig_store(2, MODIFY_ADD, MAIL_FLAGGED);
	rig_expunge(3, FALSE);
	test_graph_fail(rig.graph, "PATCH a", 500, "ErrorInternalServerError", 99);
	rig_push();
	/* others get through, so it is not the service */
	test_assert(rig.result.refused.error == GRAPH_ERROR_UNAVAILABLE);
	test_assert(!msgraph_sync_have_pending(rig.index));
	check("1=a 2=bF");
	test_assert_strcmp(test_graph_msg(rig.graph, "c")->folder,
			   "dumpster");
	rig_end();

	rig_begin("nothing is given up while nothing gets through");
	rig_fill();
	rig_store(1, MODIFY_ADD, MAIL_SEEN);
	rig_expunge(3, FALSE);
	test_graph_fail(rig.graph, "PATCH a", 500, "ErrorInternalServerError", 99);
	test_graph_fail(rig.graph, "MOVE c", 500, "ErrorInternalServerError", 99);
	test_graph_fail(rig.graph, "DELETE c", 500, "ErrorInternalServerError", 99);
	rig_push();
	test_assert(rig.result.push.error != GRAPH_OK);
	test_assert(msgraph_sync_have_pending(rig.index));
	check("1=aS 2=b 3=c");
	test_graph_fail(rig.graph, NULL, 0, NULL, 0);
	rig_push();
	test_assert(rig.result.push.error == GRAPH_OK);
	test_assert(!msgraph_sync_have_pending(rig.index));
	test_assert(test_graph_msg(rig.graph, "a")->read);
	check("1=aS 2=b");
	rig_end();
}

static void write_quarantine(const char *text)
{
	const char *path = t_strconcat(rig.dir, "/msgraph.quarantine", NULL);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	if (fd == -1 || write_full(fd, text, strlen(text)) < 0)
		i_fatal("write(%s): %m", path);
	i_close_fd(&fd);
}

static void test_poison_alone(void)
{
	long now = time(NULL);
	unsigned int i;

	rig_begin("one that cannot be changed, and nothing else: it waits");
	rig_fill();
	rig_store(1, MODIFY_ADD, MAIL_SEEN);
	test_graph_fail(rig.graph, "PATCH a", 500, "ErrorInternalServerError", 99);
	/* it may be an outage that passes */
	for (i = 0; i < 5; i++) {
		rig_push();
		test_assert_idx(strstr(test_graph_log(rig.graph),
				       "PATCH a") != NULL, i);
	}
	test_assert(rig.quarantined == 1);
	/* but not for minutes */
	write_quarantine(t_strdup_printf("a change %ld %ld 5 HTTP-500\n",
					 now - 90, now - 1));
	rig_push();
	test_assert(strstr(test_graph_log(rig.graph), "PATCH a") != NULL);
	rig_push();
	check_log("");
	test_assert(rig.result.push.error == GRAPH_ERROR_UNAVAILABLE);
	test_assert(strstr(rig.result.push.message, "tried again in") != NULL);
	check("1=aS 2=b 3=c");
	/* what has failed long ago does not count */
	write_quarantine(t_strdup_printf("a change %ld %ld 5 HTTP-500\n",
					 now - 900, now - 300));
	for (i = 0; i < 2; i++) {
		rig_push();
		test_assert_idx(strstr(test_graph_log(rig.graph),
				       "PATCH a") != NULL, i);
	}
	write_quarantine(t_strdup_printf("a change %ld %ld 5 HTTP-500\n",
					 now - 90, now + 90));
	/* with another it is tried again */
	test_graph_fail(rig.graph, NULL, 0, NULL, 0);
	rig_store(2, MODIFY_ADD, MAIL_FLAGGED);
	rig_push();
	check_log("BATCH PATCH a PATCH b");
	test_assert(!msgraph_sync_have_pending(rig.index));
	rig_push();
	test_assert(rig.quarantined == 0);
	check("1=aS 2=bF 3=c");
	rig_end();
}

static void test_expunge(void)
{
	rig_begin("an expunge hits the message here and nowhere else");
	rig_fill();
	test_graph_msg(rig.graph, "a")->folder = "other";
	test_graph_remove(rig.graph, "b");
	rig_expunge(1, FALSE);
	rig_expunge(2, FALSE);
	rig_expunge(3, FALSE);
	rig_push();
	check("");
	test_assert_strcmp(test_graph_msg(rig.graph, "a")->folder, "other");
	check_log("BATCH FIND a FIND b FIND c BATCH MOVE c");
	rig_end();

	rig_begin("a message that we moved away is not asked for");
	rig_fill();
	test_graph_msg(rig.graph, "a")->folder = "other";
	rig_expunge(1, TRUE);
	rig_sync_mode(0, MSGRAPH_EXPUNGE_PERMANENT);
	check("2=b 3=c");
	check_log("");
	rig_end();
}

static void test_expunge_edited(void)
{
	rig_begin("a draft edited since is not what the client has expunged");
	test_graph_add(rig.graph, "a", 1)->draft = TRUE;
	test_graph_add(rig.graph, "b", 2)->draft = TRUE;
	test_graph_page(rig.graph, "a b", NULL, "L1");
	rig_sync();
	test_graph_msg(rig.graph, "a")->body = "more text";
	/* this is no edit */
	test_graph_msg(rig.graph, "b")->read = TRUE;
	rig_expunge(1, FALSE);
	rig_expunge(2, FALSE);
	test_graph_page(rig.graph, "a", NULL, "L2");
	rig_push();
	test_assert(rig.result.push.error == GRAPH_OK);
	test_assert_strcmp(test_graph_msg(rig.graph, "b")->folder, "dumpster");
	test_assert_strcmp(str_c(rig.edited), "a");
	check_log("BATCH GET a GET b BATCH MOVE b");
	rig_sync();
	check("3=a");
	rig_end();
}

static void test_expunge_fallback(void)
{
	rig_begin("recoverable refused: deleted; a lost answer is no refusal");
	rig_fill();
	test_graph_fail(rig.graph, "MOVE a", 400, "ErrorMoveCopyFailed", 1);
	rig_expunge(1, FALSE);
	rig_push();
	check("2=b 3=c");
	test_assert_strcmp(test_graph_msg(rig.graph, "a")->folder, "deleted");
	/* The move took place, its answer was lost, and a second one is
	   refused: a DELETE would take it out of the recoverable items. */
	test_graph_lose(rig.graph, "MOVE b");
	test_graph_fail(rig.graph, "MOVE b", 400, "ErrorMoveCopyFailed", 1);
	rig_expunge(2, FALSE);
	rig_push();
	check("3=c");
	test_assert_strcmp(test_graph_msg(rig.graph, "b")->folder,
			   "dumpster");
	rig_end();

	rig_begin("expunge to the trash, and for good");
	rig_fill();
	rig_expunge(1, FALSE);
	rig_sync_mode(0, MSGRAPH_EXPUNGE_TRASH);
	test_assert_strcmp(test_graph_msg(rig.graph, "a")->folder, "trash");
	rig_expunge(2, FALSE);
	rig_sync_mode(0, MSGRAPH_EXPUNGE_PERMANENT);
	test_assert_strcmp(test_graph_msg(rig.graph, "b")->folder, "purged");
	check("3=c");
	rig_end();
}

static void test_many(void)
{
	unsigned int i;

	rig_begin("thousands of local changes take longer than a command may");
	for (i = 0; i < 800; i++) T_BEGIN {
		test_graph_add(rig.graph, t_strdup_printf("m%u", i), i);
	} T_END;
	test_graph_page(rig.graph, "*", NULL, "L1");
	rig_sync();
	test_assert(rig.result.appended == 800);
	test_graph_latency(rig.graph, 10);
	rig.deadline_msecs = 200;
	for (i = 1; i <= 800; i++)
		rig_store(i, MODIFY_ADD, MAIL_SEEN);
	rig_push();
	test_assert(rig.result.push.error == GRAPH_OK && rig.result.pushed == 800);
	for (i = 1; i <= 800; i++)
		rig_expunge(i, FALSE);
	rig_push();
	test_assert(rig.result.push.error == GRAPH_OK);
	rig.deadline_msecs = 0;
	test_assert(*rig_index_text() == '\0');
	rig_end();
}

int main(void)
{
	static void (*const test_functions[])(void) = {
		test_store,
		test_store_keywords,
		test_store_refused,
		test_store_undone,
		test_expunge_undone,
		test_one_sender,
		test_one_bad_does_not_block,
		test_poison_alone,
		test_expunge,
		test_expunge_edited,
		test_expunge_fallback,
		test_many,
		NULL
	};

	return test_run(test_functions);
}
