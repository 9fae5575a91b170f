/* Flags, keywords, size estimates, and ids in an index. */

#include "lib.h"
#include "ioloop.h"
#include "str.h"
#include "test-common.h"
#include "unlink-directory.h"
#include "mail-index.h"
#include "mail-types.h"
#include "msgraph-cache.h"
#include "msgraph-flags.h"
#include "msgraph-quarantine.h"
#include "msgraph-idmap.h"
#include "msgraph-row.h"
#include "msgraph-slots.h"
#include "graph-message.h"

#include <sys/stat.h>
#include <unistd.h>

static void test_keywords(void)
{
	static const struct {
		const char *category, *keyword;
	} tests[] = {
		{ "Red category", "Red_category" },
		{ "plain", "plain" },
		{ "under_score", "under=5Fscore" },
		{ "Blue (sea)", "Blue_=28sea=29" },
		{ "a=b", "a=b" },
		{ "a=5Fb", "a=3D5Fb" },
		{ "Gr\xc3\xbcn", "Gr=C3=BCn" },
		{ "$label1", "$label1" },
		{ "100%", "100=25" },
	};
	unsigned int i;

	test_begin("keyword <-> category");
	for (i = 0; i < N_ELEMENTS(tests); i++) {
		test_assert_strcmp_idx(
			msgraph_keyword_from_category(tests[i].category),
			tests[i].keyword, i);
		test_assert_strcmp_idx(
			msgraph_category_from_keyword(tests[i].keyword),
			tests[i].category, i);
	}
	/* every category comes back */
	for (i = 0; i < 2000; i++) T_BEGIN {
		string_t *str = t_str_new(16);
		unsigned int n = i_rand_limit(12) + 1;

		while (n-- > 0) {
			static const char set[] = "ab =_59FC3D(%\\\"\xc3\xbc{";

			str_append_c(str, set[i_rand_limit(sizeof(set) - 1)]);
		}
		test_assert_strcmp_idx(msgraph_category_from_keyword(
			msgraph_keyword_from_category(str_c(str))),
			str_c(str), i);
	} T_END;
	test_end();
}

static void test_merge(void)
{
	static const struct {
		const char *current, *keywords, *touched, *want;
	} tests[] = {
		{ "", "a", "a", "a" },
		{ "theirs", "a", "a", "theirs a" },
		{ "theirs a", "", "a", "theirs" },
		{ "theirs", "", "gone", "theirs" },
		/* of two names for one keyword none is lost */
		{ "Red red", "red a", "a", "Red red a" },
		{ "Red", "red", "red", "Red" },
		{ "Red red", "", "RED", "" },
		{ "x", "$Forwarded x", "$Forwarded", "x" },
		/* what only the index still has was removed by others */
		{ "", "old a", "a", "a" },
	};
	pool_t pool = pool_alloconly_create("test", 1024);
	unsigned int i;

	test_begin("categories of others stay");
	for (i = 0; i < N_ELEMENTS(tests); i++) {
		test_assert_strcmp_idx(t_strarray_join(
			msgraph_categories_merge(pool,
				t_strsplit_spaces(tests[i].current, " "),
				t_strsplit_spaces(tests[i].keywords, " "),
				t_strsplit_spaces(tests[i].touched, " ")),
			" "), tests[i].want, i);
	}
	pool_unref(&pool);
	test_end();
}

static void test_patch(void)
{
	static const char *const keywords[] = {
		"$Forwarded", "my_tag", NULL
	};
	struct graph_patch patch;

	test_begin("flags to patch");
	test_assert(!msgraph_flags_to_patch(MAIL_DRAFT, MAIL_DRAFT, FALSE,
					    NULL, &patch));
	test_assert(msgraph_flags_to_patch(MAIL_SEEN | MAIL_FLAGGED, MAIL_SEEN,
					   FALSE, keywords, &patch));
	test_assert(patch.is_read == 1);
	test_assert(patch.flag == GRAPH_FLAG_NOT_FLAGGED);
	test_assert(patch.categories == NULL && patch.imap_deleted == -1);
	test_assert(patch.verb == GRAPH_VERB_UNKNOWN);
	test_assert(msgraph_flags_to_patch(0, 0, TRUE, keywords, &patch));
	test_assert(patch.verb == GRAPH_VERB_FORWARDED);
	test_assert_strcmp(patch.categories[0], "my tag");
	test_assert(patch.categories[1] == NULL);
	test_assert(msgraph_flags_to_patch(0, MAIL_ANSWERED, TRUE, keywords,
					   &patch));
	test_assert(patch.verb == GRAPH_VERB_REPLIED);
	test_end();
}

static void test_row_flags(void)
{
	struct graph_message msg;
	struct msgraph_flag_state state;

	test_begin("row to flags");
	i_zero(&msg);
	msg.is_read = 1;
	msg.is_draft = -1;
	msg.flag = GRAPH_FLAG_UNKNOWN;
	msgraph_flags_from_row(&msg, &state);
	test_assert(state.known == MAIL_SEEN && state.flags == MAIL_SEEN);
	test_assert(!state.categories_known && !state.forwarded_known);
	msg.has_properties = TRUE;
	msg.verb = GRAPH_VERB_REPLIED_ALL;
	msg.imap_deleted = 1;
	msg.flag = GRAPH_FLAG_COMPLETE;
	msgraph_flags_from_row(&msg, &state);
	test_assert(state.flags == (MAIL_SEEN | MAIL_ANSWERED | MAIL_DELETED));
	test_assert(state.known == (MAIL_SEEN | MAIL_ANSWERED | MAIL_DELETED |
				    MAIL_FLAGGED));
	test_assert(state.forwarded_known && !state.forwarded);
	test_end();
}

static void row_of(const char *json, struct msgraph_row *row_r)
{
	const char *error;
	struct graph_message *msg =
		graph_message_parse(json, strlen(json), &error);

	test_assert(msg != NULL);
	msgraph_row_init(row_r, msg, "here");
	row_r->id = t_strdup(row_r->id);
	graph_message_free(&msg);
}

static bool same_keywords(const char *const *a, const char *const *b)
{
	return a == NULL || b == NULL ? a == b :
		strcmp(t_strarray_join(a, ","), t_strarray_join(b, ",")) == 0;
}

static bool same_row(const struct msgraph_row *a, const struct msgraph_row *b)
{
	return strcmp(a->id, b->id) == 0 && a->received == b->received &&
		a->removed == b->removed && a->elsewhere == b->elsewhere &&
		a->whole == b->whole && a->content == b->content &&
		a->has_properties == b->has_properties &&
		a->state.flags == b->state.flags &&
		a->state.known == b->state.known &&
		a->state.categories_known == b->state.categories_known &&
		a->state.forwarded_known == b->state.forwarded_known &&
		a->state.forwarded == b->state.forwarded &&
		same_keywords(a->state.keywords, b->state.keywords) &&
		a->size_estimate == b->size_estimate &&
		a->draft == b->draft &&
		null_strcmp(a->identity, b->identity) == 0 &&
		a->cached_size == b->cached_size &&
		memcmp(a->cached, b->cached, a->cached_size) == 0;
}

static void test_row_packed(void)
{
	static const char *const rows[] = {
		"{\"id\":\"a\",\"@removed\":{}}",
		"{\"id\":\"b\",\"isRead\":true}",
		"{\"id\":\"c\",\"isRead\":false,\"isDraft\":true,"
		"\"parentFolderId\":\"there\",\"subject\":\"s\","
		"\"bodyPreview\":\"\",\"categories\":[],"
		"\"receivedDateTime\":\"2020-01-01T00:00:00Z\"}",
		"{\"id\":\"d\",\"isRead\":true,\"subject\":\"s\","
		"\"parentFolderId\":\"here\",\"bodyPreview\":\"text\","
		"\"internetMessageId\":\"<m@x>\","
		"\"categories\":[\"one two\",\"\",\"three\"],"
		"\"receivedDateTime\":\"2020-01-01T00:00:00Z\","
		"\"singleValueExtendedProperties\":["
		"{\"id\":\"Long 0x0E08\",\"value\":\"5000\"},"
		"{\"id\":\"Integer 0x1081\",\"value\":\"104\"}]}",
	};
	struct msgraph_row row, again;
	unsigned char *copy;
	buffer_t *buf;
	unsigned int i;
	size_t n;

	test_begin("what a row says, packed and unpacked");
	for (i = 0; i < N_ELEMENTS(rows); i++) T_BEGIN {
		row_of(rows[i], &row);
		buf = t_buffer_create(256);
		msgraph_row_pack(&row, buf);
		test_assert_idx(msgraph_row_unpack(buf->data, buf->used,
						   &again), i);
		test_assert_idx(same_row(&row, &again), i);
		/* cut or spoiled it is refused, or read within its bounds,
		   which the memory checker sees to */
		for (n = 0; n < buf->used; n++) {
			copy = i_malloc(n + 1);
			memcpy(copy, buf->data, n);
			test_assert_idx(!msgraph_row_unpack(copy, n, &again),
					i);
			i_free(copy);
			copy = i_malloc(buf->used);
			memcpy(copy, buf->data, buf->used);
			copy[n] ^= 0xff;
			(void)msgraph_row_unpack(copy, buf->used, &again);
			i_free(copy);
		}
	} T_END;
	test_assert(row.whole && row.content && !row.elsewhere &&
		    row.has_properties && row.state.forwarded);
	test_assert_strcmp(row.identity, "1577836800 <m@x>");
	test_assert_strcmp(t_strarray_join(row.state.keywords, ","),
			   "one_two,three");
	test_assert(row.size_estimate == msgraph_cache_size_estimate(5000));
	test_end();
}

static unsigned int slots_count(const struct msgraph_slots *slots, uint32_t sum)
{
	unsigned int pos = 0, count = 0;
	uint32_t n;

	while ((n = msgraph_slots_next(slots, sum, &pos)) != 0) {
		test_assert(n % 1000 == sum % 1000);
		count++;
	}
	return count;
}

static void test_slots(void)
{
	struct msgraph_slots slots;
	uint32_t sum, n;

	test_begin("numbers by checksums");
	i_zero(&slots);
	test_assert(slots_count(&slots, 0) == 0);
	/* each sum three times; many have the same lower bits */
	for (n = 1; n <= 3000; n++)
		msgraph_slots_add(&slots, (n % 1000) * 4096 * 1000 +
				  n % 1000, n);
	for (sum = 0; sum < 1000; sum++)
		test_assert_idx(slots_count(&slots, sum * 4096 * 1000 + sum) ==
				3, sum);
	test_assert(slots_count(&slots, 1) == 0);
	test_assert(slots.used == 3000 && slots.count >= 6000);
	msgraph_slots_clear(&slots);
	test_assert(slots_count(&slots, 0) == 0);
	test_end();
}

static void test_size_estimate(void)
{
	test_begin("size estimate");
	test_assert(msgraph_cache_size_estimate(0) == 0);
	test_assert(msgraph_cache_size_estimate(-1) == 0);
	/* attachments in base64 with their line ends */
	test_assert(msgraph_cache_size_estimate(3000000) >
		    3000000 / 57 * 78);
	/* Cyrillic, stored as HTML: twice in quoted-printable */
	test_assert(msgraph_cache_size_estimate(30000) > 30000 * 6);
	test_assert(msgraph_cache_size_estimate(INT64_MAX / 4) == UINT32_MAX);
	test_end();
}

static const char *const ids[] = {
	"AAkALgAAAAAAHYQDEapmEc2byACqAC-EWg0AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
	"AAkALgAAAAAAHYQDEapmEc2byACqAC-EWg0AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAaA",
	"AAkALgAAAAAAHYQDEapmEc2byACqAC-EWg0AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAa",
	"padded==", "no base64!", "x",
	"AAMkAGI2THVSAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	"AAAAAAAAAAAA/+=",
};

static void idmap_append(struct mail_index *index, struct msgraph_idmap *idmap)
{
	struct mail_index_view *view = mail_index_view_open(index);
	struct mail_index_transaction *trans;
	struct msgraph_folder_state state;
	uint32_t seq, uid_validity = 1234;
	const char *error;
	unsigned int i;

	trans = mail_index_transaction_begin(view,
		MAIL_INDEX_TRANSACTION_FLAG_EXTERNAL);
	mail_index_update_header(trans,
		offsetof(struct mail_index_header, uid_validity),
		&uid_validity, sizeof(uid_validity), TRUE);
	for (i = 0; i < N_ELEMENTS(ids); i++) {
		mail_index_append(trans, i + 1, &seq);
		test_assert(msgraph_idmap_set(idmap, trans, seq, ids[i],
					      1000 + i, 0, 0, &error) == 0);
	}
	i_zero(&state);
	state.link = t_strdup_printf("https://x/%01900d", 7);
	state.generation = 5;
	msgraph_idmap_set_state(idmap, view, trans, &state);
	test_assert(mail_index_transaction_commit(&trans) == 0);
	mail_index_view_close(&view);
}

static void idmap_check(struct mail_index *index, struct msgraph_idmap *idmap)
{
	struct mail_index_view *view;
	struct msgraph_folder_state state;
	struct msgraph_rec rec;
	const char *id, *error;
	unsigned int i;

	test_assert(mail_index_refresh(index) == 0);
	view = mail_index_view_open(index);
	for (i = 0; i < N_ELEMENTS(ids); i++) {
		test_assert_idx(msgraph_idmap_get(idmap, view, i + 1, &id,
						  &rec, &error) == 1, i);
		test_assert_strcmp_idx(id, ids[i], i);
		test_assert_idx(rec.size_estimate == 1000 + i, i);
		test_assert_idx(msgraph_idmap_find(idmap, view,
						   ids[i]) == i + 1, i);
	}
	test_assert(msgraph_idmap_find(idmap, view, "X") == 0);
	msgraph_idmap_get_state(idmap, view, &state);
	test_assert(state.generation == 5);
	test_assert(state.link != NULL && strlen(state.link) == 1910);
	mail_index_view_close(&view);
}

static void test_idmap(void)
{
	const char *dir = t_strdup_printf("test-idmap.%ld", (long)getpid());
	/* a new index takes its id from the loop's clock */
	struct ioloop *ioloop = io_loop_create();
	struct mail_index *index;
	struct msgraph_idmap *idmap;
	const char *error;
	unsigned int round;

	test_begin("ids in the index, also after reopening");
	if (mkdir(dir, 0700) < 0)
		i_fatal("mkdir(%s): %m", dir);
	for (round = 0; round < 2; round++) {
		index = mail_index_alloc(NULL, dir, "dovecot.index");
		test_assert(mail_index_open_or_create(index,
			MAIL_INDEX_OPEN_FLAG_CREATE) >= 0);
		idmap = msgraph_idmap_init(index, dir);
		if (round == 0)
			idmap_append(index, idmap);
		idmap_check(index, idmap);
		msgraph_idmap_deinit(&idmap);
		mail_index_close(index);
		mail_index_free(&index);
	}
	if (unlink_directory(dir, UNLINK_DIRECTORY_FLAG_RMDIR, &error) < 0)
		i_error("%s", error);
	io_loop_destroy(&ioloop);
	test_end();
}

static void test_quarantine(void)
{
	static const struct {
		struct graph_failure fail;
		bool want;
	} tests[] = {
		{ { .error = GRAPH_ERROR_UNAVAILABLE, .status = 500 }, TRUE },
		{ { .error = GRAPH_ERROR_UNAVAILABLE, .status = 502 }, TRUE },
		{ { .error = GRAPH_ERROR_UNAVAILABLE, .status = 503 }, FALSE },
		{ { .error = GRAPH_ERROR_UNAVAILABLE, .status = 504 }, FALSE },
		{ { .error = GRAPH_ERROR_UNAVAILABLE }, FALSE },
		{ { .error = GRAPH_ERROR_NOT_FOUND, .status = 404 }, TRUE },
		{ { .error = GRAPH_ERROR_REFUSED, .status = 400 }, TRUE },
		{ { .error = GRAPH_ERROR_PROTOCOL, .status = 200 }, TRUE },
		{ { .error = GRAPH_ERROR_PERM, .status = 403 }, FALSE },
		{ { .error = GRAPH_ERROR_AUTH, .status = 401 }, FALSE },
		{ { .error = GRAPH_ERROR_THROTTLED, .status = 429 }, FALSE },
		{ { .error = GRAPH_ERROR_LOST }, FALSE },
		{ { .error = GRAPH_ERROR_LOST, .status = 200 }, TRUE },
		{ { .error = GRAPH_ERROR_LOST, .status = 503 }, FALSE },
	};
	unsigned int i;

	test_begin("quarantine: which failures, and for how long");
	for (i = 0; i < N_ELEMENTS(tests); i++)
		test_assert_idx(msgraph_quarantine_is_for(&tests[i].fail) ==
				tests[i].want, i);
	test_assert(msgraph_quarantine_pause(1) == 60);
	test_assert(msgraph_quarantine_pause(2) == 120);
	test_assert(msgraph_quarantine_pause(9) == 15360);
	test_assert(msgraph_quarantine_pause(10) == 6*3600);
	test_assert(msgraph_quarantine_pause(4000000000U) == 6*3600);
	test_assert(msgraph_quarantine_change_pause(59) == 0);
	test_assert(msgraph_quarantine_change_pause(60) == 10);
	test_assert(msgraph_quarantine_change_pause(86400) == 300);
	test_assert(!msgraph_quarantine_is_lasting(9));
	test_assert(msgraph_quarantine_is_lasting(10));
	test_end();
}

static void idmap_expunge(struct mail_index *index, uint32_t seq)
{
	struct mail_index_view *view = mail_index_view_open(index);
	struct mail_index_transaction *trans;

	trans = mail_index_transaction_begin(view,
		MAIL_INDEX_TRANSACTION_FLAG_EXTERNAL);
	mail_index_expunge(trans, seq);
	test_assert(mail_index_transaction_commit(&trans) == 0);
	mail_index_view_close(&view);
}

/* Adds id<from>, id<from + 1>, ... */
static void idmap_append_many(struct mail_index *index,
			      struct msgraph_idmap *idmap, unsigned int from,
			      unsigned int count, uint32_t first_uid)
{
	struct mail_index_view *view = mail_index_view_open(index);
	struct mail_index_transaction *trans;
	uint32_t seq, uid_validity = 1234;
	const char *error;
	unsigned int i;

	trans = mail_index_transaction_begin(view,
		MAIL_INDEX_TRANSACTION_FLAG_EXTERNAL);
	mail_index_update_header(trans,
		offsetof(struct mail_index_header, uid_validity),
		&uid_validity, sizeof(uid_validity), TRUE);
	for (i = 0; i < count; i++) T_BEGIN {
		mail_index_append(trans, first_uid + i, &seq);
		test_assert(msgraph_idmap_set(idmap, trans, seq,
			t_strdup_printf("id%u", from + i), 1, 0, 0,
			&error) == 0);
	} T_END;
	test_assert(mail_index_transaction_commit(&trans) == 0);
	mail_index_view_close(&view);
}

/* id<n> is found as sequence n + offset. */
static void idmap_check_many(struct mail_index *index,
			     struct msgraph_idmap *idmap, unsigned int from,
			     unsigned int to, int offset)
{
	struct mail_index_view *view;
	unsigned int i;

	test_assert(mail_index_refresh(index) == 0);
	view = mail_index_view_open(index);
	for (i = from; i < to; i++) T_BEGIN {
		test_assert_idx(msgraph_idmap_find(idmap, view,
			t_strdup_printf("id%u", i)) == i + offset, i);
	} T_END;
	mail_index_view_close(&view);
}

static void test_idmap_find(void)
{
	const char *dir = t_strdup_printf("test-idmap.%ld", (long)getpid());
	struct ioloop *ioloop = io_loop_create();
	struct mail_index *index;
	struct msgraph_idmap *idmap;
	const char *error;

	test_begin("finding ids: as the folder grows, twice the same, gone");
	if (mkdir(dir, 0700) < 0)
		i_fatal("mkdir(%s): %m", dir);
	index = mail_index_alloc(NULL, dir, "dovecot.index");
	test_assert(mail_index_open_or_create(index,
		MAIL_INDEX_OPEN_FLAG_CREATE) >= 0);
	idmap = msgraph_idmap_init(index, dir);
	idmap_check_many(index, idmap, 0, 1, 0);
	idmap_append_many(index, idmap, 0, 3000, 1);
	idmap_check_many(index, idmap, 0, 3000, 1);
	idmap_append_many(index, idmap, 3000, 1000, 5000);
	idmap_check_many(index, idmap, 2000, 4000, 1);
	/* of two the newer one, while it is there */
	idmap_append_many(index, idmap, 7, 1, 7000);
	idmap_check_many(index, idmap, 7, 8, 4001 - 7);
	idmap_expunge(index, 4001);
	idmap_check_many(index, idmap, 7, 8, 1);
	idmap_expunge(index, 8);
	idmap_check_many(index, idmap, 7, 8, -7);
	msgraph_idmap_deinit(&idmap);
	mail_index_close(index);
	mail_index_free(&index);
	if (unlink_directory(dir, UNLINK_DIRECTORY_FLAG_RMDIR, &error) < 0)
		i_error("%s", error);
	io_loop_destroy(&ioloop);
	test_end();
}

int main(void)
{
	static void (*const test_functions[])(void) = {
		test_keywords,
		test_merge,
		test_patch,
		test_row_flags,
		test_row_packed,
		test_slots,
		test_size_estimate,
		test_idmap,
		test_quarantine,
		test_idmap_find,
		NULL
	};

	return test_run(test_functions);
}
