/* What needs no network: URLs, property ids, errors, retries, message rows. */

#include "graph-error.h"
#include "graph-json.h"
#include "graph-message.h"
#include "graph-property.h"
#include "graph-retry.h"
#include "graph-search.h"
#include "graph-url.h"
#include "msnet-buf.h"
#include "mstest.h"

#include <stdlib.h>
#include <string.h>

static void test_urls(void)
{
	static const struct {
		const char *url;
		bool same;
	} tests[] = {
		{ "https://graph.example/v1.0/x?y", true },
		{ "https://GRAPH.example:443/", true },
		{ "http://graph.example/", false },
		{ "https://graph.example.evil/", false },
		{ "https://evil/https://graph.example/", false },
		{ "https://graph.example@evil/", false },
		{ "https://graph.example:444/", false },
		{ "https://graph.example\\@evil/", false },
		{ "//graph.example/", false },
		{ "", false },
	};
	struct msnet_buf buf = { 0 };
	size_t i;

	for (i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
		T_CHECK_CASE(tests[i].url, graph_url_same_origin(
			"https://graph.example", tests[i].url) ==
			tests[i].same);
	}
	graph_url_add_segment(&buf, "a/b=?..");
	graph_url_add_segment(&buf, "..");
	graph_url_add_query(&buf, "$filter", "x eq 'y'");
	T_STREQ(buf.data, "/a%2Fb%3D%3F../%2E%2E?$filter=x%20eq%20%27y%27");
	msnet_buf_free(&buf);
}

static void test_property_ids(void)
{
	T_CHECK(graph_property_id_equals("Integer 0x0E08", "integer 0xe08"));
	T_CHECK(graph_property_id_equals("String 0x7d", "String 0x007D"));
	T_CHECK(graph_property_id_equals("String 0x4001001E", "String 0x4001"));
	T_CHECK(!graph_property_id_equals("Integer 0x0E08", "Long 0x0E08"));
	T_CHECK(!graph_property_id_equals("Integer 0x0E08", "Integer 0x0E09"));
	T_CHECK(graph_property_id_equals(GRAPH_PROP_IMAP_DELETED,
		"Integer {00062008-0000-0000-c000-000000000046} Id 0x8570"));
}

static void test_errors(void)
{
	static const struct {
		int status;
		const char *code;
		bool folder;
		enum graph_error want;
	} tests[] = {
		{ 404, "ErrorItemNotFound", false, GRAPH_ERROR_NOT_FOUND },
		{ 410, "syncstatenotfound", false, GRAPH_ERROR_TOKEN_GONE },
		{ 400, "ResyncRequired", false, GRAPH_ERROR_TOKEN_GONE },
		{ 409, "ErrorFolderExists", true, GRAPH_ERROR_EXISTS },
		{ 400, "ErrorFolderExists", true, GRAPH_ERROR_EXISTS },
		{ 412, "ErrorIrresolvableConflict", false,
		  GRAPH_ERROR_CONFLICT },
		{ 429, "ApplicationThrottled", false, GRAPH_ERROR_THROTTLED },
		{ 429, "", false, GRAPH_ERROR_THROTTLED },
		{ 503, "UnknownError", false, GRAPH_ERROR_UNAVAILABLE },
		{ 507, "ErrorQuotaExceeded", false, GRAPH_ERROR_QUOTA },
		{ 413, "", false, GRAPH_ERROR_TOO_BIG },
		{ 403, "ErrorAccessDenied", false, GRAPH_ERROR_PERM },
		{ 400, "BadRequest", false, GRAPH_ERROR_REFUSED },
		{ 401, "InvalidAuthenticationToken", false, GRAPH_ERROR_AUTH },
	};
	struct graph_failure fail;
	char body[256];
	size_t i;

	for (i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
		snprintf(body, sizeof(body), "{\"error\":{\"code\":\"%s\","
			 "\"message\":\"m\"}}", tests[i].code);
		graph_failure_from_parts(&fail, "test", tests[i].status, body,
					 NULL, tests[i].folder);
		T_CHECK_CASE(tests[i].code, fail.error == tests[i].want);
		T_CHECK_CASE(tests[i].code, fail.message[0] != '\0');
	}
	graph_failure_from_parts(&fail, "test", 502, "<html>", NULL, false);
	T_CHECK(fail.error == GRAPH_ERROR_UNAVAILABLE);
	T_CHECK(graph_http_date_parse("Sun, 06 Nov 1994 08:49:37 GMT") ==
		784111777);
	T_CHECK(graph_http_date_parse("Sunday, 06-Nov-94 08:49:37 GMT") ==
		784111777);
	T_CHECK(graph_http_date_parse("Sun Nov  6 08:49:37 1994") ==
		784111777);
	T_CHECK(graph_http_date_parse("today") == -1);
	T_CHECK(graph_retry_after_parse("2.128", 0) == 2128);
	T_CHECK(graph_retry_after_parse("10", 0) == 10000);
	T_CHECK(graph_retry_after_parse("soon", 0) == 0);
	T_CHECK(graph_retry_after_parse(NULL, 0) == 0);
	T_CHECK(graph_retry_after_parse("Tue, 24 Nov 2026 12:00:05 GMT",
					1795521600) == 5000);
}

static void test_retries(void)
{
	struct graph_retry_input input = {
		.error = GRAPH_ERROR_THROTTLED, .status = 429, .attempt = 1,
		.msecs_left = 60000
	};
	struct graph_retry_verdict verdict;

	/* also a POST: it has had no effect */
	verdict = graph_retry_decide(&input);
	T_CHECK(verdict.action == GRAPH_RETRY_WAIT && verdict.hold_msecs > 0);
	input.retry_after_msecs = 70000;
	verdict = graph_retry_decide(&input);
	T_CHECK(verdict.action == GRAPH_RETRY_GIVE_UP &&
		verdict.hold_msecs >= 70000);
	input.retry_after_msecs = 0;
	input.error = GRAPH_ERROR_LOST;
	T_CHECK(graph_retry_decide(&input).action == GRAPH_RETRY_GIVE_UP);
	input.idempotent = true;
	T_CHECK(graph_retry_decide(&input).action == GRAPH_RETRY_WAIT);
	input.msecs_left = 1;
	verdict = graph_retry_decide(&input);
	T_CHECK(verdict.action == GRAPH_RETRY_GIVE_UP && !verdict.exhausted);
	input.msecs_left = 60000;
	input.attempt = 4;
	verdict = graph_retry_decide(&input);
	T_CHECK(verdict.action == GRAPH_RETRY_GIVE_UP && verdict.exhausted);
	input.attempt = 1;
	input.error = GRAPH_ERROR_AUTH;
	input.status = 401;
	T_CHECK(graph_retry_decide(&input).action == GRAPH_RETRY_FRESH_TOKEN);
	input.token_renewed = true;
	T_CHECK(graph_retry_decide(&input).action == GRAPH_RETRY_GIVE_UP);
}

static uint32_t content_sum(const char *rest)
{
	struct msnet_buf row = { 0 };
	struct graph_message *msg;
	const char *error;
	uint32_t sum;

	msnet_buf_printf(&row, "{\"id\":\"A\"%s}", rest);
	msg = graph_message_parse(row.data, row.used, &error);
	T_CHECK(msg != NULL && msg->has_body);
	sum = msg->content_sum;
	graph_message_free(&msg);
	msnet_buf_free(&row);
	return sum;
}

static void test_content_of_drafts(void)
{
	uint32_t sum = content_sum(",\"body\":{\"content\":\"text\"}");

	T_CHECK(content_sum(",\"hasAttachments\":false,\"body\":"
		"{\"contentType\":\"html\",\"content\":\"text\"}") == sum);
	T_CHECK(content_sum(",\"body\":{\"content\":\"tent\"}") != sum);
	T_CHECK(content_sum(",\"body\":{}") != sum);
	T_CHECK(content_sum(",\"hasAttachments\":true,\"body\":"
		"{\"content\":\"text\"}") != sum);
}

/* What cannot be used of a row is left out of it, except its id. */
static void test_rows_beyond_limits(void)
{
	static const struct {
		const char *id;
		bool usable;
	} ids[] = {
		{ "AAMk-_=A", true }, { "a b", false }, { "a\\nb", false },
		{ "a\\u0000b", false }, { "\303\251", false }, { "", false },
	};
	struct msnet_buf row = { 0 };
	struct graph_message *msg;
	const char *error;
	unsigned int i;

	msnet_buf_add(&row, "{\"id\":\"A\",\"subject\":\"s\",\"categories\":[");
	for (i = 0; i < 20001; i++)
		msnet_buf_printf(&row, "%s\"c%u\"", i == 0 ? "" : ",", i);
	msnet_buf_add(&row, "],\"toRecipients\":[");
	for (i = 0; i < 20001; i++)
		msnet_buf_add(&row, i == 0 ? "{}" : ",{}");
	msnet_buf_add(&row, "]}");
	msg = graph_message_parse(row.data, row.used, &error);
	T_CHECK(msg != NULL && !msg->has_categories && msg->to.count == 0);
	T_STREQ(msg->subject, "s");
	graph_message_free(&msg);
	msnet_buf_free(&row);
	for (i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		msnet_buf_printf(&row, "{\"id\":\"%s\"}", ids[i].id);
		msg = graph_message_parse(row.data, row.used, &error);
		T_CHECK((msg != NULL) == ids[i].usable);
		graph_message_free(&msg);
		msnet_buf_free(&row);
	}
	msnet_buf_printf(&row, "{\"id\":\"%01025d\"}", 1);
	T_CHECK(graph_message_parse(row.data, row.used, &error) == NULL);
	msnet_buf_free(&row);
}

static void test_rows(void)
{
	static const char full[] = "{\"id\":\"A\",\"subject\":\"s\","
		"\"receivedDateTime\":\"2026-11-24T12:00:00Z\","
		"\"isRead\":\"true\",\"isDraft\":false,"
		"\"flag\":{\"flagStatus\":\"flagged\"},"
		"\"categories\":[\"x\",\"y z\"],\"from\":{\"emailAddress\":"
		"{\"name\":\"n\",\"address\":\"a@b\"}},\"toRecipients\":[],"
		"\"singleValueExtendedProperties\":[{\"id\":"
		"\"Integer 0xe08\",\"value\":\"1234\"},{\"id\":"
		"\"Integer 0x1081\",\"value\":102}]}";
	static const char partial[] = "{\"id\":\"A\",\"isRead\":false}";
	static const char removed[] = "{\"id\":\"A\",\"@removed\":"
		"{\"reason\":\"changed\"}}";
	struct graph_message *msg;
	const char *error;

	msg = graph_message_parse(full, strlen(full), &error);
	T_CHECK(msg != NULL && graph_message_is_full(msg));
	T_CHECK(msg->is_read == 1 && msg->is_draft == 0);
	T_CHECK(msg->received == 1795521600 && msg->size == 1234);
	T_CHECK(msg->flag == GRAPH_FLAG_FLAGGED);
	T_CHECK(msg->verb == GRAPH_VERB_REPLIED);
	T_STREQ(msg->categories[1], "y z");
	T_STREQ(msg->from.items[0].address, "a@b");
	T_CHECK(!msg->has_body);
	graph_message_free(&msg);
	msg = graph_message_parse(partial, strlen(partial), &error);
	T_CHECK(msg != NULL && !graph_message_is_full(msg) &&
		msg->is_read == 0 && !msg->has_categories &&
		!msg->has_properties);
	graph_message_free(&msg);
	msg = graph_message_parse(removed, strlen(removed), &error);
	T_CHECK(msg != NULL && msg->removed);
	graph_message_free(&msg);
	T_CHECK(graph_message_parse("{}", 2, &error) == NULL);
	T_CHECK(graph_message_parse("[", 1, &error) == NULL);
}

static void test_pages(void)
{
	static const char text[] = "{\"@odata.context\":\"c\",\"value\":"
		"[{\"id\":\"a\"},{\"id\":\"b]\\\"\"}],"
		"\"@odata.nextLink\":\"https://x/y\"}";
	struct graph_json_page page;

	T_CHECK(graph_json_split_page(text, strlen(text), &page) == 0);
	T_CHECK(page.row_count == 2 && page.delta_link == NULL);
	T_STREQ(page.next_link, "https://x/y");
	graph_json_page_deinit(&page);
	T_CHECK(graph_json_split_page("<html>", 6, &page) < 0);
}

static void test_page_longest_string(void)
{
	static const char head[] = "{\"value\":[\"", tail[] = "\"]}";
	size_t over, size, len = sizeof(head) - 1;
	struct graph_json_page page;
	char *text;

	text = msnet_malloc(len + GRAPH_JSON_MAX_STRING + sizeof(tail));
	memcpy(text, head, len);
	for (over = 0; over < 2; over++) {
		memset(text + len, 'x', GRAPH_JSON_MAX_STRING);
		size = len + GRAPH_JSON_MAX_STRING - 1 + over;
		memcpy(text + size, tail, sizeof(tail) - 1);
		T_CHECK((graph_json_split_page(text, size + sizeof(tail) - 1,
					       &page) == 0) == (over == 0));
		graph_json_page_deinit(&page);
	}
	free(text);
}

static void test_page_strings(void)
{
	static const struct {
		const char *rows;
		int count;	/* -1 = no page */
	} tests[] = {
		{ "", 0 },
		{ "\"\"", 1 },
		{ "\"\\\"\",\"\\\\\"", 2 },
		{ "\"\\\\\\\"],\" , \"x\\\\\\\\\"", 2 },
		{ "{\"a\":\"}\"},\n\t{\"b\":[\"]\"]}", 2 },
		{ "\"\\\"", -1 },
		{ "\"\\\\\\\"", -1 },
		{ "\"", -1 },
		{ "\"a\"\"b\"", -1 },
		{ "{\"a\":\ftrue}", -1 },
		{ "[1,\001]", -1 },
	};
	struct graph_json_page page;
	char text[100];
	size_t i;

	for (i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
		snprintf(text, sizeof(text), "{\"value\":[%s]}",
			 tests[i].rows);
		T_CHECK((graph_json_split_page(text, strlen(text), &page) < 0 ?
			 -1 : (int)page.row_count) == tests[i].count);
		graph_json_page_deinit(&page);
	}
}

static void test_claims(void)
{
	static const struct {
		const char *header, *want;
	} tests[] = {
		{ NULL, NULL },
		{ "Bearer realm=\"\", error=\"invalid_token\"", NULL },
		{ "Bearer realm=\"\", authorization_uri=\"https://x\", "
		  "error=\"insufficient_claims\", claims=\"eyJh+/_-==\"",
		  "eyJh+/_-==" },
		{ "Bearer claims=\"e30=\", error=\"insufficient_claims\"",
		  "e30=" },
		{ "Bearer error=insufficient_claims, claims=e30=, x=y",
		  "e30=" },
		{ "Bearer error=\"insufficient_claims\", myclaims=\"e30=\"",
		  NULL },
		{ "Bearer error=\"insufficient_claims\", claims=\"\"", NULL },
		{ "Bearer error=\"insufficient_claims\"", NULL },
	};
	size_t i;

	for (i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
		char *claims = graph_claims_challenge(tests[i].header);

		T_STREQ(claims, tests[i].want);
		free(claims);
	}
}

static void test_search_queries(void)
{
	static const struct {
		const char *text, *want;
	} tests[] = {
		{ "Foo", "\"body:\\\"Foo*\\\"\"" },
		{ " two  words\t", "\"body:\\\"two words*\\\"\"" },
		{ "end.", "\"body:\\\"end.\\\"\"" },
		{ "\303\251t\303\251", "\"body:\\\"\303\251t\303\251*\\\"\"" },
		/* nothing gets out of the phrase */
		{ "a\" OR from:b\\", "\"body:\\\"a OR from:b*\\\"\"" },
		{ "x*\r\n", "\"body:\\\"x*\\\"\"" },
		{ "", NULL }, { "  ", NULL }, { "\"*", NULL }, { "...", NULL },
	};
	char long_text[300], *query;
	size_t i;

	for (i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
		query = graph_search_query(GRAPH_SEARCH_BODY, tests[i].text);
		T_CHECK_CASE(tests[i].text, (query == NULL) ==
			     (tests[i].want == NULL));
		if (query != NULL)
			T_STREQ(query, tests[i].want);
		free(query);
	}
	query = graph_search_query(GRAPH_SEARCH_ANYWHERE, "a");
	T_STREQ(query, "\"\\\"a*\\\"\"");
	free(query);
	memset(long_text, 'a', sizeof(long_text));
	long_text[sizeof(long_text) - 1] = '\0';
	T_CHECK(graph_search_query(GRAPH_SEARCH_BODY, long_text) == NULL);
	T_CHECK(!graph_search_is_capped(0) && !graph_search_is_capped(249) &&
		graph_search_is_capped(250) && !graph_search_is_capped(251) &&
		!graph_search_is_capped(999) && graph_search_is_capped(1000));
}

int main(void)
{
	test_urls();
	test_search_queries();
	test_property_ids();
	test_errors();
	test_claims();
	test_retries();
	test_rows();
	test_rows_beyond_limits();
	test_content_of_drafts();
	test_pages();
	test_page_strings();
	test_page_longest_string();
	T_RETURN();
}
