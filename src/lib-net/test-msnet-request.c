#include "msnet-request.h"
#include "msnet-buf.h"
#include "msnet-secret.h"
#include "mstest.h"

#include <stdlib.h>

static void test_buf(void)
{
	struct msnet_buf buf = { .data = NULL };
	char *text;
	unsigned int i;

	text = msnet_buf_steal(&buf);
	T_STREQ(text, "");
	free(text);

	msnet_buf_add_escaped(&buf, "a/b %'=\xc3\xa4~-._");
	T_STREQ(buf.data, "a%2Fb%20%25%27%3D%C3%A4~-._");
	msnet_buf_free(&buf);

	for (i = 0; i < 1000; i++)
		msnet_buf_printf(&buf, "%03u,", i);
	T_CHECK(buf.used == 4000);
	T_CHECK(strlen(buf.data) == 4000);
	T_CHECK(strncmp(buf.data + 3996, "999,", 4) == 0);
	msnet_buf_free(&buf);
	T_CHECK(msnet_strdup(NULL) == NULL);
}

static void test_headers(void)
{
	static const struct {
		const char *name, *value;
		int ret;
	} cases[] = {
		{ "X-Good", "value; more=\"1\"", 0 },
		{ "X-Bad", "a\r\nInjected: 1", -1 },
		{ "X-Bad", "a\nb", -1 },
		{ "X-Bad\r\nInjected", "a", -1 },
		{ "X Bad", "a", -1 },
		{ "X-Bad:", "a", -1 },
		{ "", "a", -1 },
	};
	struct msnet_request *req =
		msnet_request_create("GET", "https://x.example/");
	unsigned int i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		T_CHECK_CASE(cases[i].name,
			     msnet_request_add_header(req, cases[i].name,
						      cases[i].value) ==
			     cases[i].ret);
	}
	T_CHECK(req->header_count == 1);
	T_CHECK(msnet_request_set_header(req, "x-good", "b\rc") == -1);
	T_CHECK(msnet_request_set_header(req, "x-good", "b") == 0);
	T_CHECK(msnet_request_set_header(req, "x-other", "c") == 0);
	T_CHECK(req->header_count == 2);
	T_STREQ(req->headers[0].value, "b");
	msnet_request_set_body(req, "one", 3);
	msnet_request_set_body(req, "a\0b", 3);
	T_CHECK(req->body_size == 3 && memcmp(req->body, "a\0b", 4) == 0);
	msnet_request_free(&req);
	T_CHECK(req == NULL);
	msnet_request_free(&req);
}

static void test_secret(void)
{
	char *a = msnet_secret_random_text(32), *b;
	unsigned int i;

	b = msnet_secret_random_text(32);
	T_CHECK(strlen(a) == 43);
	T_CHECK(strspn(a, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
		       "0123456789-_") == 43);
	T_CHECK(!msnet_secret_equals(a, b));
	T_CHECK(msnet_secret_equals(a, a));
	T_CHECK(!msnet_secret_equals("abc", "abcd"));
	T_CHECK(msnet_secret_equals("", ""));
	msnet_secret_free(&a);
	T_CHECK(a == NULL);
	msnet_secret_free(&a);
	msnet_secret_free(&b);
	for (i = 0; i < 7; i++) {
		a = msnet_secret_random_text(i);
		T_CHECK(strlen(a) == (i * 8 + 5) / 6);
		msnet_secret_free(&a);
	}
}

int main(void)
{
	test_buf();
	test_headers();
	test_secret();
	T_RETURN();
}
