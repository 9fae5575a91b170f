/* Whose address it is, and the states of a sign-in that need no network. */

#include "oauthd-links.h"
#include "oauthd-pages.h"
#include "oauthd.h"
#include "mstoken-db.h"
#include "mstoken-seal.h"
#include "mstest.h"

#include <stdlib.h>
#include <unistd.h>

struct msnet_transport *oauthd_transport_create(void *context)
{
	abort();
}

int oauthd_app_get_for(struct oauthd *oauthd, const char *address,
		       struct mstoken_app *app_r)
{
	if (strstr(address, "@nowhere") != NULL)
		return -1;
	memset(app_r, 0, sizeof(*app_r));
	app_r->client_id = "app";
	app_r->tenant = "common";
	app_r->login_url = "https://login.example";
	app_r->redirect_uri = "https://mail.example/cb";
	app_r->scope = "openid";
	return 0;
}

void oauthd_app_release(void *context, struct mstoken_app *app)
{
}

static void test_own_address(void)
{
	char smtp[] = "SMTP:main@b", alias[] = "smtp:Alias@b",
		sip[] = "SIP:sip@b";
	char *const proxies[] = { smtp, alias, sip, NULL };
	static const struct {
		const char *address;
		bool want;
	} tests[] = {
		{ "upn@b", true }, { "UPN@B", true }, { "mail@b", true },
		{ "main@b", true }, { "alias@b", true }, { "sip@b", false },
		{ "other@b", false }, { "", false },
	};
	size_t i;

	for (i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
		T_CHECK_CASE(tests[i].address,
			oauthd_links_is_own_address(tests[i].address, "upn@b",
				"mail@b", proxies) == tests[i].want);
	}
	T_CHECK(!oauthd_links_is_own_address("a@b", "x", "", NULL));
}

/* value of a query parameter, static */
static const char *param(const char *url, const char *name)
{
	static char value[256];
	const char *p = strstr(url, name);
	size_t len;

	if (p == NULL)
		return NULL;
	p += strlen(name);
	len = strcspn(p, "&");
	snprintf(value, sizeof(value), "%.*s", (int)len, p);
	return value;
}

static void
check_finish(struct oauthd_links *links, const char *state, const char *cookie,
	     const char *error, enum oauthd_link_result want)
{
	struct oauthd_callback cb = {
		.state = state, .cookie = cookie, .error = error,
		.error_description = "AADSTS65004: <script>\r\n"
	};
	struct oauthd_link_end end;
	struct oauthd_page page;

	oauthd_links_finish(links, &cb, &end);
	T_CHECK(end.result == want);
	/* who cannot show the cookie learns nothing */
	T_CHECK((end.again_url == NULL) == (want == OAUTHD_LINK_NO_STATE));
	oauthd_page_result(&page, &end, 0);
	T_CHECK(page.status >= 400 && strstr(page.html, "<script") == NULL);
	if (want == OAUTHD_LINK_NEEDS_CONSENT) {
		T_CHECK(strstr(page.html, "https://login.example/organizations"
			"/v2.0/adminconsent?client_id=app&amp;") != NULL);
		T_CHECK(strstr(page.html, "AADSTS65004") != NULL);
		T_CHECK(strstr(page.html, "http-equiv=\"refresh\"") != NULL);
	}
	free(page.html);
	oauthd_link_end_deinit(&end);
}

/* every page the login host may bring about is whole and has no script */
static void test_pages(void)
{
	const struct mstoken_aadsts *entry;
	char address[] = "<a&b>@c", url[] = "https://mail.example/start?i=x",
		password[] = "abcd-efgh";
	struct oauthd_link_end end = { .address = address, .again_url = url };
	struct oauthd_page page;
	unsigned int status;
	char text[32];

	for (entry = mstoken_aadsts_table(); entry->code != 0; entry++) {
		snprintf(text, sizeof(text), "AADSTS%u: x", entry->code);
		mstoken_failure_from_error(&end.fail, "invalid_grant", text);
		end.result = OAUTHD_LINK_REFUSED;
		oauthd_page_result(&page, &end, 0);
		snprintf(text, sizeof(text), "AADSTS%u", entry->code);
		T_CHECK_CASE(text, strstr(page.html, text) != NULL);
		T_CHECK_CASE(text, (strstr(page.html, "<dt>Who</dt>") != NULL) ==
			     (entry->actor != MSTOKEN_ACTOR_NOBODY));
		T_CHECK_CASE(text, strstr(page.html, "</html>") != NULL);
		free(page.html);
	}
	end.result = OAUTHD_LINK_WRONG_ACCOUNT;
	oauthd_page_result(&page, &end, 0);
	T_CHECK(strstr(page.html, "&lt;a&amp;b&gt;@c") != NULL);
	free(page.html);
	/* the app password is there if there is one */
	end.result = OAUTHD_LINK_OK;
	end.app_password = password;
	oauthd_page_result(&page, &end, 0);
	T_CHECK(strstr(page.html, "abcd-efgh") != NULL);
	free(page.html);
	end.app_password = NULL;
	oauthd_page_result(&page, &end, 0);
	T_CHECK(strstr(page.html, "abcd-efgh") == NULL);
	free(page.html);
	oauthd_page_start(&page, address, "\"><x", "https://mail.example");
	T_CHECK(strstr(page.html, "value=\"&quot;&gt;&lt;x\"") != NULL);
	free(page.html);
	for (status = 400; status < 406; status++) {
		oauthd_page_http_error(&page, status);
		T_CHECK(page.status == status && page.html != NULL);
		free(page.html);
	}
}

static void test_waiting(struct oauthd_links *links, const char *secret)
{
	struct oauthd_link_end end;
	char state[256];

	T_CHECK(!oauthd_links_should_try(links, secret, 1));
	/* without a hint it tries from time to time */
	T_CHECK(oauthd_links_should_try(links, secret, 8));
	oauthd_links_describe_wait(links, secret, &end);
	T_CHECK(end.result == OAUTHD_LINK_NEEDS_CONSENT);
	snprintf(state, sizeof(state), "%s", param(end.admin_url, "state="));
	T_CHECK(strstr(end.admin_url, secret) == NULL);
	oauthd_link_end_deinit(&end);
	oauthd_links_admin_returned(links, "wrong");
	T_CHECK(!oauthd_links_should_try(links, secret, 1));
	oauthd_links_admin_returned(links, state);
	T_CHECK(oauthd_links_should_try(links, secret, 1));
	/* a hint is good for one try */
	T_CHECK(!oauthd_links_should_try(links, secret, 1));
	oauthd_links_describe_wait(links, "wrong", &end);
	T_CHECK(end.result == OAUTHD_LINK_NO_INVITATION);
	oauthd_link_end_deinit(&end);
}

static void test_flow(struct oauthd *oauthd)
{
	struct oauthd_links *links = oauthd_links_create(oauthd);
	char *link = NULL, *url, *cookie, *again;
	char state[256], secret[256];

	T_CHECK(oauthd_links_invite(links, "a@b", &link) == 0);
	snprintf(secret, sizeof(secret), "%s", param(link, "i="));
	free(link);
	T_CHECK(oauthd_links_start(links, "wrong", false, &url, &cookie) ==
		OAUTHD_LINK_NO_INVITATION);
	T_CHECK(oauthd_links_start(links, secret, false, &url, &cookie) ==
		OAUTHD_LINK_OK);
	T_CHECK(strstr(url, "login_hint=a%40b") != NULL);
	T_CHECK(strstr(url, "response_mode=form_post") != NULL);
	snprintf(state, sizeof(state), "%s", param(url, "state="));
	check_finish(links, NULL, cookie, NULL, OAUTHD_LINK_NO_STATE);
	check_finish(links, "wrong", cookie, NULL, OAUTHD_LINK_NO_STATE);
	/* another browser; and the state is used up by that */
	check_finish(links, state, "wrong", NULL, OAUTHD_LINK_NO_STATE);
	check_finish(links, state, cookie, NULL, OAUTHD_LINK_NO_STATE);
	free(url);
	free(cookie);
	/* cancelled: the invitation may be used again */
	T_CHECK(oauthd_links_start(links, secret, false, &url, &cookie) ==
		OAUTHD_LINK_OK);
	check_finish(links, param(url, "state="), cookie, "access_denied",
		     OAUTHD_LINK_NEEDS_CONSENT);
	free(url);
	free(cookie);
	T_CHECK(oauthd_links_start(links, secret, false, &url, &cookie) ==
		OAUTHD_LINK_OK);
	free(url);
	free(cookie);

	test_waiting(links, secret);

	link = oauthd_links_relink_url(links, "c@d");
	again = oauthd_links_relink_url(links, "C@D");
	T_STREQ(link, again);
	free(link);
	free(again);
	oauthd_links_destroy(&links);
}

int main(void)
{
	struct oauthd oauthd = { .config = { .invitation_lifetime = 3600 } };
	struct mstoken_db_settings db = { .store = ":memory:" };
	char url[] = "https://mail.example", key[64], *error = NULL;

	snprintf(key, sizeof(key), "test-links.%ld.key", (long)getpid());
	oauthd.config.public_url = url;
	oauthd.seal = mstoken_seal_open(key, &error);
	oauthd.store = mstoken_store_open(&db, oauthd.seal, "app", &error);
	test_own_address();
	test_pages();
	test_flow(&oauthd);
	mstoken_store_close(&oauthd.store);
	mstoken_seal_close(&oauthd.seal);
	(void)unlink(key);
	T_RETURN();
}
