/* What msgraphctl probe reads in an access token. */

#include "probe-token.h"
#include "msnet-buf.h"
#include "mstest.h"

#include <stdlib.h>

#define TENANT "99999999-8888-7777-6666-555555555555"
#define GOOD "\"aud\":\"https://graph.microsoft.com\",\"tid\":\"" TENANT \
	"\",\"exp\":2000"

static char *make_token(const char *claims)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
		"abcdefghijklmnopqrstuvwxyz0123456789-_";
	struct msnet_buf buf = { 0 };
	unsigned int bits = 0, n = 0;

	msnet_buf_add(&buf, "e30.");
	for (; *claims != '\0'; claims++) {
		bits = bits << 8 | (unsigned char)*claims;
		for (n += 8; n >= 6; n -= 6)
			msnet_buf_append(&buf, &digits[bits >> (n-6) & 63], 1);
	}
	if (n > 0)
		msnet_buf_append(&buf, &digits[bits << (6-n) & 63], 1);
	msnet_buf_add(&buf, ".sig");
	return msnet_buf_steal(&buf);
}

static void test_tokens(void)
{
	static const struct {
		const char *claims, *tenant;
		int want;
		const char *text;
	} tests[] = {
		{ "{" GOOD ",\"scp\":\"mail.read Mail.Send User.Read\"}",
		  "common", 1, "Mail.Send" },
		{ "{\"aud\":\"00000003-0000-0000-c000-000000000000\","
		  "\"scp\":\"Mail.Read Mail.Send\"}", "common", 1, "Graph" },
		{ "{" GOOD ",\"roles\":[\"Mail.Read\"]}", TENANT, 1,
		  "application" },
		{ "{\"aud\":\"https://outlook.office.com\"}", "common", -1,
		  "outlook.office.com" },
		{ "{}", "common", -1, "nobody" },
		{ "{" GOOD ",\"scp\":\"Mail.Read Mail.SendX\"}", "common", -1,
		  "Mail.Send is missing" },
		{ "{" GOOD ",\"scp\":\"Mail.Read Mail.Send\"}",
		  "11111111-8888-7777-6666-555555555555", -1, "tenant" },
		{ "{\"aud\":\"https://graph.microsoft.com\",\"exp\":999}",
		  "common", -1, "expired" },
		{ "no json", "common", 0, "opaque" },
	};
	const char *remedy;
	char text[512], *token;
	size_t i;

	for (i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
		token = make_token(tests[i].claims);
		T_CHECK_CASE(tests[i].claims, probe_token_check(token,
			"https://graph.microsoft.com", tests[i].tenant,
			"openid Mail.Read Mail.Send offline_access", 1000, text,
			sizeof(text), &remedy) == tests[i].want);
		T_CHECK_CASE(tests[i].claims,
			     strstr(text, tests[i].text) != NULL);
		T_CHECK_CASE(tests[i].claims,
			     (remedy != NULL) == (tests[i].want < 0));
		free(token);
	}
	T_CHECK(probe_token_check("EwBopaque", "", "", "", 0, text,
				  sizeof(text), &remedy) == 0);
	T_CHECK(probe_token_check("a..b", "", "", "", 0, text,
				  sizeof(text), &remedy) == 0);
}

int main(void)
{
	test_tokens();
	T_RETURN();
}
