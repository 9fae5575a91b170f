#include "probe-net.h"
#include "probe-report.h"
#include "msnet-buf.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNECT_TIMEOUT_MSECS 5000
#define ADDRESSES_MAX 4

/* Host and port of an https URL. */
static void
url_split(const char *url, char *host_r, size_t size, char port_r[8])
{
	const char *start = url + strlen("https://"), *colon;
	size_t len = strcspn(start, "/");

	strcpy(port_r, "443");
	if (*start == '[') {
		start++;
		snprintf(host_r, size, "%.*s", (int)strcspn(start, "]"),
			 start);
		colon = strstr(start, "]:");
		colon = colon == NULL ? NULL : colon + 1;
	} else {
		colon = memchr(start, ':', len);
		snprintf(host_r, size, "%.*s", (int)(colon == NULL ? len :
			 (size_t)(colon - start)), start);
	}
	if (colon != NULL)
		snprintf(port_r, 8, "%.*s", (int)strcspn(colon + 1, "/"),
			 colon + 1);
}

static void
add_addresses(struct msnet_buf *buf, const struct addrinfo *ai)
{
	char text[128];
	unsigned int n;

	for (n = 0; ai != NULL && n < ADDRESSES_MAX; ai = ai->ai_next, n++) {
		if (getnameinfo(ai->ai_addr, ai->ai_addrlen, text,
				sizeof(text), NULL, 0, NI_NUMERICHOST) != 0)
			continue;
		msnet_buf_printf(buf, "%s%s", buf->used > 0 ? ", " : "", text);
	}
}

/* Returns 0 or an errno. */
static int connect_one(const struct addrinfo *ai)
{
	struct pollfd pfd = { .events = POLLOUT };
	socklen_t len = sizeof(int);
	int error = 0;

	pfd.fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC |
			SOCK_NONBLOCK, 0);
	if (pfd.fd == -1)
		return errno;
	if (connect(pfd.fd, ai->ai_addr, ai->ai_addrlen) < 0) {
		if (errno != EINPROGRESS)
			error = errno;
		else if (poll(&pfd, 1, CONNECT_TIMEOUT_MSECS) <= 0)
			error = ETIMEDOUT;
		else if (getsockopt(pfd.fd, SOL_SOCKET, SO_ERROR, &error,
				    &len) < 0)
			error = errno;
	}
	(void)close(pfd.fd);
	return error;
}

bool probe_net(struct probe_report *report, const char *what, const char *url)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *list, *ai;
	struct msnet_buf addresses = { 0 };
	char host[256], port[8], step[64];
	int ret, error = 0;

	url_split(url, host, sizeof(host), port);
	snprintf(step, sizeof(step), "%s name", what);
	if (getenv("https_proxy") != NULL || getenv("HTTPS_PROXY") != NULL) {
		probe_skip(report, step, "that is the business of the proxy "
			   "(https_proxy)");
		return true;
	}
	ret = getaddrinfo(host, port, &hints, &list);
	if (ret != 0) {
		probe_fail(report, step, "check the name in the configuration "
			   "and the name server in /etc/resolv.conf",
			   "%s has no address: %s", host, gai_strerror(ret));
		return false;
	}
	add_addresses(&addresses, list);
	probe_ok(report, step, "%s is %s", host, addresses.data);
	msnet_buf_free(&addresses);

	snprintf(step, sizeof(step), "%s connection", what);
	for (ai = list; ai != NULL; ai = ai->ai_next) {
		error = connect_one(ai);
		if (error == 0)
			break;
	}
	freeaddrinfo(list);
	if (error != 0) {
		probe_fail(report, step, "let the firewall of this server and "
			   "of its network pass connections to that port",
			   "port %s of %s: %s", port, host, strerror(error));
		return false;
	}
	probe_ok(report, step, "port %s answers", port);
	return true;
}
