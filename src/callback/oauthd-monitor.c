#include "oauthd-monitor.h"
#include "oauthd-listen.h"
#include "oauthd-metrics.h"
#include "oauthd.h"
#include "msnet-buf.h"

#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MONITOR_CONNECTIONS_MAX 20
#define MONITOR_TIMEOUT_SECS 10
#define TYPE_TEXT "text/plain; charset=utf-8"
#define TYPE_OPENMETRICS \
	"application/openmetrics-text; version=1.0.0; charset=utf-8"

struct oauthd_monitor {
	struct oauthd *oauthd;
	struct MHD_Daemon *daemon;
};

/* Takes the heap text. */
static enum MHD_Result
monitor_send(struct MHD_Connection *conn, unsigned int status,
	     const char *type, char *text)
{
	struct MHD_Response *resp = MHD_create_response_from_buffer(
		strlen(text), text, MHD_RESPMEM_MUST_FREE);
	enum MHD_Result ret;

	(void)MHD_add_response_header(resp, "Content-Type", type);
	(void)MHD_add_response_header(resp, "Cache-Control", "no-store");
	ret = MHD_queue_response(conn, status, resp);
	MHD_destroy_response(resp);
	return ret;
}

static enum MHD_Result
monitor_health(struct oauthd *oauthd, struct MHD_Connection *conn)
{
	struct mstoken_account *accounts;
	struct msnet_buf buf = { 0 };
	unsigned int count;

	if (mstoken_store_list(oauthd->store, &accounts, &count) < 0) {
		msnet_buf_printf(&buf, "the account store does not answer: "
				 "%s\n", mstoken_store_error(oauthd->store));
		return monitor_send(conn, MHD_HTTP_SERVICE_UNAVAILABLE,
				    TYPE_TEXT, msnet_buf_steal(&buf));
	}
	mstoken_accounts_free(&accounts, count);
	return monitor_send(conn, MHD_HTTP_OK, TYPE_TEXT,
			    msnet_strdup("ok\n"));
}

static enum MHD_Result
monitor_handle(void *cls, struct MHD_Connection *conn, const char *path,
	       const char *method, const char *version, const char *data,
	       size_t *data_size, void **req_cls)
{
	struct oauthd_monitor *monitor = cls;

	if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 &&
	    strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
		return monitor_send(conn, MHD_HTTP_METHOD_NOT_ALLOWED,
				    TYPE_TEXT, msnet_strdup("only GET\n"));
	if (strcmp(path, "/metrics") == 0)
		return monitor_send(conn, MHD_HTTP_OK, TYPE_OPENMETRICS,
				    oauthd_metrics_text(monitor->oauthd));
	if (strcmp(path, "/healthz") == 0)
		return monitor_health(monitor->oauthd, conn);
	return monitor_send(conn, MHD_HTTP_NOT_FOUND, TYPE_TEXT,
			    msnet_strdup("/healthz and /metrics\n"));
}

int oauthd_monitor_start(struct oauthd *oauthd,
			 struct oauthd_monitor **monitor_r, char **error_r)
{
	const char *address = oauthd->config.metrics_listen;
	struct oauthd_monitor *monitor;
	int fd;

	*monitor_r = NULL;
	if (address == NULL)
		return 0;
	fd = oauthd_listen("metrics_listen", address, error_r);
	if (fd == -1)
		return -1;
	monitor = msnet_malloc(sizeof(*monitor));
	monitor->oauthd = oauthd;
	monitor->daemon = MHD_start_daemon(MHD_USE_INTERNAL_POLLING_THREAD |
		MHD_USE_AUTO, 0, NULL, NULL, monitor_handle, monitor,
		MHD_OPTION_LISTEN_SOCKET, fd,
		MHD_OPTION_CONNECTION_LIMIT,
		(unsigned int)MONITOR_CONNECTIONS_MAX,
		MHD_OPTION_CONNECTION_TIMEOUT,
		(unsigned int)MONITOR_TIMEOUT_SECS,
		MHD_OPTION_END);
	if (monitor->daemon == NULL) {
		*error_r = msnet_strdup("metrics_listen: the HTTP server "
					"cannot be started");
		(void)close(fd);
		free(monitor);
		return -1;
	}
	*monitor_r = monitor;
	return 0;
}

void oauthd_monitor_stop(struct oauthd_monitor **_monitor)
{
	struct oauthd_monitor *monitor = *_monitor;

	if (monitor == NULL)
		return;
	*_monitor = NULL;
	MHD_stop_daemon(monitor->daemon);
	if (monitor->oauthd->config.metrics_listen[0] == '/')
		(void)unlink(monitor->oauthd->config.metrics_listen);
	free(monitor);
}
