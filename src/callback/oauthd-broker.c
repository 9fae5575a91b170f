#include "oauthd-broker.h"
#include "oauthd-admin.h"
#include "oauthd-admit.h"
#include "oauthd-device.h"
#include "oauthd-expiry.h"
#include "oauthd-links.h"
#include "oauthd-password.h"
#include "oauthd.h"
#include "broker-proto.h"
#include "mstoken-seal.h"
#include "msnet-buf.h"
#include "msnet-secret.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

/* requests at the same time; more wait in the socket's backlog */
#define BROKER_THREADS_MAX 64
/* a peer that says nothing is cut off */
#define BROKER_PEER_TIMEOUT_SECS 5
#define BROKER_USERS_MAX 64

struct oauthd_broker {
	struct oauthd *oauthd;
	int fd;
	int stop_pipe[2];
	pthread_t thread;

	pthread_mutex_t mutex;
	pthread_cond_t cond;
	unsigned int running;

	uid_t users[BROKER_USERS_MAX];
	unsigned int user_count;
};

struct broker_peer {
	struct oauthd_broker *broker;
	int fd;
	uid_t uid;
};

static bool peer_is_admin(const struct broker_peer *peer)
{
	return peer->uid == 0 || peer->uid == geteuid();
}

static bool peer_is_allowed(const struct broker_peer *peer)
{
	unsigned int i;

	for (i = 0; i < peer->broker->user_count; i++) {
		if (peer->broker->users[i] == peer->uid)
			return true;
	}
	return peer_is_admin(peer);
}

/*
 * Operations
 */

static enum broker_status status_from_state(enum mstoken_state state)
{
	switch (state) {
	case MSTOKEN_STATE_OK:
		return BROKER_OK;
	case MSTOKEN_STATE_NEEDS_CONSENT:
		return BROKER_NEEDS_CONSENT;
	case MSTOKEN_STATE_NEEDS_SIGN_IN:
	case MSTOKEN_STATE_REVOKED:
		return BROKER_NEEDS_SIGN_IN;
	case MSTOKEN_STATE_BLOCKED_BY_POLICY:
	case MSTOKEN_STATE_MISCONFIGURED:
		return BROKER_BLOCKED;
	case MSTOKEN_STATE_NOT_LINKED:
		return BROKER_UNKNOWN_ACCOUNT;
	case MSTOKEN_STATE_UNREACHABLE:
		break;
	}
	return BROKER_UNREACHABLE;
}

static void op_token(struct oauthd *oauthd, const struct broker_request *req,
		     struct broker_answer *answer)
{
	struct mstoken_failure fail;

	if (mstoken_refresher_get(oauthd->refresher, req->account,
				  req->rejected, req->claims, &answer->token,
				  &answer->expires_in, &fail) == 0) {
		answer->status = BROKER_OK;
		return;
	}
	answer->status = status_from_state(fail.state);
	answer->message = msnet_strdup(fail.message);
	/* what the user can mend, the user gets a link for */
	if (answer->status == BROKER_NEEDS_CONSENT ||
	    answer->status == BROKER_NEEDS_SIGN_IN)
		answer->url = oauthd_links_relink_url(oauthd->links,
						      req->account);
}

static char *store_error(struct oauthd *oauthd, const char *verb)
{
	struct msnet_buf buf = { 0 };

	msnet_buf_printf(&buf, "the account store cannot be %s: %s", verb,
			 mstoken_store_error(oauthd->store));
	return msnet_buf_steal(&buf);
}

/* Nobody has to sign in. */
static void op_link_app_only(struct oauthd *oauthd,
			     const struct mstoken_app *app,
			     const char *address, struct broker_answer *answer)
{
	struct mstoken_failure fail;

	if (oauthd_admit_app_only(oauthd, app, address, &fail) ==
	    OAUTHD_LINK_OK) {
		answer->status = BROKER_OK;
		answer->message = msnet_strdup("linked, without a sign-in: the "
			"registration has app_only = yes; give Dovecot "
			"msgraph_mailbox = %u");
		oauthd_event("linked", "account", address, NULL);
		return;
	}
	oauthd_event_failure("link_failed", address, &fail);
	answer->status = status_from_state(fail.state);
	answer->message = msnet_strdup(fail.message);
}

static void op_link(struct oauthd *oauthd, const struct broker_request *req,
		    struct broker_answer *answer)
{
	struct mstoken_failure fail;
	struct mstoken_app app;
	bool app_only;

	if (strchr(req->account, '@') == NULL) {
		answer->message = msnet_strdup(
			"the account must be an e-mail address");
		return;
	}
	if (oauthd_app_get_for(oauthd, req->account, &app) < 0) {
		oauthd_fail_no_registration(req->account, &fail);
		answer->message = msnet_strdup(fail.message);
		return;
	}
	app_only = app.app_only;
	if (app_only)
		op_link_app_only(oauthd, &app, req->account, answer);
	oauthd_app_release(oauthd, &app);
	if (app_only)
		return;
	if (oauthd_links_invite(oauthd->links, req->account,
				 &answer->url) == 0) {
		answer->status = BROKER_OK;
	} else {
		answer->message = store_error(oauthd, "written");
	}
}

static void device_answer(struct oauthd *oauthd, struct oauthd_link_end *end,
			  struct broker_answer *answer)
{
	struct msnet_buf buf = { 0 };

	switch (end->result) {
	case OAUTHD_LINK_WAITS_FOR_CODE:
		answer->status = BROKER_PENDING;
		answer->url = msnet_strdup(end->verification_url);
		answer->user_code = msnet_strdup(end->user_code);
		break;
	case OAUTHD_LINK_OK:
		answer->status = BROKER_OK;
		oauthd_event("linked", "account", end->address, NULL);
		break;
	case OAUTHD_LINK_WRONG_ACCOUNT:
		msnet_buf_printf(&buf, "%s signed in, and that is not the "
			"account of %s: nothing was stored",
			end->username == NULL ? "another account" :
			end->username, end->address);
		answer->message = msnet_buf_steal(&buf);
		break;
	case OAUTHD_LINK_NO_STATE:
		answer->message = msnet_strdup("no code is waited for: "
			"start again with msgraphctl link --device");
		break;
	default:
		oauthd_event_failure("link_failed", end->address, &end->fail);
		answer->status = status_from_state(end->fail.state);
		answer->message = msnet_strdup(end->fail.message);
		break;
	}
	oauthd_link_end_deinit(end);
}

static void op_device(struct oauthd *oauthd, const struct broker_request *req,
		      struct broker_answer *answer)
{
	struct oauthd_device_key key = { .address = req->account };
	struct oauthd_link_end end;

	oauthd_devices_start(oauthd->devices, &key, &end);
	device_answer(oauthd, &end, answer);
}

static void op_device_poll(struct oauthd *oauthd,
			   const struct broker_request *req,
			   struct broker_answer *answer)
{
	struct oauthd_device_key key = { .address = req->account };
	struct oauthd_link_end end;

	oauthd_devices_poll(oauthd->devices, &key, &end);
	device_answer(oauthd, &end, answer);
}

static void op_unlink(struct oauthd *oauthd, const struct broker_request *req,
		      struct broker_answer *answer)
{
	int ret = oauthd_unlink(oauthd, req->account, "msgraphctl");

	answer->status = ret > 0 ? BROKER_OK : ret == 0 ?
		BROKER_UNKNOWN_ACCOUNT : BROKER_UNAVAILABLE;
	answer->message = ret < 0 ? store_error(oauthd, "written") :
		msnet_strdup(ret > 0 ? "unlinked" :
			     "the account is not linked");
}

static void op_password(struct oauthd *oauthd, const struct broker_request *req,
			struct broker_answer *answer)
{
	int ret = oauthd_password_make(oauthd, req->account, &answer->password);

	answer->status = ret > 0 ? BROKER_OK : ret == 0 ?
		BROKER_UNKNOWN_ACCOUNT : BROKER_UNAVAILABLE;
	if (ret <= 0)
		answer->message = ret < 0 ? store_error(oauthd, "written") :
			msnet_strdup("the account is not linked");
}

static void op_revoke(struct oauthd *oauthd, const struct broker_request *req,
		      struct broker_answer *answer)
{
	int ret = mstoken_store_delete_password(oauthd->store, req->account);

	answer->status = ret > 0 ? BROKER_OK : ret == 0 ?
		BROKER_UNKNOWN_ACCOUNT : BROKER_UNAVAILABLE;
	answer->message = ret < 0 ? store_error(oauthd, "written") :
		msnet_strdup(ret > 0 ? "revoked" :
			     "the account has no app password");
}

static void op_rekey(struct oauthd *oauthd, const struct broker_request *req,
		     struct broker_answer *answer)
{
	struct msnet_buf buf = { 0 };
	struct mstoken_rekey rekey;
	char *id;

	if (mstoken_seal_reload(oauthd->seal, &answer->message) < 0)
		return;
	if (mstoken_store_rekey(oauthd->store, &rekey) < 0) {
		answer->message = store_error(oauthd, "written");
		return;
	}
	id = mstoken_seal_newest_id(oauthd->seal);
	msnet_buf_printf(&buf, "%u sealed anew with key %s, %u were so before",
			 rekey.resealed, id, rekey.current);
	if (rekey.unopened > 0) {
		msnet_buf_printf(&buf, "; %u cannot be opened with any key of "
			"key_file and this client_id: put the key back, or "
			"link these accounts again", rekey.unopened);
	} else {
		msnet_buf_add(&buf, "; older keys are not needed any more");
		answer->status = BROKER_OK;
	}
	answer->message = msnet_buf_steal(&buf);
	free(id);
}

static void add_time(struct msnet_buf *buf, int64_t t)
{
	time_t tt = (time_t)t;
	char text[32];
	struct tm tm;

	if (t == 0 || gmtime_r(&tt, &tm) == NULL)
		strcpy(text, "never");
	else
		(void)strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
	msnet_buf_add(buf, text);
}

static void add_account(struct msnet_buf *buf,
			const struct mstoken_account *account)
{
	if (buf->used > 0)
		msnet_buf_add(buf, "\n");
	msnet_buf_printf(buf, "%s %s since ", account->address,
			 mstoken_state_name(account->state));
	add_time(buf, account->state_since);
	msnet_buf_add(buf, ", token renewed ");
	add_time(buf, account->refreshed_at);
	if (account->state_text[0] != '\0')
		msnet_buf_printf(buf, ": %s", account->state_text);
}

static void op_status(struct oauthd *oauthd, const struct broker_request *req,
		      struct broker_answer *answer)
{
	struct mstoken_account *accounts;
	struct msnet_buf buf = { 0 };
	enum mstoken_state worst = MSTOKEN_STATE_OK;
	unsigned int i, count;
	bool found = req->account == NULL;

	if (mstoken_store_list(oauthd->store, &accounts, &count) < 0) {
		answer->message = store_error(oauthd, "read");
		return;
	}
	for (i = 0; i < count; i++) {
		if (req->account != NULL &&
		    strcasecmp(accounts[i].address, req->account) != 0)
			continue;
		found = true;
		add_account(&buf, &accounts[i]);
		if (accounts[i].state != MSTOKEN_STATE_OK)
			worst = accounts[i].state;
	}
	mstoken_accounts_free(&accounts, count);
	if (req->account == NULL) {
		if (count == 0)
			msnet_buf_add(&buf, "no account is linked");
		oauthd_expiry_describe(oauthd, &buf);
	}
	answer->status = found ? status_from_state(worst) :
		BROKER_UNKNOWN_ACCOUNT;
	answer->message = buf.used > 0 ? msnet_buf_steal(&buf) :
		msnet_strdup("the account is not linked");
}

static const struct {
	const char *name;
	bool admin, needs_account;
	void (*run)(struct oauthd *oauthd, const struct broker_request *req,
		    struct broker_answer *answer);
} ops[] = {
	{ "token", false, true, op_token },
	{ "link", true, true, op_link },
	{ "device", true, true, op_device },
	{ "device-poll", true, true, op_device_poll },
	{ "unlink", true, true, op_unlink },
	{ "password", true, true, op_password },
	{ "rekey", true, false, op_rekey },
	{ "revoke-password", true, true, op_revoke },
	{ "status", true, false, op_status },
};

static void
broker_answer_request(const struct broker_peer *peer, const char *line,
		      size_t size, struct broker_answer *answer)
{
	struct broker_request req;
	size_t i, count = sizeof(ops) / sizeof(ops[0]);

	answer->status = BROKER_UNAVAILABLE;
	if (broker_request_parse(line, size, &req) < 0) {
		answer->message = msnet_strdup("the request makes no sense");
		return;
	}
	for (i = 0; i < count; i++) {
		if (strcmp(ops[i].name, req.op) == 0)
			break;
	}
	if (i == count)
		answer->message = msnet_strdup("no such operation");
	else if (!peer_is_allowed(peer) ||
		 (ops[i].admin && !peer_is_admin(peer))) {
		answer->status = BROKER_FORBIDDEN;
		answer->message = msnet_strdup(
			"this user may not ask msgraph-oauthd for that: see "
			"broker_users in its configuration");
	} else if (ops[i].needs_account && req.account == NULL)
		answer->message = msnet_strdup("the account is missing");
	else
		ops[i].run(peer->broker->oauthd, &req, answer);
	broker_request_deinit(&req);
}

/*
 * Connections
 */

static ssize_t broker_read_line(int fd, char *line)
{
	time_t deadline = time(NULL) + BROKER_PEER_TIMEOUT_SECS;
	size_t used = 0;
	ssize_t ret;

	while (used < BROKER_LINE_MAX && time(NULL) <= deadline) {
		ret = read(fd, line + used, BROKER_LINE_MAX - used);
		if (ret < 0 && errno == EINTR)
			continue;
		if (ret <= 0)
			return -1;
		used += (size_t)ret;
		if (memchr(line + used - (size_t)ret, '\n',
			   (size_t)ret) != NULL)
			return (ssize_t)used;
	}
	return -1;
}

static void broker_send(int fd, const char *line)
{
	size_t size = strlen(line), sent = 0;
	ssize_t ret;

	while (sent < size) {
		ret = send(fd, line + sent, size - sent, MSG_NOSIGNAL);
		if (ret < 0 && errno == EINTR)
			continue;
		if (ret <= 0)
			return;
		sent += (size_t)ret;
	}
}

static void *broker_peer_run(void *context)
{
	struct broker_peer *peer = context;
	struct oauthd_broker *broker = peer->broker;
	struct broker_answer answer = { 0 };
	char *line = msnet_malloc(BROKER_LINE_MAX), *text;
	ssize_t size = broker_read_line(peer->fd, line);

	if (size > 0) {
		broker_answer_request(peer, line, (size_t)size, &answer);
		text = broker_answer_format(&answer);
		broker_send(peer->fd, text);
		msnet_secret_free(&text);
		broker_answer_deinit(&answer);
	}
	free(line);
	(void)close(peer->fd);
	free(peer);
	pthread_mutex_lock(&broker->mutex);
	broker->running--;
	pthread_cond_broadcast(&broker->cond);
	pthread_mutex_unlock(&broker->mutex);
	return NULL;
}

static void broker_accept(struct oauthd_broker *broker)
{
	struct timeval timeout = { .tv_sec = BROKER_PEER_TIMEOUT_SECS };
	struct broker_peer *peer;
	struct ucred cred;
	socklen_t len = sizeof(cred);
	pthread_attr_t attr;
	pthread_t thread;
	int fd;

	fd = accept4(broker->fd, NULL, NULL, SOCK_CLOEXEC);
	if (fd == -1) {
		/* out of descriptors: the peer waits in the backlog */
		if (errno == EMFILE || errno == ENFILE)
			(void)poll(NULL, 0, 100);
		return;
	}
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0) {
		(void)close(fd);
		return;
	}
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout,
			 sizeof(timeout));
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout,
			 sizeof(timeout));
	peer = msnet_malloc(sizeof(*peer));
	peer->broker = broker;
	peer->fd = fd;
	peer->uid = cred.uid;

	pthread_mutex_lock(&broker->mutex);
	while (broker->running >= BROKER_THREADS_MAX)
		pthread_cond_wait(&broker->cond, &broker->mutex);
	broker->running++;
	pthread_mutex_unlock(&broker->mutex);

	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	if (pthread_create(&thread, &attr, broker_peer_run, peer) != 0) {
		(void)close(fd);
		free(peer);
		pthread_mutex_lock(&broker->mutex);
		broker->running--;
		pthread_mutex_unlock(&broker->mutex);
	}
	pthread_attr_destroy(&attr);
}

static void *broker_run(void *context)
{
	struct oauthd_broker *broker = context;
	struct pollfd pfds[2] = {
		{ .fd = broker->fd, .events = POLLIN },
		{ .fd = broker->stop_pipe[0], .events = POLLIN },
	};

	for (;;) {
		if (poll(pfds, 2, -1) < 0 && errno != EINTR)
			break;
		if (pfds[1].revents != 0)
			break;
		if (pfds[0].revents != 0)
			broker_accept(broker);
	}
	return NULL;
}

static char *broker_error(const char *path, const char *reason)
{
	struct msnet_buf buf = { 0 };

	msnet_buf_printf(&buf, "broker = %s: %s", path, reason);
	return msnet_buf_steal(&buf);
}

static int broker_listen(const char *path, unsigned int mode, char **error_r)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	struct stat st;
	int fd;

	if (strlen(path) >= sizeof(sa.sun_path)) {
		*error_r = broker_error(path, "the path is too long");
		return -1;
	}
	strcpy(sa.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd == -1) {
		*error_r = broker_error(path, strerror(errno));
		return -1;
	}
	if (connect(fd, (struct sockaddr *)&sa, sizeof(sa)) == 0) {
		*error_r = broker_error(path, "another daemon serves it");
		(void)close(fd);
		return -1;
	}
	/* left behind by a daemon that was killed */
	if (lstat(path, &st) == 0 && S_ISSOCK(st.st_mode))
		(void)unlink(path);
	if (bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 ||
	    chmod(path, mode) < 0 || listen(fd, SOMAXCONN) < 0) {
		*error_r = broker_error(path, strerror(errno));
		(void)close(fd);
		return -1;
	}
	return fd;
}

/* Returns -1 and a text for an unknown name. */
static int
broker_parse_users(struct oauthd_broker *broker, const char *text,
		   char **error_r)
{
	char *copy = msnet_strdup(text), *word, *save = NULL, *end;
	int ret = 0;

	for (word = copy == NULL ? NULL : strtok_r(copy, " ,\t", &save);
	     word != NULL && ret == 0; word = strtok_r(NULL, " ,\t", &save)) {
		unsigned long uid = strtoul(word, &end, 10);
		struct passwd *pw;

		if (*end != '\0') {
			pw = getpwnam(word);
			if (pw == NULL)
				ret = -1;
			else
				uid = pw->pw_uid;
		}
		if (broker->user_count == BROKER_USERS_MAX)
			ret = -1;
		if (ret == 0)
			broker->users[broker->user_count++] = (uid_t)uid;
	}
	free(copy);
	if (ret < 0)
		*error_r = broker_error("broker_users",
			"an unknown user name, or more than 64 of them");
	return ret;
}

struct oauthd_broker *oauthd_broker_start(struct oauthd *oauthd,
					  char **error_r)
{
	struct oauthd_broker *broker = msnet_malloc(sizeof(*broker));

	broker->oauthd = oauthd;
	broker->fd = -1;
	pthread_mutex_init(&broker->mutex, NULL);
	pthread_cond_init(&broker->cond, NULL);
	if (broker_parse_users(broker, oauthd->config.broker_users,
			       error_r) < 0 ||
	    (broker->fd = broker_listen(oauthd->config.broker,
					oauthd->config.broker_mode,
					error_r)) == -1) {
		free(broker);
		return NULL;
	}
	if (pipe2(broker->stop_pipe, O_CLOEXEC) < 0 ||
	    pthread_create(&broker->thread, NULL, broker_run, broker) != 0) {
		*error_r = broker_error(oauthd->config.broker,
					strerror(errno));
		(void)close(broker->fd);
		free(broker);
		return NULL;
	}
	return broker;
}

void oauthd_broker_stop(struct oauthd_broker **_broker)
{
	struct oauthd_broker *broker = *_broker;

	if (broker == NULL)
		return;
	*_broker = NULL;
	(void)unlink(broker->oauthd->config.broker);
	(void)close(broker->stop_pipe[1]);
	(void)pthread_join(broker->thread, NULL);
	pthread_mutex_lock(&broker->mutex);
	while (broker->running > 0)
		pthread_cond_wait(&broker->cond, &broker->mutex);
	pthread_mutex_unlock(&broker->mutex);
	(void)close(broker->stop_pipe[0]);
	(void)close(broker->fd);
	pthread_cond_destroy(&broker->cond);
	pthread_mutex_destroy(&broker->mutex);
	free(broker);
}
