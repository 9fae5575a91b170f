#include "graph-url.h"
#include "msnet-buf.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

void graph_url_add_segment(struct msnet_buf *buf, const char *segment)
{
	msnet_buf_add(buf, "/");
	if (strcmp(segment, ".") == 0)
		msnet_buf_add(buf, "%2E");
	else if (strcmp(segment, "..") == 0)
		msnet_buf_add(buf, "%2E%2E");
	else
		msnet_buf_add_escaped(buf, segment);
}

void graph_url_add_query(struct msnet_buf *buf, const char *name,
			 const char *value)
{
	bool first = buf->data == NULL || strchr(buf->data, '?') == NULL;

	msnet_buf_printf(buf, "%c%s=", first ? '?' : '&', name);
	msnet_buf_add_escaped(buf, value);
}

void graph_url_add_quoted(struct msnet_buf *buf, const char *text)
{
	msnet_buf_add(buf, "'");
	for (; *text != '\0'; text++) {
		if (*text == '\'')
			msnet_buf_add(buf, "'");
		msnet_buf_append(buf, text, 1);
	}
	msnet_buf_add(buf, "'");
}

struct graph_origin {
	const char *host;
	size_t scheme_len, host_len;
	long port;
};

/* Strict on purpose: what is not plainly scheme://host[:port] followed by a
   path, query or nothing is refused. A '@' or a backslash before the path would
   make different programs see different hosts. */
static bool graph_url_split(const char *url, struct graph_origin *origin_r)
{
	const char *p, *end, *port;
	char *num_end;

	if (strncasecmp(url, "https://", 8) == 0) {
		origin_r->scheme_len = 5;
		origin_r->port = 443;
	} else if (strncasecmp(url, "http://", 7) == 0) {
		origin_r->scheme_len = 4;
		origin_r->port = 80;
	} else {
		return false;
	}
	for (p = url; *p != '\0'; p++) {
		if ((unsigned char)*p <= ' ' || *p == '\\' || *p == 0x7f)
			return false;
	}
	origin_r->host = url + origin_r->scheme_len + 3;
	end = origin_r->host + strcspn(origin_r->host, "/?#");
	if (memchr(origin_r->host, '@', (size_t)(end - origin_r->host)) != NULL)
		return false;
	if (*origin_r->host == '[') {
		port = memchr(origin_r->host, ']',
			      (size_t)(end - origin_r->host));
		if (port == NULL)
			return false;
		port++;
	} else {
		port = memchr(origin_r->host, ':',
			      (size_t)(end - origin_r->host));
		if (port == NULL)
			port = end;
	}
	origin_r->host_len = (size_t)(port - origin_r->host);
	if (origin_r->host_len == 0)
		return false;
	if (port == end)
		return true;
	if (*port != ':' || port + 1 == end)
		return port + 1 == end && *port == ':';
	for (p = port + 1; p < end; p++) {
		if (*p < '0' || *p > '9')
			return false;
	}
	origin_r->port = strtol(port + 1, &num_end, 10);
	return num_end == end && origin_r->port > 0 && origin_r->port < 65536;
}

bool graph_url_same_origin(const char *base_url, const char *url)
{
	struct graph_origin base, other;

	return graph_url_split(base_url, &base) &&
		graph_url_split(url, &other) &&
		base.scheme_len == other.scheme_len &&
		base.port == other.port &&
		base.host_len == other.host_len &&
		strncasecmp(base.host, other.host, base.host_len) == 0;
}

bool graph_url_is_secure(const char *url)
{
	struct graph_origin origin;

	if (!graph_url_split(url, &origin))
		return false;
	if (origin.scheme_len == 5)
		return true;
	return (origin.host_len == 9 &&
		(strncmp(origin.host, "127.0.0.1", 9) == 0 ||
		 strncasecmp(origin.host, "localhost", 9) == 0)) ||
		(origin.host_len == 5 &&
		 strncmp(origin.host, "[::1]", 5) == 0);
}
