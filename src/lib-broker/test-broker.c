/* Lines of the broker socket, and the client against peers that misbehave. */

#include "broker-client.h"
#include "broker-proto.h"
#include "mstest.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static void test_requests(void)
{
	static const struct {
		const char *line;
		int ret;
		const char *op, *account, *rejected;
	} tests[] = {
		{ "{\"op\":\"token\",\"account\":\"a@b\"}\n", 0,
		  "token", "a@b", NULL },
		{ "{\"op\":\"token\",\"account\":\"a@b\",\"not\":\"ff\"}", 0,
		  "token", "a@b", "ff" },
		{ "{\"op\":\"token\",\"account\":5}", 0, "token", NULL, NULL },
		{ "{\"account\":\"a@b\"}", -1, NULL, NULL, NULL },
		{ "{\"op\":\"token\"} x", -1, NULL, NULL, NULL },
		{ "[1]", -1, NULL, NULL, NULL },
		{ "", -1, NULL, NULL, NULL },
		{ "{\"op\":", -1, NULL, NULL, NULL },
		{ "{\"op\":{\"a\":{\"a\":{\"a\":{\"a\":1}}}}}", -1,
		  NULL, NULL, NULL },
	};
	struct broker_request req;
	char *line;
	size_t i;

	for (i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
		const char *name = tests[i].line;

		T_CHECK_CASE(name, broker_request_parse(name, strlen(name),
					&req) == tests[i].ret);
		T_STREQ(req.op, tests[i].op);
		T_STREQ(req.account, tests[i].account);
		T_STREQ(req.rejected, tests[i].rejected);
		if (tests[i].ret == 0) {
			struct broker_request again;

			line = broker_request_format(&req);
			T_CHECK(broker_request_parse(line, strlen(line),
						     &again) == 0);
			T_STREQ(again.account, req.account);
			broker_request_deinit(&again);
			free(line);
		}
		broker_request_deinit(&req);
	}
}

static void test_answers(void)
{
	enum broker_status status;
	struct broker_answer answer, again;
	char *line;

	for (status = BROKER_OK; status <= BROKER_UNAVAILABLE; status++) {
		char token[] = "secret", message[] = "do \"this\"\r\n";

		memset(&answer, 0, sizeof(answer));
		answer.status = status;
		answer.message = message;
		if (status == BROKER_OK) {
			answer.token = token;
			answer.expires_in = 3599;
		}
		line = broker_answer_format(&answer);
		T_CHECK(strchr(line, '\n') == line + strlen(line) - 1);
		T_CHECK(broker_answer_parse(line, strlen(line), &again) == 0);
		T_CHECK(again.status == status);
		T_CHECK(again.expires_in == answer.expires_in);
		T_STREQ(again.token, answer.token);
		T_STREQ(again.message, answer.message);
		broker_answer_deinit(&again);
		free(line);
	}
	T_CHECK(broker_answer_parse("nonsense", 8, &again) < 0);
	T_CHECK(again.status == BROKER_UNAVAILABLE && again.message != NULL);
	broker_answer_deinit(&again);
	T_CHECK(broker_answer_parse("{\"status\":\"new\"}", 16, &again) == 0);
	T_CHECK(again.status == BROKER_UNAVAILABLE);
	broker_answer_deinit(&again);
}

/* A peer in a child process that sends text (NULL: nothing) and then closes
   or, if silent, keeps the connection open. */
static pid_t peer_start(const char *path, const char *text, int silent)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd, client;
	pid_t pid;

	(void)unlink(path);
	strcpy(sa.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	if (bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 ||
	    listen(fd, 1) < 0)
		abort();
	pid = fork();
	if (pid == 0) {
		char buf[1024];

		client = accept(fd, NULL, NULL);
		if (read(client, buf, sizeof(buf)) < 0)
			_exit(1);
		if (text != NULL &&
		    write(client, text, strlen(text)) < 0)
			_exit(1);
		if (silent)
			sleep(5);
		_exit(0);
	}
	close(fd);
	return pid;
}

static void test_client(void)
{
	static const struct {
		const char *name, *text;
		int silent;
		enum broker_status status;
	} tests[] = {
		{ "ok", "{\"status\":\"ok\",\"token\":\"t\","
			"\"expires_in\":60}\n", 0, BROKER_OK },
		{ "ok without token", "{\"status\":\"ok\"}\n", 0,
		  BROKER_UNAVAILABLE },
		{ "consent", "{\"status\":\"needs_consent\","
			"\"message\":\"m\",\"url\":\"u\"}\n", 0,
		  BROKER_NEEDS_CONSENT },
		{ "closed", NULL, 0, BROKER_UNAVAILABLE },
		{ "silent", NULL, 1, BROKER_UNAVAILABLE },
		{ "no newline", "{\"status\":\"ok\"", 1, BROKER_UNAVAILABLE },
		{ "nonsense", "HTTP/1.0 400\r\n", 0, BROKER_UNAVAILABLE },
	};
	struct broker_answer answer;
	char path[64];
	size_t i;

	snprintf(path, sizeof(path), "test-broker.%ld.sock", (long)getpid());
	broker_client_get_token(path, "a@b", NULL, NULL, 1000, &answer);
	T_CHECK(answer.status == BROKER_UNAVAILABLE);
	T_CHECK(strstr(answer.message, "daemon") != NULL);
	broker_answer_deinit(&answer);

	for (i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
		pid_t pid = peer_start(path, tests[i].text, tests[i].silent);

		broker_client_get_token(path, "a@b", "old", NULL, 300, &answer);
		T_CHECK_CASE(tests[i].name, answer.status == tests[i].status);
		T_CHECK_CASE(tests[i].name,
			     (answer.token != NULL) ==
			     (tests[i].status == BROKER_OK));
		broker_answer_deinit(&answer);
		(void)kill(pid, SIGKILL);
		(void)waitpid(pid, NULL, 0);
	}
	(void)unlink(path);
}

int main(void)
{
	test_requests();
	test_answers();
	test_client();
	T_RETURN();
}
