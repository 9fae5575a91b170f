#include "oauthd-httpd.h"
#include "oauthd-links.h"
#include "oauthd-pages.h"
#include "oauthd.h"
#include "msnet-buf.h"
#include "msnet-secret.h"

#include <errno.h>
#include <microhttpd.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define HTTPD_THREADS 4
#define HTTPD_CONNECTIONS_MAX 256
#define HTTPD_CONNECTIONS_PER_IP 32
#define HTTPD_TIMEOUT_SECS 30
#define HTTPD_MEMORY_PER_CONNECTION (64 * 1024)
/* one form field; codes are about 1-2 kB */
#define HTTPD_FIELD_MAX (16 * 1024)
#define HTTPD_COOKIE "msgraph_link"

struct oauthd_httpd {
	struct oauthd *oauthd;
	struct MHD_Daemon *daemon;
};

/* fields of a callback posted as a form */
enum { FIELD_STATE, FIELD_CODE, FIELD_ERROR, FIELD_DESCRIPTION,
       FIELD_SUBCODE, FIELD_COUNT };
static const char *const field_names[FIELD_COUNT] = {
	"state", "code", "error", "error_description", "error_subcode"
};

struct httpd_request {
	struct MHD_PostProcessor *post;
	struct msnet_buf fields[FIELD_COUNT];
	bool too_big;
};

static enum MHD_Result
httpd_post_field(void *cls, enum MHD_ValueKind kind, const char *key,
		 const char *filename, const char *content_type,
		 const char *encoding, const char *data, uint64_t offset,
		 size_t size)
{
	struct httpd_request *req = cls;
	unsigned int i;

	for (i = 0; i < FIELD_COUNT; i++) {
		if (strcmp(field_names[i], key) != 0)
			continue;
		if (req->fields[i].used + size > HTTPD_FIELD_MAX) {
			req->too_big = true;
			return MHD_NO;
		}
		msnet_buf_append(&req->fields[i], data, size);
	}
	return MHD_YES;
}

static enum MHD_Result
httpd_send(struct MHD_Connection *conn, unsigned int status, const char *html,
	   const char *location, const char *cookie)
{
	static const struct {
		const char *name, *value;
	} headers[] = {
		{ "Content-Type", "text/html; charset=utf-8" },
		{ "Cache-Control", "no-store" },
		{ "Referrer-Policy", "no-referrer" },
		{ "X-Content-Type-Options", "nosniff" },
		{ "Content-Security-Policy",
		  "default-src 'none'; style-src 'unsafe-inline'; "
		  "form-action 'none'; frame-ancestors 'none'" },
	};
	struct MHD_Response *resp;
	enum MHD_Result ret;
	size_t i;

	resp = MHD_create_response_from_buffer(strlen(html), (void *)html,
					       MHD_RESPMEM_MUST_COPY);
	for (i = 0; i < sizeof(headers) / sizeof(headers[0]); i++)
		(void)MHD_add_response_header(resp, headers[i].name,
					      headers[i].value);
	if (location != NULL)
		(void)MHD_add_response_header(resp, "Location", location);
	if (cookie != NULL)
		(void)MHD_add_response_header(resp, "Set-Cookie", cookie);
	ret = MHD_queue_response(conn, status, resp);
	MHD_destroy_response(resp);
	return ret;
}

static enum MHD_Result
httpd_send_page(struct MHD_Connection *conn, struct oauthd_page *page)
{
	enum MHD_Result ret = httpd_send(conn, page->status, page->html, NULL,
					 NULL);

	free(page->html);
	return ret;
}

static enum MHD_Result
httpd_start_link(struct oauthd *oauthd, struct MHD_Connection *conn)
{
	const char *invitation = MHD_lookup_connection_value(conn,
		MHD_GET_ARGUMENT_KIND, "i");
	enum oauthd_link_result result = OAUTHD_LINK_NO_INVITATION;
	struct mstoken_failure fail = { .state = MSTOKEN_STATE_UNREACHABLE,
		.message = "The account store cannot be read." };
	char *url = NULL, *cookie = NULL;
	struct msnet_buf set_cookie = { 0 };
	struct oauthd_page page;
	enum MHD_Result ret;

	if (invitation != NULL)
		result = oauthd_links_start(oauthd->links, invitation, &url,
					    &cookie);
	if (result != OAUTHD_LINK_OK) {
		oauthd_page_result(&page, result, NULL, NULL, NULL, &fail);
		return httpd_send_page(conn, &page);
	}
	msnet_buf_printf(&set_cookie, HTTPD_COOKIE "=%s; Path=/; Max-Age=600; "
		"HttpOnly; %s", cookie,
		strncmp(oauthd->config.public_url, "https:", 6) == 0 ?
		"SameSite=None; Secure" : "SameSite=Lax");
	ret = httpd_send(conn, MHD_HTTP_FOUND, "", url, set_cookie.data);
	msnet_buf_free(&set_cookie);
	msnet_secret_free(&cookie);
	msnet_secret_free(&url);
	return ret;
}

static const char *
httpd_field(struct MHD_Connection *conn, const struct httpd_request *req,
	    unsigned int field)
{
	if (req->post != NULL)
		return req->fields[field].data;
	return MHD_lookup_connection_value(conn, MHD_GET_ARGUMENT_KIND,
					   field_names[field]);
}

static enum MHD_Result
httpd_finish_link(struct oauthd *oauthd, struct MHD_Connection *conn,
		  const struct httpd_request *req)
{
	struct oauthd_callback cb = {
		.state = httpd_field(conn, req, FIELD_STATE),
		.code = httpd_field(conn, req, FIELD_CODE),
		.error = httpd_field(conn, req, FIELD_ERROR),
		.error_description = httpd_field(conn, req, FIELD_DESCRIPTION),
		.error_subcode = httpd_field(conn, req, FIELD_SUBCODE),
		.cookie = MHD_lookup_connection_value(conn, MHD_COOKIE_KIND,
						      HTTPD_COOKIE),
	};
	char *address, *username, *again_url;
	enum oauthd_link_result result;
	struct mstoken_failure fail;
	struct oauthd_page page;

	result = oauthd_links_finish(oauthd->links, &cb, &address, &username,
				     &again_url, &fail);
	if (result == OAUTHD_LINK_OK)
		oauthd_log("an account was linked");
	else if (fail.message[0] != '\0')
		oauthd_log("linking an account failed: %s", fail.message);
	oauthd_page_result(&page, result, address, username, again_url, &fail);
	free(address);
	free(username);
	msnet_secret_free(&again_url);
	return httpd_send_page(conn, &page);
}

/* A proxy in front may strip the path of public_url or not. */
static bool httpd_path_is(const char *path, const char *want)
{
	size_t len = strlen(path), want_len = strlen(want);

	return len >= want_len && strcmp(path + len - want_len, want) == 0;
}

static enum MHD_Result
httpd_route(struct oauthd *oauthd, struct MHD_Connection *conn,
	    const char *path, const char *method,
	    const struct httpd_request *req)
{
	bool is_get = strcmp(method, MHD_HTTP_METHOD_GET) == 0;
	struct oauthd_page page;

	if (httpd_path_is(path, oauthd->config.callback_path) &&
	    (is_get || req->post != NULL))
		return httpd_finish_link(oauthd, conn, req);
	if (httpd_path_is(path, "/start") && is_get)
		return httpd_start_link(oauthd, conn);
	oauthd_page_not_found(&page);
	return httpd_send_page(conn, &page);
}

static enum MHD_Result
httpd_handle(void *cls, struct MHD_Connection *conn, const char *path,
	     const char *method, const char *version, const char *data,
	     size_t *data_size, void **req_cls)
{
	struct oauthd_httpd *httpd = cls;
	struct httpd_request *req = *req_cls;

	if (req == NULL) {
		*req_cls = req = msnet_malloc(sizeof(*req));
		if (strcmp(method, MHD_HTTP_METHOD_POST) == 0) {
			req->post = MHD_create_post_processor(conn, 4096,
				httpd_post_field, req);
		}
		return MHD_YES;
	}
	if (*data_size > 0) {
		if (req->post != NULL && !req->too_big)
			(void)MHD_post_process(req->post, data, *data_size);
		*data_size = 0;
		return MHD_YES;
	}
	if (req->too_big)
		return httpd_send(conn, MHD_HTTP_CONTENT_TOO_LARGE,
				  "too large\n", NULL, NULL);
	return httpd_route(httpd->oauthd, conn, path, method, req);
}

static void
httpd_completed(void *cls, struct MHD_Connection *conn, void **req_cls,
		enum MHD_RequestTerminationCode code)
{
	struct httpd_request *req = *req_cls;
	unsigned int i;

	if (req == NULL)
		return;
	if (req->post != NULL)
		(void)MHD_destroy_post_processor(req->post);
	for (i = 0; i < FIELD_COUNT; i++) {
		if (req->fields[i].data != NULL)
			msnet_secret_wipe(req->fields[i].data,
					  req->fields[i].used);
		msnet_buf_free(&req->fields[i]);
	}
	free(req);
	*req_cls = NULL;
}

/* Returns a listening socket for "address:port", or -1 and a heap text. */
static int httpd_listen(const char *address, char **error_r)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
		.ai_flags = AI_PASSIVE | AI_NUMERICSERV }, *ai = NULL;
	struct msnet_buf buf = { 0 };
	const char *colon = strrchr(address, ':'), *host_start = address;
	const char *reason = NULL;
	char *host;
	size_t host_len;
	int fd = -1, ret, on = 1;

	if (colon == NULL) {
		msnet_buf_printf(&buf, "listen = %s: must be ADDRESS:PORT",
				 address);
		*error_r = msnet_buf_steal(&buf);
		return -1;
	}
	host_len = (size_t)(colon - address);
	if (host_len >= 2 && address[0] == '[' && colon[-1] == ']') {
		host_start++;
		host_len -= 2;
	}
	host = msnet_strndup(host_start, host_len);
	ret = getaddrinfo(host, colon + 1, &hints, &ai);
	if (ret != 0)
		reason = gai_strerror(ret);
	else {
		fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (fd == -1 ||
		    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on,
			       sizeof(on)) < 0 ||
		    bind(fd, ai->ai_addr, ai->ai_addrlen) < 0 ||
		    listen(fd, 128) < 0)
			reason = strerror(errno);
		freeaddrinfo(ai);
	}
	free(host);
	if (reason != NULL) {
		msnet_buf_printf(&buf, "listen = %s: %s", address, reason);
		*error_r = msnet_buf_steal(&buf);
		if (fd != -1)
			(void)close(fd);
		return -1;
	}
	return fd;
}

struct oauthd_httpd *oauthd_httpd_start(struct oauthd *oauthd, char **error_r)
{
	struct oauthd_httpd *httpd;
	int fd;

	fd = httpd_listen(oauthd->config.listen, error_r);
	if (fd == -1)
		return NULL;
	httpd = msnet_malloc(sizeof(*httpd));
	httpd->oauthd = oauthd;
	httpd->daemon = MHD_start_daemon(MHD_USE_INTERNAL_POLLING_THREAD |
		MHD_USE_AUTO, 0, NULL, NULL, httpd_handle, httpd,
		MHD_OPTION_LISTEN_SOCKET, fd,
		MHD_OPTION_THREAD_POOL_SIZE, (unsigned int)HTTPD_THREADS,
		MHD_OPTION_CONNECTION_LIMIT,
		(unsigned int)HTTPD_CONNECTIONS_MAX,
		MHD_OPTION_PER_IP_CONNECTION_LIMIT,
		(unsigned int)HTTPD_CONNECTIONS_PER_IP,
		MHD_OPTION_CONNECTION_TIMEOUT,
		(unsigned int)HTTPD_TIMEOUT_SECS,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT,
		(size_t)HTTPD_MEMORY_PER_CONNECTION,
		MHD_OPTION_NOTIFY_COMPLETED, httpd_completed, NULL,
		MHD_OPTION_END);
	if (httpd->daemon == NULL) {
		*error_r = msnet_strdup("the HTTP server cannot be started");
		(void)close(fd);
		free(httpd);
		return NULL;
	}
	return httpd;
}

void oauthd_httpd_stop(struct oauthd_httpd **_httpd)
{
	struct oauthd_httpd *httpd = *_httpd;

	if (httpd == NULL)
		return;
	*_httpd = NULL;
	MHD_stop_daemon(httpd->daemon);
	free(httpd);
}
