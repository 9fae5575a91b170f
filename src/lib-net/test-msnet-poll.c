/* The transport with its own loop against a real server on the loopback. */

#include "msnet-transport.h"
#include "msnet-buf.h"
#include "mstest.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define PYTHON "/usr/bin/python3"
#define TEST_SKIP 77

static struct msnet_transport *transport;
static unsigned int port;

static int server_start(pid_t *pid_r)
{
	const char *srcdir = getenv("srcdir");
	struct msnet_buf path = { .data = NULL };
	int in[2], out[2];
	char line[32];
	ssize_t ret;

	msnet_buf_printf(&path, "%s/test-msnet-server.py",
			 srcdir == NULL ? "." : srcdir);
	if (access(PYTHON, X_OK) < 0 || pipe(in) < 0 || pipe(out) < 0) {
		msnet_buf_free(&path);
		return -1;
	}
	*pid_r = fork();
	if (*pid_r == 0) {
		dup2(in[0], 0);
		dup2(out[1], 1);
		close(in[1]);
		execl(PYTHON, PYTHON, path.data, (char *)NULL);
		_exit(127);
	}
	msnet_buf_free(&path);
	close(in[0]);
	close(out[1]);
	ret = read(out[0], line, sizeof(line) - 1);
	close(out[0]);
	if (ret <= 0)
		return -1;
	line[ret] = '\0';
	port = (unsigned int)strtoul(line, NULL, 10);
	return in[1];
}

static struct msnet_request *request(const char *method, const char *path)
{
	struct msnet_buf url = { .data = NULL };
	struct msnet_request *req;

	msnet_buf_printf(&url, "http://127.0.0.1:%u%s", port, path);
	req = msnet_request_create(method, url.data);
	msnet_buf_free(&url);
	req->timeout_msecs = 10000;
	return req;
}

static int temp_file(void)
{
	char path[] = "/tmp/test-msnet-XXXXXX";
	int fd = mkstemp(path);

	if (fd != -1)
		(void)unlink(path);
	return fd;
}

static void check(const char *method, const char *path,
		  enum msnet_result result, int status)
{
	struct msnet_response *resp =
		msnet_transport_perform(transport, request(method, path));

	T_CHECK_CASE(path, resp->result == result);
	T_CHECK_CASE(path, resp->status == status);
	T_CHECK_CASE(path, (resp->error[0] == '\0') == (result == MSNET_OK));
	msnet_response_free(&resp);
}

static void test_plain(void)
{
	struct msnet_response *resp = msnet_transport_perform(transport,
		request("GET", "/hello"));

	T_CHECK(resp->result == MSNET_OK && resp->status == 200);
	T_STREQ(resp->body, "hello");
	T_STREQ(msnet_response_header(resp, "x-TEST"), "yes");
	T_CHECK(msnet_response_header(resp, "absent") == NULL);
	msnet_response_free(&resp);

	resp = msnet_transport_perform(transport, request("GET", "/gzip"));
	T_CHECK(resp->result == MSNET_OK && resp->body_size == 100000);
	T_CHECK(resp->bytes_received < 10000);
	msnet_response_free(&resp);

	check("GET", "/missing", MSNET_OK, 404);
	check("GET", "/redirect", MSNET_OK, 302);
	check("GET", "/cut", MSNET_LOST, 0);
	resp = msnet_transport_perform(transport, request("GET", "/cut"));
	T_CHECK(resp->cut_status == 200);
	msnet_response_free(&resp);
	check("GET", "/gzip-cut", MSNET_LOST, 0);
	check("GET", "/gzip-rest", MSNET_LOST, 0);
	check("GET", "/gzip-no", MSNET_LOST, 0);
	check("GET", "/headers", MSNET_TOO_BIG, 0);
}

static void test_upload(void)
{
	struct msnet_request *req = request("POST", "/echo");
	struct msnet_response *resp;
	int fd = temp_file();

	(void)msnet_request_add_header(req, "Content-Type", "text/plain");
	T_CHECK(write(fd, "..Hello, world!", 15) == 15);
	msnet_request_set_body_fd(req, fd, 2, 13, true);
	resp = msnet_transport_perform(transport, req);
	T_CHECK(resp->status == 201);
	T_STREQ(resp->body, "POST text/plain -\nSGVsbG8sIHdvcmxkIQ==");
	msnet_response_free(&resp);

	req = request("PATCH", "/echo");
	msnet_request_set_body(req, "{}", 2);
	resp = msnet_transport_perform(transport, req);
	T_STREQ(resp->body, "PATCH - -\n{}");
	msnet_response_free(&resp);

	resp = msnet_transport_perform(transport, request("POST", "/echo"));
	T_STREQ(resp->body, "POST - -\n");
	msnet_response_free(&resp);

	/* the file is shorter than announced */
	req = request("POST", "/echo");
	msnet_request_set_body_fd(req, fd, 0, 100, false);
	resp = msnet_transport_perform(transport, req);
	T_CHECK(resp->result == MSNET_LOCAL_FAILED);
	msnet_response_free(&resp);
	close(fd);
}

static void test_big_base64(void)
{
	struct msnet_request *req = request("PUT", "/echo");
	struct msnet_response *resp;
	static char block[100001];
	int fd = temp_file();

	memset(block, 'A', sizeof(block));
	T_CHECK(write(fd, block, sizeof(block)) == sizeof(block));
	msnet_request_set_body_fd(req, fd, 0, sizeof(block), true);
	resp = msnet_transport_perform(transport, req);
	T_CHECK(resp->body_size == 8 + (sizeof(block) + 2) / 3 * 4);
	T_CHECK(resp->body != NULL &&
		strspn(resp->body + 8, "QUFB") == (sizeof(block) - 2) / 3 * 4 +
		2);
	T_STREQ(resp->body + resp->body_size - 4, "QUE=");
	msnet_response_free(&resp);
	close(fd);
}

static void test_sink(void)
{
	struct msnet_request *req = request("GET", "/gzip");
	struct msnet_response *resp;
	int fd = temp_file();

	req->sink_fd = fd;
	resp = msnet_transport_perform(transport, req);
	T_CHECK(resp->result == MSNET_OK && resp->body == NULL);
	T_CHECK(resp->body_size == 100000);
	T_CHECK(lseek(fd, 0, SEEK_END) == 100000);
	msnet_response_free(&resp);

	/* an error answer is never mail */
	req = request("GET", "/missing");
	req->sink_fd = fd;
	resp = msnet_transport_perform(transport, req);
	T_CHECK(resp->status == 404);
	T_STREQ(resp->body, "{\"error\":{\"code\":\"x\"}}");
	T_CHECK(lseek(fd, 0, SEEK_END) == 100000);
	msnet_response_free(&resp);

	req = request("GET", "/gzip");
	req->sink_fd = fd;
	req->max_body = 1000;
	resp = msnet_transport_perform(transport, req);
	T_CHECK(resp->result == MSNET_TOO_BIG);
	msnet_response_free(&resp);
	close(fd);
}

/* A POST that was acted on and not answered must not be repeated by curl, also
   when it went over a kept connection. */
static void test_lost_post(void)
{
	struct msnet_request *req;
	struct msnet_response *resp;

	check("GET", "/hello", MSNET_OK, 200);
	req = request("POST", "/once");
	msnet_request_set_body(req, "{}", 2);
	resp = msnet_transport_perform(transport, req);
	T_CHECK(resp->result == MSNET_LOST);
	msnet_response_free(&resp);
	resp = msnet_transport_perform(transport, request("GET", "/posts"));
	T_STREQ(resp->body, "1");
	msnet_response_free(&resp);
}

static void test_refused(void)
{
	static const char *const urls[] = {
		"http://example.invalid/", "ftp://127.0.0.1/", "file:///etc/hosts",
		"https://user@127.0.0.1/", "https://127.0.0.1/a b", ""
	};
	struct msnet_response *resp;
	struct msnet_request *req;
	unsigned int i;

	for (i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
		resp = msnet_transport_perform(transport,
			msnet_request_create("GET", urls[i]));
		T_CHECK_CASE(urls[i], resp->result == MSNET_LOCAL_FAILED);
		msnet_response_free(&resp);
	}
	/* nobody listens there */
	resp = msnet_transport_perform(transport,
		msnet_request_create("POST", "http://127.0.0.1:1/"));
	T_CHECK(resp->result == MSNET_CONNECT_FAILED);
	msnet_response_free(&resp);

	req = request("GET", "/silent");
	req->timeout_msecs = 200;
	resp = msnet_transport_perform(transport, req);
	T_CHECK(resp->result == MSNET_TIMEOUT);
	msnet_response_free(&resp);
}

struct nested {
	bool outer_done, inner_done, aborted_called;
};

static void set_true(void *context)
{
	*(bool *)context = true;
}

static void never_called(struct msnet_response *resp, void *context)
{
	*(bool *)context = true;
	msnet_response_free(&resp);
}

static void nested_callback(struct msnet_response *resp, void *context)
{
	struct nested *n = context;
	struct msnet_response *inner;

	T_CHECK(resp->status == 200);
	msnet_response_free(&resp);
	inner = msnet_transport_perform(transport, request("GET", "/hello"));
	T_CHECK(inner->status == 200);
	msnet_response_free(&inner);
	n->inner_done = true;
	transport->v->timer_add(transport, 1, set_true, &n->outer_done);
}

static void test_nested(void)
{
	struct nested n = { .outer_done = false };
	struct msnet_exchange *exchange;
	struct msnet_timer *timer;

	exchange = transport->v->start(transport, request("GET", "/silent"),
				       never_called, &n.aborted_called);
	timer = transport->v->timer_add(transport, 0, set_true,
					&n.aborted_called);
	transport->v->timer_remove(transport, &timer);
	transport->v->start(transport, request("GET", "/hello"),
			    nested_callback, &n);
	transport->v->run(transport, &n.outer_done);
	T_CHECK(n.inner_done);
	transport->v->abort(transport, &exchange);
	T_CHECK(exchange == NULL && timer == NULL && !n.aborted_called);
	/* left to destroy() */
	transport->v->start(transport, request("GET", "/silent"),
			    never_called, &n.aborted_called);
	transport->v->timer_add(transport, 100000, set_true, &n.outer_done);
}

int main(void)
{
	struct msnet_tls_settings set = {
		.allow_loopback_http = true, .user_agent = "test"
	};
	pid_t pid = -1;
	int fd = server_start(&pid);

	if (fd == -1)
		return TEST_SKIP;
	transport = msnet_poll_transport_create(&set);
	test_plain();
	test_upload();
	test_big_base64();
	test_sink();
	test_lost_post();
	test_refused();
	test_nested();
	msnet_transport_destroy(&transport);
	close(fd);
	kill(pid, SIGTERM);
	waitpid(pid, NULL, 0);
	T_RETURN();
}
