/* PKCE, base64url, scopes, the AADSTS table, and answers of the token
   endpoint. */

#include "mstoken-claims.h"
#include "mstoken-device.h"
#include "mstoken-flow.h"
#include "mstoken-pkce.h"
#include "msnet-buf.h"
#include "msnet-secret.h"
#include "mstest.h"

#include <stdlib.h>

static void test_pkce(void)
{
	/* RFC 7636 appendix B */
	char *challenge = mstoken_pkce_challenge(
		"dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
	char *one = mstoken_pkce_verifier(), *two = mstoken_pkce_verifier();
	unsigned char *data;
	size_t size;

	T_STREQ(challenge, "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
	T_CHECK(strlen(one) == 43 && strcmp(one, two) != 0);
	data = mstoken_base64url_decode(one, strlen(one), &size);
	T_CHECK(data != NULL && size == 32);
	free(data);
	T_CHECK(mstoken_base64url_decode("a", 1, &size) == NULL);
	T_CHECK(mstoken_base64url_decode("a!bc", 4, &size) == NULL);
	T_CHECK(mstoken_base64url_decode("AB", 2, &size) == NULL);
	free(challenge);
	free(one);
	free(two);
}

static void test_scope(void)
{
	char *scope = mstoken_scope_from_features(NULL, NULL);

	T_STREQ(scope, "openid profile email offline_access User.Read "
		"Mail.ReadWrite Mail.Send MailboxSettings.ReadWrite");
	free(scope);
	scope = mstoken_scope_from_features("read, send", NULL);
	T_STREQ(scope, "openid profile email offline_access User.Read "
		"Mail.ReadWrite Mail.Send");
	free(scope);
	T_CHECK(mstoken_scope_from_features("read calendar", NULL) == NULL);
}

/* The section of the manual page that the table amounts to: codes with the
   same cause and remedy together, in the order of the first. Heap. */
static char *aadsts_manual(void)
{
	const struct mstoken_aadsts *table = mstoken_aadsts_table(), *e, *o;
	struct msnet_buf buf = { 0 };

	msnet_buf_add(&buf, ".Bl -tag -width Ds\n");
	for (e = table; e->code != 0; e++) {
		for (o = table; o < e; o++) {
			if (strcmp(o->cause, e->cause) == 0 &&
			    strcmp(o->remedy, e->remedy) == 0)
				break;
		}
		if (o < e)
			continue;
		msnet_buf_printf(&buf, ".It %u", e->code);
		for (o = e + 1; o->code != 0; o++) {
			if (strcmp(o->cause, e->cause) == 0 &&
			    strcmp(o->remedy, e->remedy) == 0)
				msnet_buf_printf(&buf, " , %u", o->code);
		}
		msnet_buf_printf(&buf, "\nCause: %s.\nRemedy: %s.\n"
				 "State: %s.\nTo be done by: %s.\n", e->cause,
				 e->remedy, mstoken_state_name(e->state),
				 mstoken_actor_name(e->actor));
	}
	msnet_buf_add(&buf, ".El\n");
	return msnet_buf_steal(&buf);
}

static void test_manual(void)
{
	static char page[128 * 1024];
	const char *srcdir = getenv("srcdir");
	char *want = aadsts_manual(), path[1024];
	FILE *file;

	snprintf(path, sizeof(path), "%s/../callback/msgraph-oauthd.8",
		 srcdir == NULL ? "." : srcdir);
	file = fopen(path, "r");
	T_CHECK(file != NULL && fread(page, 1, sizeof(page) - 1, file) > 0);
	if (file != NULL)
		(void)fclose(file);
	T_CHECK(strstr(page, want) != NULL);
	if (strstr(page, want) == NULL)
		fprintf(stderr, "msgraph-oauthd.8 should have:\n%s", want);
	free(want);
}

/* the codes that the documentation of the login host names */
static const unsigned int known_codes[] = {
	16000, 28002, 28003, 50000, 50001, 50011, 50012, 50020, 50033, 50034,
	50053, 50055, 50056, 50057, 50058, 50059, 50072, 50074, 50076, 50078,
	50079, 50087, 50089, 50097, 50105, 50125, 50126, 50127, 50128, 50129,
	50131, 50132, 50133, 50144, 50147, 50158, 50173, 50194, 50196, 51004,
	53000, 53001, 53002, 53003, 53004, 54005, 65001, 65002, 65004, 65005,
	70000, 70001, 70002, 70003, 70005, 70007, 70008, 70011, 70012, 70016,
	70018, 70019, 70043, 90002, 90006, 90008, 90012, 90014, 90019, 90024,
	90033, 90036, 90055, 90072, 90090, 90094, 90095, 90124, 90130, 500011,
	501481, 501491, 530032, 530034, 530035, 650052, 650056, 650057,
	700005, 700016, 700022, 700023, 700025, 700027, 700030, 700054,
	700082, 700084, 900023, 900144, 7000215, 7000218, 7000222, 9001023,
	9002313, 9002325, 9002326, 9002327, 9002332,
};

static void test_aadsts(void)
{
	const struct mstoken_aadsts *entry, *table = mstoken_aadsts_table();
	static const struct {
		const char *error;
		unsigned int code;
		enum mstoken_state state;
	} tests[] = {
		{ "invalid_grant", 65001, MSTOKEN_STATE_NEEDS_CONSENT },
		{ "access_denied", 90094, MSTOKEN_STATE_NEEDS_CONSENT },
		{ "invalid_grant", 50173, MSTOKEN_STATE_REVOKED },
		{ "invalid_grant", 700082, MSTOKEN_STATE_NEEDS_SIGN_IN },
		{ "invalid_grant", 53003, MSTOKEN_STATE_BLOCKED_BY_POLICY },
		{ "invalid_client", 7000215, MSTOKEN_STATE_MISCONFIGURED },
		{ "invalid_client", 7000222, MSTOKEN_STATE_MISCONFIGURED },
		{ "temporarily_unavailable", 90055,
		  MSTOKEN_STATE_UNREACHABLE },
		{ "invalid_grant", 12345678, MSTOKEN_STATE_NEEDS_SIGN_IN },
		{ "interaction_required", 0, MSTOKEN_STATE_NEEDS_SIGN_IN },
		{ NULL, 0, MSTOKEN_STATE_UNREACHABLE },
		{ "new_error", 0, MSTOKEN_STATE_UNREACHABLE },
	};
	size_t i;

	/* bsearch() needs it sorted */
	for (entry = table; entry->code != 0; entry++) {
		T_CHECK(entry == table || entry[-1].code < entry->code);
		T_CHECK(entry->cause != NULL && entry->remedy != NULL);
		T_CHECK(mstoken_aadsts_find(NULL, entry->code) == entry);
	}
	for (i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
		entry = mstoken_aadsts_find(tests[i].error, tests[i].code);
		T_CHECK_CASE(tests[i].error == NULL ? "-" : tests[i].error,
			     entry->state == tests[i].state);
	}
	T_CHECK(mstoken_aadsts_code("AADSTS65001: The user\r\nTrace") == 65001);
	for (i = 0; i < sizeof(known_codes) / sizeof(known_codes[0]); i++) {
		entry = mstoken_aadsts_find(NULL, known_codes[i]);
		T_CHECK(entry->code == known_codes[i]);
	}
	T_CHECK(mstoken_aadsts_code("nothing") == 0);
	T_CHECK(mstoken_aadsts_code(NULL) == 0);
	T_CHECK(mstoken_state_parse(mstoken_state_name(
		MSTOKEN_STATE_REVOKED)) == MSTOKEN_STATE_REVOKED);
}

static void test_decode(void)
{
	static const struct {
		const char *name, *body;
		int status, ret;
		enum mstoken_state state;
		unsigned int expires_in;
		const char *refresh_token;
	} tests[] = {
		{ "plain", "{\"access_token\":\"a\",\"expires_in\":3599,"
			"\"refresh_token\":\"r\"}", 200, 0, 0, 3599, "r" },
		{ "strings", "{\"access_token\":\"a\",\"expires_in\":\"60\"}",
		  200, 0, 0, 60, NULL },
		{ "no life", "{\"access_token\":\"a\"}", 200, 0, 0, 3600,
		  NULL },
		{ "no token", "{\"token_type\":\"Bearer\"}", 200, -1,
		  MSTOKEN_STATE_UNREACHABLE, 0, NULL },
		{ "html", "<html>", 200, -1, MSTOKEN_STATE_UNREACHABLE, 0,
		  NULL },
		{ "empty", "", 200, -1, MSTOKEN_STATE_UNREACHABLE, 0, NULL },
		{ "consent", "{\"error\":\"invalid_grant\","
			"\"error_description\":\"AADSTS65001: x\\r\\nTrace\","
			"\"suberror\":\"consent_required\"}", 400, -1,
		  MSTOKEN_STATE_NEEDS_CONSENT, 0, NULL },
		{ "codes only", "{\"error\":\"invalid_client\","
			"\"error_codes\":[7000222]}", 401, -1,
		  MSTOKEN_STATE_MISCONFIGURED, 0, NULL },
		{ "throttled", "{\"error\":\"invalid_grant\"}", 429, -1,
		  MSTOKEN_STATE_UNREACHABLE, 0, NULL },
		{ "server", "{\"error\":\"invalid_grant\"}", 503, -1,
		  MSTOKEN_STATE_UNREACHABLE, 0, NULL },
		{ "not json", "Bad Gateway", 400, -1,
		  MSTOKEN_STATE_UNREACHABLE, 0, NULL },
	};
	struct mstoken_grant grant;
	struct mstoken_failure fail;
	size_t i;

	for (i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
		int ret = mstoken_grant_decode(tests[i].status, tests[i].body,
					       strlen(tests[i].body), &grant,
					       &fail);

		T_CHECK_CASE(tests[i].name, ret == tests[i].ret);
		if (ret == 0) {
			T_CHECK_CASE(tests[i].name,
				     grant.expires_in == tests[i].expires_in);
			T_STREQ(grant.refresh_token, tests[i].refresh_token);
		} else {
			T_CHECK_CASE(tests[i].name,
				     fail.state == tests[i].state);
			T_CHECK_CASE(tests[i].name, fail.message[0] != '\0' &&
				     strpbrk(fail.message, "\r\n") == NULL);
		}
		mstoken_grant_deinit(&grant);
	}
}

static void test_id_token(void)
{
	static const struct mstoken_app app = { .client_id = "app" };
	/* {"aud":"app","tid":"T","oid":"O","nonce":"N","exp":1000,
	   "preferred_username":"a@b"} */
	static const char body[] = "{\"access_token\":\"a\",\"id_token\":\"x."
		"eyJhdWQiOiJhcHAiLCJ0aWQiOiJUIiwib2lkIjoiTyIsIm5vbmNlIjoiTiIs"
		"ImV4cCI6MTAwMCwicHJlZmVycmVkX3VzZXJuYW1lIjoiYUBiIn0.y\"}";
	struct mstoken_app other = { .client_id = "other" };
	struct mstoken_grant grant;
	struct mstoken_failure fail;

	T_CHECK(mstoken_grant_decode(200, body, strlen(body), &grant,
				     &fail) == 0);
	T_STREQ(grant.tid, "T");
	T_STREQ(grant.username, "a@b");
	T_CHECK(mstoken_grant_check_id(&grant, &app, "N", 900) == NULL);
	T_CHECK(mstoken_grant_check_id(&grant, &app, "M", 900) != NULL);
	T_CHECK(mstoken_grant_check_id(&grant, &other, "N", 900) != NULL);
	T_CHECK(mstoken_grant_check_id(&grant, &app, "N", 9000) != NULL);
	mstoken_grant_deinit(&grant);
	T_CHECK(mstoken_grant_check_id(&grant, &app, "N", 900) != NULL);
}

static void test_authorize_url(void)
{
	static const struct mstoken_app app = {
		.client_id = "app", .tenant = "common",
		.login_url = "https://login.example",
		.redirect_uri = "https://mail.example/cb?x",
		.scope = "openid Mail.ReadWrite",
	};
	char *url = mstoken_flow_authorize_url(&app, "S", "C", "N", "a&b@c",
					       "select_account", "query");

	T_STREQ(url, "https://login.example/common/oauth2/v2.0/authorize?"
		"client_id=app&response_type=code&redirect_uri="
		"https%3A%2F%2Fmail.example%2Fcb%3Fx&response_mode=query&"
		"scope=openid%20Mail.ReadWrite&state=S&nonce=N&"
		"code_challenge=C&code_challenge_method=S256&"
		"prompt=select_account&login_hint=a%26b%40c");
	free(url);
}

static void test_claims(void)
{
	static const struct {
		const char *challenge;
		bool capable;
		const char *want;
	} tests[] = {
		{ NULL, false, NULL },
		{ NULL, true, "{\"access_token\":{\"xms_cc\":{\"values\":"
		  "[\"cp1\"]}}}" },
		/* {"access_token":{"nbf":{"value":"1"}}} */
		{ "eyJhY2Nlc3NfdG9rZW4iOnsibmJmIjp7InZhbHVlIjoiMSJ9fX0=", false,
		  "{\"access_token\":{\"nbf\":{\"value\":\"1\"}}}" },
		{ "eyJhY2Nlc3NfdG9rZW4iOnsibmJmIjp7InZhbHVlIjoiMSJ9fX0", true,
		  "{\"access_token\":{\"nbf\":{\"value\":\"1\"},"
		  "\"xms_cc\":{\"values\":[\"cp1\"]}}}" },
		{ "!", false, NULL },
		{ "====", false, NULL },
		{ "WzFd", false, NULL },	/* [1] */
	};
	size_t i;

	for (i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
		char *claims = mstoken_claims(tests[i].challenge,
					      tests[i].capable);

		T_STREQ(claims, tests[i].want);
		free(claims);
	}
}

static void test_device(void)
{
#define DEVICE(more) "{\"device_code\":\"d\",\"user_code\":\"U\"" more "}"
#define URI ",\"verification_uri\":\"https://microsoft.com/devicelogin\""
	static const struct {
		int status;
		const char *body;
		int ret;
		unsigned int expires_in, interval;
	} tests[] = {
		{ 200, DEVICE(URI ",\"expires_in\":600,\"interval\":7"), 0,
		  600, 7 },
		{ 200, DEVICE(URI ",\"expires_in\":\"600\""), 0, 600, 5 },
		{ 200, DEVICE(URI ",\"expires_in\":-1,\"interval\":0"), 0, 900,
		  5 },
		{ 200, DEVICE(URI ",\"expires_in\":99999,\"interval\":99999"),
		  0, 3600, 300 },
		{ 200, DEVICE(""), -1, 0, 0 },
		{ 200, DEVICE(",\"verification_uri\":\"javascript:1\""), -1, 0,
		  0 },
		{ 200, "[]", -1, 0, 0 },
		{ 400, "{\"error\":\"invalid_request\"}", -1, 0, 0 },
		{ 500, NULL, -1, 0, 0 },
	};
	struct mstoken_failure fail;
	struct mstoken_device device;
	size_t i;

	for (i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
		const char *body = tests[i].body;
		int ret = mstoken_device_decode(tests[i].status, body,
			body == NULL ? 0 : strlen(body), &device, &fail);

		T_CHECK_CASE(body, ret == tests[i].ret);
		T_CHECK_CASE(body, (ret == 0) == (fail.message[0] == '\0'));
		if (ret == 0) {
			T_CHECK_CASE(body, device.expires_in ==
				     tests[i].expires_in);
			T_CHECK_CASE(body, device.interval ==
				     tests[i].interval);
		}
		mstoken_device_deinit(&device);
	}
}

int main(void)
{
	test_pkce();
	test_scope();
	test_aadsts();
	test_manual();
	test_decode();
	test_id_token();
	test_authorize_url();
	test_claims();
	test_device();
	T_RETURN();
}
