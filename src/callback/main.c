/* msgraph-oauthd: keeps the OAuth tokens of linked accounts, serves the
   sign-in pages, and hands access tokens to mail processes. */

#include "oauthd.h"
#include "oauthd-admin.h"
#include "oauthd-broker.h"
#include "oauthd-device.h"
#include "oauthd-expiry.h"
#include "oauthd-httpd.h"
#include "oauthd-keepalive.h"
#include "oauthd-links.h"
#include "oauthd-metrics.h"
#include "oauthd-monitor.h"
#include "oauthd-notify.h"
#include "mstoken-db.h"
#include "mstoken-pkce.h"
#include "mstoken-seal.h"
#include "msnet-buf.h"
#include "msnet-secret.h"
#include "msnet-transport.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <unistd.h>

#define EXIT_USAGE 64
#define EXIT_CONFIG 78
#define FD_LIMIT 4096
/* how often one unused account is renewed */
#define KEEP_ALIVE_SECS 60
#define FIRST_KEEP_ALIVE_SECS 3

struct msnet_transport *oauthd_transport_create(void *context)
{
	struct oauthd *oauthd = context;
	struct msnet_tls_settings set = {
		.ca_file = oauthd->config.ca_file,
		.user_agent = "msgraph-oauthd/" MSGRAPH_VERSION,
	};

	return msnet_poll_transport_create(&set);
}

static void oauthd_wait_for_end(struct oauthd *oauthd, const sigset_t *signals)
{
	struct timespec timeout = { .tv_sec = FIRST_KEEP_ALIVE_SECS };
	int sig;

	for (;;) {
		sig = sigtimedwait(signals, NULL, &timeout);
		if (sig == SIGHUP)
			oauthd_reload(oauthd);
		else if (sig > 0)
			return;
		else if (errno == EAGAIN) {
			(void)mstoken_refresher_flush(oauthd->refresher);
			oauthd_keep_alive(oauthd);
			oauthd_expiry_watch(oauthd);
			timeout.tv_sec = KEEP_ALIVE_SECS;
		}
	}
}

/* One daemon for each socket, so that nobody else has its leases. The lock goes
   with the process. */
static int oauthd_lock_broker(const char *broker, char **error_r)
{
	struct msnet_buf buf = { 0 };
	int fd;

	msnet_buf_printf(&buf, "%s.lock", broker);
	fd = open(buf.data, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd == -1 || flock(fd, LOCK_EX | LOCK_NB) < 0) {
		msnet_buf_printf(&buf, ": %s", errno == EWOULDBLOCK ?
				 "another msgraph-oauthd serves this socket" :
				 strerror(errno));
		*error_r = msnet_buf_steal(&buf);
		if (fd != -1)
			(void)close(fd);
		return -1;
	}
	msnet_buf_free(&buf);
	return fd;
}

/* Who holds a lease. The same after a restart, so that a daemon goes on with
   what it was killed at; another one on another host, or at another socket. */
static char *oauthd_lease_owner(const char *broker)
{
	char host[256] = "", machine[64] = "", *owner;
	FILE *file = fopen("/etc/machine-id", "re");
	struct msnet_buf buf = { 0 };

	if (file != NULL) {
		if (fgets(machine, sizeof(machine), file) == NULL)
			machine[0] = '\0';
		(void)fclose(file);
	}
	(void)gethostname(host, sizeof(host) - 1);
	msnet_buf_printf(&buf, "%s\n%s\n%s", machine, host, broker);
	owner = mstoken_pkce_challenge(buf.data);
	msnet_buf_free(&buf);
	return owner;
}

/* Called by the refresher after each request to the login host. */
static void oauthd_renewed(void *context, const char *address,
			   const struct mstoken_failure *fail)
{
	struct oauthd *oauthd = context;

	oauthd_metrics_refresh(oauthd->metrics, fail);
	if (fail == NULL)
		oauthd_event("renewed", "account", address, "state", "ok",
			     NULL);
	else
		oauthd_event_failure("renewal_failed", address, fail);
}

static void oauthd_warn(void *context, const char *message)
{
	oauthd_log("%s", message);
}

/* Accounts whose registration has gone from the configuration. */
static void oauthd_check_registrations(struct oauthd *oauthd)
{
	struct mstoken_account *accounts;
	unsigned int i, count;

	if (mstoken_store_list(oauthd->store, &accounts, &count) < 0)
		return;
	for (i = 0; i < count; i++) {
		if (oauthd_config_find_registration(&oauthd->config,
				accounts[i].registration) != NULL)
			continue;
		oauthd_event("registration_missing", "account",
			     accounts[i].address, "registration",
			     accounts[i].registration, "message",
			     "put it back into the configuration, or link the "
			     "account again", NULL);
	}
	mstoken_accounts_free(&accounts, count);
}

static int oauthd_open(struct oauthd *oauthd, char **error_r)
{
	struct mstoken_refresher_settings set = {
		.transport_create = oauthd_transport_create,
		.app_get = oauthd_app_get, .app_release = oauthd_app_release,
		.renewed = oauthd_renewed, .warn = oauthd_warn,
		.context = oauthd,
		.timeout_msecs = OAUTHD_TIMEOUT_MSECS,
	};
	struct mstoken_db_settings db = {
		.store = oauthd->config.store,
		.password_file = oauthd->config.store_password_file,
		.mode = oauthd->config.store_mode,
	};
	char *owner;

	oauthd->metrics = oauthd_metrics_create();
	oauthd->seal = mstoken_seal_open(oauthd->config.key_file, error_r);
	if (oauthd->seal == NULL)
		return -1;
	oauthd->store = mstoken_store_open(&db, oauthd->seal, "", error_r);
	if (oauthd->store == NULL)
		return -1;
	oauthd_set_client_ids(oauthd);
	oauthd_check_registrations(oauthd);
	set.store = oauthd->store;
	set.owner = owner = oauthd_lease_owner(oauthd->config.broker);
	oauthd->refresher = mstoken_refresher_create(&set);
	free(owner);
	oauthd->links = oauthd_links_create(oauthd);
	oauthd->admin = oauthd_admin_create(oauthd);
	oauthd->devices = oauthd_devices_create(oauthd);
	return 0;
}

static void oauthd_close(struct oauthd *oauthd)
{
	oauthd_devices_destroy(&oauthd->devices);
	oauthd_admin_destroy(&oauthd->admin);
	oauthd_expiries_free(&oauthd->expiries, oauthd->expiry_count);
	oauthd_links_destroy(&oauthd->links);
	mstoken_refresher_destroy(&oauthd->refresher);
	mstoken_store_close(&oauthd->store);
	mstoken_seal_close(&oauthd->seal);
	oauthd_metrics_destroy(&oauthd->metrics);
}

/* Connections of slow clients must not leave the store or the login host
   without a descriptor. */
static void oauthd_raise_fd_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 &&
	    limit.rlim_cur < FD_LIMIT) {
		limit.rlim_cur = limit.rlim_max < FD_LIMIT ?
			limit.rlim_max : FD_LIMIT;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
	}
}

static int oauthd_serve(struct oauthd *oauthd, const sigset_t *signals)
{
	struct oauthd_broker *broker = NULL;
	struct oauthd_httpd *httpd = NULL;
	struct oauthd_monitor *monitor = NULL;
	char *error = NULL;
	int lock_fd, ret = EXIT_FAILURE;

	lock_fd = oauthd_lock_broker(oauthd->config.broker, &error);
	if (lock_fd != -1 && oauthd_open(oauthd, &error) == 0 &&
	    (broker = oauthd_broker_start(oauthd, &error)) != NULL &&
	    (httpd = oauthd_httpd_start(oauthd, &error)) != NULL &&
	    oauthd_monitor_start(oauthd, &monitor, &error) == 0) {
		oauthd_event("ready", "version", MSGRAPH_VERSION, NULL);
		oauthd_notify_ready();
		oauthd_expiry_watch(oauthd);
		oauthd_wait_for_end(oauthd, signals);
		oauthd_notify_stopping();
		oauthd_event("stopping", NULL);
		ret = EXIT_SUCCESS;
	} else {
		oauthd_log("%s", error);
	}
	oauthd_monitor_stop(&monitor);
	oauthd_httpd_stop(&httpd);
	oauthd_broker_stop(&broker);
	if (oauthd->refresher != NULL &&
	    mstoken_refresher_flush(oauthd->refresher) > 0) {
		oauthd_log("ended with tokens that could not be stored: their "
			   "accounts go on with the older ones");
	}
	oauthd_close(oauthd);
	if (lock_fd != -1)
		(void)close(lock_fd);
	free(error);
	return ret;
}

static void usage(FILE *out)
{
	fprintf(out, "usage: msgraph-oauthd [-c FILE] [--check] [--version]\n"
		"  -c, --config FILE  configuration, default "
		OAUTHD_DEFAULT_CONFIG "\n"
		"  --check            read the configuration and end\n");
}

int main(int argc, char *argv[])
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "check", no_argument, NULL, 'C' },
		{ "foreground", no_argument, NULL, 'f' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 }
	};
	struct oauthd oauthd = { .config_lock = PTHREAD_RWLOCK_INITIALIZER };
	const char *path = OAUTHD_DEFAULT_CONFIG;
	bool check = false;
	const struct rlimit no_core = { 0 };
	sigset_t signals;
	char *error = NULL;
	int opt, ret;

	while ((opt = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
		switch (opt) {
		case 'c':
			path = optarg;
			break;
		case 'C':
			check = true;
			break;
		case 'f':
			/* always; kept for service files that say so */
			break;
		case 'h':
			usage(stdout);
			return EXIT_SUCCESS;
		case 'V':
			puts("msgraph-oauthd " MSGRAPH_VERSION);
			return EXIT_SUCCESS;
		default:
			usage(stderr);
			return EXIT_USAGE;
		}
	}
	if (optind < argc) {
		usage(stderr);
		return EXIT_USAGE;
	}
	oauthd.config_path = path;
	if (oauthd_config_read(path, &oauthd.config, &error) < 0) {
		oauthd_log("%s", error);
		free(error);
		return EXIT_CONFIG;
	}
	/* all threads inherit the mask; sigwait() takes them */
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGHUP);
	(void)pthread_sigmask(SIG_BLOCK, &signals, NULL);
	(void)signal(SIGPIPE, SIG_IGN);
	oauthd_raise_fd_limit();
	/* what a crowd has used is used by the next, whatever its thread */
	(void)mallopt(M_ARENA_MAX, 1);
	/* it would be full of tokens */
	(void)setrlimit(RLIMIT_CORE, &no_core);
	ret = check ? EXIT_SUCCESS : oauthd_serve(&oauthd, &signals);
	oauthd_free_config(&oauthd);
	return ret;
}
