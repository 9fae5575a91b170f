#include "broker-client.h"
#include "broker-proto.h"
#include "msnet-buf.h"
#include "msnet-secret.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

struct broker_wait {
	struct timespec start;
	unsigned int timeout_msecs;
};

static unsigned int broker_wait_left(const struct broker_wait *wait)
{
	struct timespec now;
	long long passed;

	clock_gettime(CLOCK_MONOTONIC, &now);
	passed = (now.tv_sec - wait->start.tv_sec) * 1000LL +
		(now.tv_nsec - wait->start.tv_nsec) / 1000000;
	return passed >= wait->timeout_msecs ? 0 :
		wait->timeout_msecs - (unsigned int)passed;
}

static void
broker_fail(struct broker_answer *answer, const char *path, const char *what)
{
	struct msnet_buf buf = { 0 };

	answer->status = BROKER_UNAVAILABLE;
	msnet_buf_printf(&buf, "msgraph-oauthd at %s: %s: "
			 "is the daemon running?", path, what);
	answer->message = msnet_buf_steal(&buf);
}

/* Returns 0 when fd is ready for events, -1 with errno. */
static int
broker_poll(int fd, short events, const struct broker_wait *wait)
{
	struct pollfd pfd = { .fd = fd, .events = events };
	int ret;

	do {
		ret = poll(&pfd, 1, (int)broker_wait_left(wait));
	} while (ret < 0 && errno == EINTR);
	if (ret == 0) {
		errno = ETIMEDOUT;
		return -1;
	}
	return ret < 0 ? -1 : 0;
}

static int broker_connect(const char *path, const struct broker_wait *wait)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd;

	if (strlen(path) >= sizeof(sa.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	strcpy(sa.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd == -1)
		return -1;
	while (connect(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0) {
		int err = errno;

		/* EAGAIN: the daemon's backlog is full just now */
		if (err == EINTR ||
		    (err == EAGAIN && broker_wait_left(wait) > 0)) {
			(void)poll(NULL, 0, 10);
			continue;
		}
		(void)close(fd);
		errno = err;
		return -1;
	}
	return fd;
}

static int broker_send(int fd, const char *line, const struct broker_wait *wait)
{
	size_t size = strlen(line), sent = 0;
	ssize_t ret;

	while (sent < size) {
		ret = send(fd, line + sent, size - sent, MSG_NOSIGNAL);
		if (ret > 0)
			sent += (size_t)ret;
		else if (errno == EAGAIN) {
			if (broker_poll(fd, POLLOUT, wait) < 0)
				return -1;
		} else if (errno != EINTR)
			return -1;
	}
	return 0;
}

/* Reads up to the newline. line_r must have BROKER_LINE_MAX bytes. */
static ssize_t
broker_read_line(int fd, char *line_r, const struct broker_wait *wait)
{
	size_t used = 0;
	ssize_t ret;

	for (;;) {
		ret = read(fd, line_r + used, BROKER_LINE_MAX - used);
		if (ret > 0) {
			char *nl = memchr(line_r + used, '\n', (size_t)ret);

			used += (size_t)ret;
			if (nl != NULL)
				return nl - line_r;
			if (used == BROKER_LINE_MAX) {
				errno = EMSGSIZE;
				return -1;
			}
		} else if (ret == 0) {
			errno = ECONNRESET;
			return -1;
		} else if (errno == EAGAIN) {
			if (broker_poll(fd, POLLIN, wait) < 0)
				return -1;
		} else if (errno != EINTR)
			return -1;
	}
}

void broker_client_request(const char *socket_path,
			   const struct broker_request *req,
			   unsigned int timeout_msecs,
			   struct broker_answer *answer_r)
{
	struct broker_wait wait = { .timeout_msecs = timeout_msecs };
	char *line = NULL, *request = NULL;
	ssize_t size;
	int fd;

	memset(answer_r, 0, sizeof(*answer_r));
	clock_gettime(CLOCK_MONOTONIC, &wait.start);
	fd = broker_connect(socket_path, &wait);
	if (fd == -1) {
		broker_fail(answer_r, socket_path, strerror(errno));
		return;
	}
	request = broker_request_format(req);
	line = msnet_malloc(BROKER_LINE_MAX);
	if (broker_send(fd, request, &wait) < 0 ||
	    (size = broker_read_line(fd, line, &wait)) < 0)
		broker_fail(answer_r, socket_path, strerror(errno));
	else
		(void)broker_answer_parse(line, (size_t)size, answer_r);
	(void)close(fd);
	free(request);
	msnet_secret_wipe(line, BROKER_LINE_MAX);
	free(line);
}

void broker_client_get_token(const char *socket_path, const char *account,
			     const char *rejected_token,
			     const char *claims, unsigned int timeout_msecs,
			     struct broker_answer *answer_r)
{
	char op[] = "token", hash[65];
	struct broker_request req = { .op = op, .account = (char *)account,
		.claims = (char *)claims };

	if (rejected_token != NULL) {
		broker_token_hash(rejected_token, hash);
		req.rejected = hash;
	}
	broker_client_request(socket_path, &req, timeout_msecs, answer_r);
	if (answer_r->status == BROKER_OK && answer_r->token == NULL)
		broker_fail(answer_r, socket_path, "an answer without token");
}
