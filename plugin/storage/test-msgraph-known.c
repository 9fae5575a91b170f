#include "lib.h"
#include "array.h"
#include "str.h"
#include "test-common.h"
#include "msgraph-known.h"

static void test_events(void)
{
	static const struct {
		struct msgraph_known_counts old, now;
		enum mailbox_list_notify_event want;
	} tests[] = {
		{ { 1, 5, 4, 2, 9 }, { 1, 5, 4, 2, 9 }, 0 },
		{ { 0, 0, 0, 0, 0 }, { 1, 1, 0, 0, 1 },
		  MAILBOX_LIST_NOTIFY_UIDVALIDITY |
		  MAILBOX_LIST_NOTIFY_APPENDS |
		  MAILBOX_LIST_NOTIFY_MODSEQ_CHANGES },
		{ { 1, 5, 4, 2, 9 }, { 1, 6, 5, 3, 10 },
		  MAILBOX_LIST_NOTIFY_APPENDS |
		  MAILBOX_LIST_NOTIFY_SEEN_CHANGES |
		  MAILBOX_LIST_NOTIFY_MODSEQ_CHANGES },
		{ { 1, 5, 4, 2, 9 }, { 1, 6, 5, 2, 10 },
		  MAILBOX_LIST_NOTIFY_APPENDS |
		  MAILBOX_LIST_NOTIFY_MODSEQ_CHANGES },
		{ { 1, 5, 4, 2, 9 }, { 1, 5, 3, 2, 10 },
		  MAILBOX_LIST_NOTIFY_EXPUNGES |
		  MAILBOX_LIST_NOTIFY_MODSEQ_CHANGES },
		/* one has come, one has gone */
		{ { 1, 5, 4, 2, 9 }, { 1, 6, 4, 2, 11 },
		  MAILBOX_LIST_NOTIFY_APPENDS |
		  MAILBOX_LIST_NOTIFY_EXPUNGES |
		  MAILBOX_LIST_NOTIFY_MODSEQ_CHANGES },
		{ { 1, 5, 4, 2, 9 }, { 1, 5, 4, 1, 10 },
		  MAILBOX_LIST_NOTIFY_SEEN_CHANGES |
		  MAILBOX_LIST_NOTIFY_MODSEQ_CHANGES },
		{ { 1, 5, 4, 2, 9 }, { 1, 5, 4, 2, 10 },
		  MAILBOX_LIST_NOTIFY_MODSEQ_CHANGES },
	};
	unsigned int i;

	test_begin("msgraph known: events");
	for (i = 0; i < N_ELEMENTS(tests); i++) {
		test_assert_idx(msgraph_known_events(&tests[i].old,
						     &tests[i].now) ==
				tests[i].want, i);
	}
	test_end();
}

/* "id=name id=name" */
static void names_parse(const char *text, ARRAY_TYPE(msgraph_known_name) *names)
{
	const char *const *words = t_strsplit_spaces(text, " ");
	struct msgraph_known_name *name;
	const char *p;

	t_array_init(names, 8);
	for (; *words != NULL; words++) {
		p = strchr(*words, '=');
		name = array_append_space(names);
		name->id = t_strdup_until(*words, p);
		name->name = p + 1;
	}
}

static const char *
changes_format(const ARRAY_TYPE(msgraph_known_change) *changes)
{
	const struct msgraph_known_change *change;
	string_t *str = t_str_new(64);

	array_foreach(changes, change) {
		if (str_len(str) > 0)
			str_append_c(str, ' ');
		switch (change->events) {
		case MAILBOX_LIST_NOTIFY_CREATE:
		case MAILBOX_LIST_NOTIFY_SUBSCRIBE:
			str_printfa(str, "+%s", change->name);
			break;
		case MAILBOX_LIST_NOTIFY_DELETE:
		case MAILBOX_LIST_NOTIFY_UNSUBSCRIBE:
			str_printfa(str, "-%s", change->name);
			break;
		default:
			str_printfa(str, "%s>%s", change->old_name,
				    change->name);
		}
	}
	return str_c(str);
}

static void test_names(void)
{
	static const struct {
		const char *old, *now, *want;
	} tests[] = {
		{ "", "", "" },
		{ "1=a 2=b", "1=a 2=b", "" },
		{ "", "1=a 2=b", "+a +b" },
		{ "1=a 2=b", "", "-a -b" },
		{ "1=a 3=c", "1=a 2=b 3=c", "+b" },
		{ "1=a 2=b 3=c", "1=a 3=c", "-b" },
		{ "1=a", "1=b", "a>b" },
		{ "1=a", "1=A", "a>A" },
		/* deleted and made anew */
		{ "1=a", "2=a", "-a +a" },
		/* one takes another's name: only when it is free */
		{ "1=a 2=b", "1=b 2=c", "b>c a>b" },
		{ "1=a 2=b 3=c", "1=b 2=c 3=d", "c>d b>c a>b" },
		{ "1=a 2=b", "1=b", "-b a>b" },
		{ "1=a", "1=b 2=a", "a>b +a" },
		/* two have changed places */
		{ "1=a 2=b", "1=b 2=a", "a>b b>a" },
		{ "1=a 2=b 3=x", "1=b 2=a 3=y", "x>y a>b b>a" },
		/* what lies in it goes along */
		{ "1=a 2=a/x", "1=b 2=b/x", "a>b a/x>b/x" },
	};
	ARRAY_TYPE(msgraph_known_name) old, now;
	ARRAY_TYPE(msgraph_known_change) changes;
	unsigned int i;

	test_begin("msgraph known: names");
	for (i = 0; i < N_ELEMENTS(tests); i++) T_BEGIN {
		names_parse(tests[i].old, &old);
		names_parse(tests[i].now, &now);
		t_array_init(&changes, 8);
		msgraph_known_names(&old, &now, &changes);
		test_assert_strcmp_idx(changes_format(&changes),
				       tests[i].want, i);
	} T_END;
	test_end();
}

static void strings_parse(const char *text, ARRAY_TYPE(const_string) *strings)
{
	const char *const *words = t_strsplit_spaces(text, " ");

	t_array_init(strings, 8);
	for (; *words != NULL; words++)
		array_push_back(strings, words);
}

static void test_subscriptions(void)
{
	static const struct {
		const char *old, *now, *want;
	} tests[] = {
		{ "", "", "" },
		{ "a b", "a b", "" },
		{ "a c", "a b c d", "+b +d" },
		{ "a b c", "b", "-a -c" },
		{ "a", "b", "-a +b" },
	};
	ARRAY_TYPE(const_string) old, now;
	ARRAY_TYPE(msgraph_known_change) changes;
	unsigned int i;

	test_begin("msgraph known: subscriptions");
	for (i = 0; i < N_ELEMENTS(tests); i++) T_BEGIN {
		strings_parse(tests[i].old, &old);
		strings_parse(tests[i].now, &now);
		t_array_init(&changes, 8);
		msgraph_known_subscriptions(&old, &now, &changes);
		test_assert_strcmp_idx(changes_format(&changes),
				       tests[i].want, i);
	} T_END;
	test_end();
}

int main(void)
{
	static void (*const test_functions[])(void) = {
		test_events,
		test_names,
		test_subscriptions,
		NULL
	};
	return test_run(test_functions);
}
