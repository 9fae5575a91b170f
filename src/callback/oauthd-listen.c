#include "oauthd-listen.h"
#include "msnet-buf.h"

#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* Each returns the socket, or -1 and why (static). */

static int listen_unix(const char *path, const char **reason_r)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	struct stat st;
	int fd;

	if (strlen(path) >= sizeof(sa.sun_path)) {
		*reason_r = "the path is too long";
		return -1;
	}
	strcpy(sa.sun_path, path);
	/* left behind by a daemon that was killed */
	if (lstat(path, &st) == 0 && S_ISSOCK(st.st_mode))
		(void)unlink(path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd == -1 || bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 ||
	    chmod(path, 0660) < 0 || listen(fd, SOMAXCONN) < 0) {
		*reason_r = strerror(errno);
		if (fd != -1)
			(void)close(fd);
		return -1;
	}
	return fd;
}

static int listen_addrinfo(const struct addrinfo *ai, const char **reason_r)
{
	int fd, on = 1;

	fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd == -1 ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
	    bind(fd, ai->ai_addr, ai->ai_addrlen) < 0 ||
	    listen(fd, SOMAXCONN) < 0) {
		*reason_r = strerror(errno);
		if (fd != -1)
			(void)close(fd);
		return -1;
	}
	return fd;
}

static int listen_tcp(const char *address, const char **reason_r)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
		.ai_flags = AI_PASSIVE | AI_NUMERICSERV }, *ai = NULL;
	const char *colon = strrchr(address, ':'), *start = address;
	size_t len;
	char *host;
	int fd = -1, ret;

	if (colon == NULL) {
		*reason_r = "must be ADDRESS:PORT";
		return -1;
	}
	len = (size_t)(colon - address);
	if (len >= 2 && address[0] == '[' && colon[-1] == ']') {
		start++;
		len -= 2;
	}
	host = msnet_strndup(start, len);
	ret = getaddrinfo(host, colon + 1, &hints, &ai);
	if (ret != 0)
		*reason_r = gai_strerror(ret);
	else {
		fd = listen_addrinfo(ai, reason_r);
		freeaddrinfo(ai);
	}
	free(host);
	return fd;
}

int oauthd_listen(const char *setting, const char *address, char **error_r)
{
	struct msnet_buf buf = { 0 };
	const char *reason = NULL;
	int fd;

	fd = *address == '/' ? listen_unix(address, &reason) :
		listen_tcp(address, &reason);
	if (fd == -1) {
		msnet_buf_printf(&buf, "%s = %s: %s", setting, address, reason);
		*error_r = msnet_buf_steal(&buf);
	}
	return fd;
}
