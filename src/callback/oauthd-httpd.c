#include "oauthd-httpd.h"
#include "oauthd-httpd-private.h"
#include "oauthd-admin-pages.h"
#include "oauthd-deadline.h"
#include "oauthd-device.h"
#include "oauthd-links.h"
#include "oauthd-listen.h"
#include "oauthd-metrics.h"
#include "oauthd-self.h"
#include "oauthd.h"
#include "msnet-buf.h"
#include "msnet-secret.h"

#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* a thread is busy while a code is redeemed, which may take the login host and
   Graph their whole timeout; only holders of an invitation get that far */
#define HTTPD_THREADS 16
/* All come from the proxy's address, so there is no limit per address. */
#define HTTPD_CONNECTIONS_MAX 2000
/* of silence, and for a whole request */
#define HTTPD_TIMEOUT_SECS 10
#define HTTPD_REQUEST_SECS 20
/* for the header; and all fields of a form: codes are about 1-2 kB. A thousand
   such connections have to fit into 32 MB. */
#define HTTPD_MEMORY_PER_CONNECTION (9 * 1024)
#define HTTPD_FIELDS_MAX (3 * 1024)
#define HTTPD_POST_BUFFER 1024
/* of the waiting page */
#define HTTPD_ROUNDS_MAX 1000000
#define HTTPD_COOKIE "msgraph_link"

struct oauthd_httpd {
	struct oauthd *oauthd;
	struct MHD_Daemon *daemon;
	struct oauthd_deadlines *deadlines;
};

/* in the order of the FIELDs */
static const char *const field_names[FIELD_COUNT] = {
	"state", "code", "error", "error_description",
	"admin_consent", "i", "wait", "password", "csrf", "do", "address",
	"device"
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
		/* RFC 6749 3.1: a parameter comes once */
		if (offset == 0 && req->fields[i].data != NULL)
			req->repeated = true;
		req->fields_size += size;
		if (req->fields_size > HTTPD_FIELDS_MAX) {
			req->too_big = true;
			return MHD_NO;
		}
		msnet_buf_append(&req->fields[i], data, size);
	}
	return MHD_YES;
}

enum MHD_Result
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
		  "form-action 'self' https:; base-uri 'none'; "
		  "frame-ancestors 'none'" },
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

enum MHD_Result
httpd_send_page(struct MHD_Connection *conn, struct oauthd_page *page)
{
	enum MHD_Result ret = httpd_send(conn, page->status, page->html, NULL,
					 NULL);

	free(page->html);
	return ret;
}

bool httpd_is_https(const struct oauthd *oauthd)
{
	return strncmp(oauthd->config.public_url, "https:", 6) == 0;
}

/* Off to the login host. */
static enum MHD_Result
httpd_send_away(struct oauthd *oauthd, struct MHD_Connection *conn,
		const char *url, const char *cookie)
{
	struct msnet_buf set_cookie = { 0 };
	enum MHD_Result ret;

	msnet_buf_printf(&set_cookie, HTTPD_COOKIE "=%s; Path=/; Max-Age=600; "
		"HttpOnly; %s", cookie,
		httpd_is_https(oauthd) ? "SameSite=None; Secure" : "SameSite=Lax");
	/* 303: whatever the form was, the login host gets a GET */
	ret = httpd_send(conn, MHD_HTTP_SEE_OTHER, "", url, set_cookie.data);
	msnet_buf_free(&set_cookie);
	return ret;
}

const char *
httpd_field(struct MHD_Connection *conn, const struct httpd_request *req,
	    unsigned int field)
{
	if (req->post != NULL)
		return req->fields[field].data;
	return MHD_lookup_connection_value(conn, MHD_GET_ARGUMENT_KIND,
					   field_names[field]);
}

static enum MHD_Result
httpd_send_end(struct MHD_Connection *conn, struct oauthd_link_end *end,
	       unsigned int round)
{
	struct oauthd_page page;

	oauthd_page_result(&page, end, round);
	oauthd_link_end_deinit(end);
	return httpd_send_page(conn, &page);
}

/* Who was not invited types an address. */
static enum MHD_Result
httpd_self(struct oauthd *oauthd, struct MHD_Connection *conn,
	   const struct httpd_request *req)
{
	const char *address = req->post == NULL ? NULL :
		httpd_field(conn, req, FIELD_ADDRESS);
	char *invitation = NULL, *url = NULL, *cookie = NULL;
	enum oauthd_self_result result = OAUTHD_SELF_OK;
	const char *message = NULL;
	struct msnet_buf action = { 0 };
	struct oauthd_page page;
	enum MHD_Result ret;

	if (req->post != NULL && address == NULL)
		address = "";
	if (address != NULL)
		result = oauthd_self_invite(oauthd, address, &invitation);
	if (invitation != NULL &&
	    oauthd_links_start(oauthd->links, invitation, false, &url,
			       &cookie) == OAUTHD_LINK_OK) {
		ret = httpd_send_away(oauthd, conn, url, cookie);
		msnet_secret_free(&cookie);
		msnet_secret_free(&url);
		msnet_secret_free(&invitation);
		return ret;
	}
	if (result == OAUTHD_SELF_REFUSED)
		message = "This server does not take this address. Ask its "
			"administrator for an invitation.";
	else if (result == OAUTHD_SELF_BUSY)
		message = "Many people do this right now. Try again in a "
			"minute.";
	else if (address != NULL)
		message = "That did not work. Try again later.";
	msnet_secret_free(&invitation);
	msnet_buf_printf(&action, "%s/start", oauthd->config.public_url);
	oauthd_page_self(&page, action.data, result == OAUTHD_SELF_BUSY ?
			 MHD_HTTP_TOO_MANY_REQUESTS : address != NULL ?
			 MHD_HTTP_FORBIDDEN : MHD_HTTP_OK, message);
	msnet_buf_free(&action);
	return httpd_send_page(conn, &page);
}

static void
httpd_log_end(struct oauthd *oauthd, const struct oauthd_link_end *end)
{
	const char *result = oauthd_link_result_name(end->result);

	oauthd_metrics_link(oauthd->metrics, result, &end->fail);
	if (end->fail.message[0] != '\0')
		oauthd_event_failure("link_failed", end->address, &end->fail);
	else
		oauthd_event(end->result == OAUTHD_LINK_OK ? "linked" :
			     "link_failed", "account", end->address,
			     "result", result, NULL);
}

/* The code to enter on another device: the form gets one, and the page asks
   whether it has been entered. */
static enum MHD_Result
httpd_device(struct oauthd *oauthd, struct MHD_Connection *conn,
	     const struct httpd_request *req, const char *invitation)
{
	struct oauthd_device_key key = { .invitation = invitation };
	struct oauthd_link_end end = { 0 };
	char *address;

	end.result = oauthd_links_look(oauthd->links, invitation, &address);
	if (end.result != OAUTHD_LINK_OK)
		return httpd_send_end(conn, &end, 0);
	key.address = address;
	if (req->post != NULL)
		oauthd_devices_start(oauthd->devices, &key, &end);
	else
		oauthd_devices_poll(oauthd->devices, &key, &end);
	free(address);
	oauthd_links_complete(oauthd->links, invitation, false, &end);
	if (end.result != OAUTHD_LINK_WAITS_FOR_CODE)
		httpd_log_end(oauthd, &end);
	return httpd_send_end(conn, &end, 0);
}

/* The page says what will happen; its form starts the sign-in. While an
   administrator is awaited the page comes back by itself and counts. */
static enum MHD_Result
httpd_start_link(struct oauthd *oauthd, struct MHD_Connection *conn,
		 const struct httpd_request *req)
{
	const char *invitation = httpd_field(conn, req, FIELD_INVITATION);
	const char *wait = httpd_field(conn, req, FIELD_WAIT);
	unsigned int round = wait == NULL ? 0 :
		(unsigned int)strtoul(wait, NULL, 10) % HTTPD_ROUNDS_MAX;
	struct oauthd_link_end end = { 0 };
	char *url = NULL, *cookie = NULL;
	struct oauthd_page page;
	enum MHD_Result ret;

	if (invitation == NULL && oauthd->config.self_service)
		return httpd_self(oauthd, conn, req);
	if (invitation == NULL)
		invitation = "";
	if (httpd_field(conn, req, FIELD_DEVICE) != NULL)
		return httpd_device(oauthd, conn, req, invitation);
	if (req->post != NULL ||
	    (round > 0 && oauthd_links_should_try(oauthd->links, invitation,
						  round))) {
		end.result = oauthd_links_start(oauthd->links, invitation,
						req->post == NULL, &url,
						&cookie);
		if (end.result == OAUTHD_LINK_OK) {
			ret = httpd_send_away(oauthd, conn, url, cookie);
			msnet_secret_free(&cookie);
			msnet_secret_free(&url);
			return ret;
		}
	} else if (round > 0) {
		oauthd_links_describe_wait(oauthd->links, invitation, &end);
	} else {
		end.result = oauthd_links_look(oauthd->links, invitation,
					       &end.address);
		if (end.result == OAUTHD_LINK_OK) {
			oauthd_page_start(&page, end.address, invitation,
					  oauthd->config.public_url);
			oauthd_link_end_deinit(&end);
			return httpd_send_page(conn, &page);
		}
	}
	return httpd_send_end(conn, &end, round);
}

static enum MHD_Result
httpd_admin_returned(struct oauthd *oauthd, struct MHD_Connection *conn,
		     const struct httpd_request *req)
{
	const char *state = httpd_field(conn, req, FIELD_STATE);
	bool granted = httpd_field(conn, req, FIELD_ERROR) == NULL;
	struct oauthd_page page;

	if (granted && state != NULL)
		oauthd_links_admin_returned(oauthd->links, state);
	oauthd_page_admin_returned(&page, granted);
	return httpd_send_page(conn, &page);
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
		.cookie = MHD_lookup_connection_value(conn, MHD_COOKIE_KIND,
						      HTTPD_COOKIE),
	};
	struct oauthd_link_end end;

	if (httpd_field(conn, req, FIELD_ADMIN_CONSENT) != NULL)
		return httpd_admin_returned(oauthd, conn, req);
	oauthd_links_finish(oauthd->links, &cb, &end);
	httpd_log_end(oauthd, &end);
	return httpd_send_end(conn, &end, 0);
}

/* A proxy in front may strip the path of public_url or not. */
static bool httpd_path_is(const struct oauthd *oauthd, const char *path,
			  const char *want)
{
	const char *base = strchr(strstr(oauthd->config.public_url, "://") + 3,
				  '/');
	size_t base_len = base == NULL ? 0 : strlen(base);

	return strcmp(path, want) == 0 ||
		(base_len > 0 && strncmp(path, base, base_len) == 0 &&
		 strcmp(path + base_len, want) == 0);
}

struct httpd_args {
	bool seen[FIELD_COUNT], repeated;
};

static enum MHD_Result
httpd_query_field(void *cls, enum MHD_ValueKind kind, const char *key,
		  size_t key_size, const char *value, size_t value_size)
{
	struct httpd_args *args = cls;
	unsigned int i;

	for (i = 0; i < FIELD_COUNT; i++) {
		if (strcmp(field_names[i], key) != 0)
			continue;
		args->repeated = args->repeated || args->seen[i] ||
			(value != NULL && strlen(value) != value_size);
		args->seen[i] = true;
	}
	return MHD_YES;
}

/* Which of two values counts is a question that attackers like; and so is what
   comes after a NUL. */
static bool httpd_is_ambiguous(struct MHD_Connection *conn,
			       const struct httpd_request *req)
{
	struct httpd_args args = { .repeated = req->repeated };

	(void)MHD_get_connection_values_n(conn, MHD_GET_ARGUMENT_KIND,
					  httpd_query_field, &args);
	return args.repeated;
}

static enum MHD_Result
httpd_send_error(struct MHD_Connection *conn, unsigned int status)
{
	struct oauthd_page page;

	oauthd_page_http_error(&page, status);
	return httpd_send_page(conn, &page);
}

static enum MHD_Result
httpd_route(struct oauthd *oauthd, struct MHD_Connection *conn,
	    const char *path, const char *method,
	    struct httpd_request *req)
{
	bool is_get = strcmp(method, MHD_HTTP_METHOD_GET) == 0;

	if (httpd_path_is(oauthd, path, oauthd->config.callback_path)) {
		req->page = "callback";
		if (!is_get && req->post == NULL)
			return httpd_send_error(conn,
				MHD_HTTP_METHOD_NOT_ALLOWED);
		if (httpd_is_ambiguous(conn, req))
			return httpd_send_error(conn, MHD_HTTP_BAD_REQUEST);
		return httpd_finish_link(oauthd, conn, req);
	}
	if (httpd_path_is(oauthd, path, "/start")) {
		req->page = "start";
		if (!is_get && req->post == NULL)
			return httpd_send_error(conn,
				MHD_HTTP_METHOD_NOT_ALLOWED);
		if (httpd_is_ambiguous(conn, req))
			return httpd_send_error(conn, MHD_HTTP_BAD_REQUEST);
		return httpd_start_link(oauthd, conn, req);
	}
	if (oauthd->config.admin_password_file != NULL &&
	    httpd_path_is(oauthd, path, oauthd->config.admin_path)) {
		req->page = "admin";
		if (!is_get && req->post == NULL)
			return httpd_send_error(conn,
				MHD_HTTP_METHOD_NOT_ALLOWED);
		if (httpd_is_ambiguous(conn, req))
			return httpd_send_error(conn, MHD_HTTP_BAD_REQUEST);
		return httpd_admin(oauthd, conn, req);
	}
	return httpd_send_error(conn, MHD_HTTP_NOT_FOUND);
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
		req->page = "other";
		oauthd_metrics_request_begin(httpd->oauthd->metrics);
		if (strcmp(method, MHD_HTTP_METHOD_POST) == 0) {
			req->post = MHD_create_post_processor(conn,
				HTTPD_POST_BUFFER, httpd_post_field, req);
		}
		return MHD_YES;
	}
	if (*data_size > 0) {
		if (req->post != NULL && !req->too_big)
			(void)MHD_post_process(req->post, data, *data_size);
		*data_size = 0;
		return MHD_YES;
	}
	oauthd_deadline_met(httpd->deadlines, conn);
	if (req->too_big)
		return httpd_send_error(conn, MHD_HTTP_CONTENT_TOO_LARGE);
	return httpd_route(httpd->oauthd, conn, path, method, req);
}

static void
httpd_completed(void *cls, struct MHD_Connection *conn, void **req_cls,
		enum MHD_RequestTerminationCode code)
{
	struct oauthd_httpd *httpd = cls;
	struct httpd_request *req = *req_cls;
	const union MHD_ConnectionInfo *info;
	unsigned int i;

	if (req == NULL)
		return;
	oauthd_deadline_restart(httpd->deadlines, conn);
	/* 0: it never came to an answer */
	info = MHD_get_connection_info(conn, MHD_CONNECTION_INFO_HTTP_STATUS);
	oauthd_metrics_request_end(httpd->oauthd->metrics, req->page,
		code == MHD_REQUEST_TERMINATED_COMPLETED_OK && info != NULL ?
		info->http_status : 0);
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

struct oauthd_httpd *oauthd_httpd_start(struct oauthd *oauthd, char **error_r)
{
	struct oauthd_httpd *httpd;
	int fd;

	fd = oauthd_listen("listen", oauthd->config.listen, error_r);
	if (fd == -1)
		return NULL;
	httpd = msnet_malloc(sizeof(*httpd));
	httpd->oauthd = oauthd;
	httpd->deadlines = oauthd_deadlines_create(HTTPD_REQUEST_SECS);
	httpd->daemon = httpd->deadlines == NULL ? NULL :
		MHD_start_daemon(MHD_USE_INTERNAL_POLLING_THREAD |
		MHD_USE_AUTO, 0, NULL, NULL, httpd_handle, httpd,
		MHD_OPTION_LISTEN_SOCKET, fd,
		MHD_OPTION_THREAD_POOL_SIZE, (unsigned int)HTTPD_THREADS,
		MHD_OPTION_CONNECTION_LIMIT,
		(unsigned int)HTTPD_CONNECTIONS_MAX,
		MHD_OPTION_CONNECTION_TIMEOUT,
		(unsigned int)HTTPD_TIMEOUT_SECS,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT,
		(size_t)HTTPD_MEMORY_PER_CONNECTION,
		MHD_OPTION_NOTIFY_CONNECTION, oauthd_deadlines_notify,
		httpd->deadlines,
		MHD_OPTION_NOTIFY_COMPLETED, httpd_completed, httpd,
		MHD_OPTION_END);
	if (httpd->daemon == NULL) {
		*error_r = msnet_strdup("the HTTP server cannot be started");
		(void)close(fd);
		oauthd_deadlines_destroy(&httpd->deadlines);
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
	oauthd_deadlines_destroy(&httpd->deadlines);
	free(httpd);
}
