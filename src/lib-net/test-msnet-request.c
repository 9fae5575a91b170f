/* Requests as data, buffers and secrets; and a port where nobody listens. */

#include "msnet-buf.h"
#include "msnet-request.h"
#include "msnet-secret.h"
#include "msnet-transport.h"
#include "mstest.h"

#include <stdlib.h>

static void test_headers(void)
{
	struct msnet_request *req = msnet_request_create("GET", "https://x/");

	T_CHECK(msnet_request_add_header(req, "A", "1") == 0);
	T_CHECK(msnet_request_add_header(req, "B", "x\r\nEvil: 1") < 0);
	T_CHECK(msnet_request_add_header(req, "C\n", "x") < 0);
	T_CHECK(msnet_request_set_header(req, "a", "2") == 0);
	T_CHECK(req->header_count == 1);
	T_STREQ(req->headers[0].value, "2");
	msnet_request_free(&req);
	T_CHECK(req == NULL);
	msnet_request_free(&req);
}

static void test_buf(void)
{
	struct msnet_buf buf = { 0 };
	char *str;

	str = msnet_buf_steal(&buf);
	T_STREQ(str, "");
	free(str);
	msnet_buf_add_escaped(&buf, "a b/%\xc3\xa9~-_.");
	T_STREQ(buf.data, "a%20b%2F%25%C3%A9~-_.");
	msnet_buf_printf(&buf, "%d", 42);
	T_CHECK(buf.used == strlen(buf.data));
	msnet_buf_free(&buf);
}

static void test_secrets(void)
{
	char *one = msnet_secret_random_text(32);
	char *two = msnet_secret_random_text(32);

	T_CHECK(strlen(one) == 43 && strcmp(one, two) != 0);
	T_CHECK(msnet_secret_equals("abc", "abc"));
	T_CHECK(!msnet_secret_equals("abc", "abd"));
	T_CHECK(!msnet_secret_equals("abc", "abcd"));
	msnet_secret_free(&one);
	msnet_secret_free(&two);
	T_CHECK(one == NULL);
}

static void check_result(const char *url, enum msnet_result want)
{
	struct msnet_tls_settings set = { .allow_loopback_http = true };
	struct msnet_transport *transport = msnet_poll_transport_create(&set);
	struct msnet_request *req = msnet_request_create("GET", url);
	struct msnet_response *resp;

	req->timeout_msecs = 2000;
	resp = msnet_transport_perform(transport, req);
	T_CHECK_CASE(url, resp->result == want);
	T_CHECK_CASE(url, resp->status == 0 && resp->error[0] != '\0');
	msnet_response_free(&resp);
	msnet_transport_destroy(&transport);
}

int main(void)
{
	test_headers();
	test_buf();
	test_secrets();
	check_result("http://127.0.0.1:1/", MSNET_CONNECT_FAILED);
	check_result("https://127.0.0.1:1/x?secret", MSNET_CONNECT_FAILED);
	T_RETURN();
}
