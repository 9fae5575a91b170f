/* msgraphctl probe: from the configuration to the header of one message, each
   step a line. */

#include "cli.h"
#include "oauthd-config.h"
#include "oauthd-registration.h"
#include "probe-net.h"
#include "probe-report.h"
#include "probe-token.h"
#include "broker-proto.h"
#include "graph-error.h"
#include "graph-json.h"
#include "msnet-buf.h"
#include "msnet-secret.h"
#include "msnet-transport.h"
#include "mstoken-aadsts.h"

#include <curl/curl.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PROBE_TIMEOUT_MSECS 15000
/* the login host takes assertions of five minutes ago, tokens are alike */
#define CLOCK_SKEW_MAX_SECS 240

struct probe {
	const struct cli *cli;
	/* NULL without a configuration */
	const struct oauthd_registration *config;
	struct probe_report report;
	struct msnet_transport *transport;
	char *token;
	/* longest Retry-After of Graph in seconds, 0 = none; and answers */
	unsigned int throttled_secs, answers;
};

/* One GET, with the token if there is one. Never NULL. */
static struct msnet_response *
probe_get(struct probe *probe, const char *base, const char *path)
{
	struct msnet_request *req;
	struct msnet_buf buf = { 0 };

	msnet_buf_printf(&buf, "%s%s", base, path);
	req = msnet_request_create("GET", buf.data);
	msnet_buf_free(&buf);
	req->timeout_msecs = PROBE_TIMEOUT_MSECS;
	if (probe->token != NULL) {
		msnet_buf_printf(&buf, "Bearer %s", probe->token);
		(void)msnet_request_add_header(req, "Authorization", buf.data);
		msnet_secret_wipe(buf.data, buf.used);
		msnet_buf_free(&buf);
	}
	return msnet_transport_perform(probe->transport, req);
}

/*
 * TLS, clock, login host
 */

static const char *network_remedy(const struct msnet_response *resp)
{
	if (resp->result == MSNET_TLS_FAILED)
		return "install ca-certificates, set ca_file if a proxy "
			"inspects TLS, and check the clock of this server";
	if (resp->result == MSNET_TIMEOUT)
		return "look at the network and its proxies: the connection is "
			"there, but no answer comes";
	return "look at the firewall and proxies between this server and "
		"Microsoft";
}

/* Steps "WHAT TLS" and the clock. */
static bool
probe_tls(struct probe *probe, const char *what,
	  const struct msnet_response *resp)
{
	const char *date = msnet_response_header(resp, "Date");
	char step[64];
	long skew;

	snprintf(step, sizeof(step), "%s TLS", what);
	if (resp->result != MSNET_OK) {
		probe_fail(&probe->report, step, network_remedy(resp), "%s",
			   resp->error);
		return false;
	}
	probe_ok(&probe->report, step, "the certificate is trusted");
	if (date == NULL)
		return true;
	skew = (long)(time(NULL) - curl_getdate(date, NULL));
	snprintf(step, sizeof(step), "%s clock", what);
	if (labs(skew) > CLOCK_SKEW_MAX_SECS)
		probe_fail(&probe->report, step, "set the clock of this "
			   "server, for example with systemd-timesyncd",
			   "this server is %ld seconds %s", labs(skew),
			   skew > 0 ? "ahead" : "behind");
	else
		probe_ok(&probe->report, step, "%ld seconds apart",
			 labs(skew));
	return true;
}

static void
probe_login_answer(struct probe *probe, const struct msnet_response *resp)
{
	static const char step[] = "login host configuration";
	struct json_object *obj = resp->body == NULL ? NULL :
		graph_json_parse(resp->body, (size_t)resp->body_size);
	const char *endpoint = obj == NULL ? NULL :
		graph_json_string(obj, "token_endpoint");
	const char *text = obj == NULL ? NULL :
		graph_json_string(obj, "error_description");
	unsigned int code = mstoken_aadsts_code(text);

	if (resp->status == 200 && endpoint != NULL)
		probe_ok(&probe->report, step, "tenant %s is known",
			 probe->config->tenant);
	else if (code != 0)
		probe_fail(&probe->report, step, mstoken_aadsts_find(NULL,
			   code)->remedy, "AADSTS%u: %s", code,
			   mstoken_aadsts_find(NULL, code)->cause);
	else
		probe_fail(&probe->report, step, "check login_url and tenant; "
			   "a proxy may answer in the login host's place",
			   "status %d and no description of the tenant %s",
			   resp->status, probe->config->tenant);
	json_object_put(obj);
}

static void probe_login_host(struct probe *probe)
{
	const struct oauthd_registration *config = probe->config;
	struct msnet_response *resp;
	struct msnet_buf path = { 0 };

	if (!probe_net(&probe->report, "login host", config->login_url)) {
		probe_skip(&probe->report, "login host TLS",
			   "the host is not reached");
		probe_skip(&probe->report, "login host configuration",
			   "the host is not reached");
		return;
	}
	msnet_buf_add(&path, "/");
	msnet_buf_add_escaped(&path, config->tenant);
	msnet_buf_add(&path, "/v2.0/.well-known/openid-configuration");
	resp = probe_get(probe, config->login_url, path.data);
	if (probe_tls(probe, "login host", resp))
		probe_login_answer(probe, resp);
	else
		probe_skip(&probe->report, "login host configuration",
			   "there is no safe connection");
	msnet_response_free(&resp);
	msnet_buf_free(&path);
}

/*
 * Daemon and token
 */

static const char *broker_remedy(enum broker_status status)
{
	switch (status) {
	case BROKER_NEEDS_CONSENT:
	case BROKER_NEEDS_SIGN_IN:
		return "open the link that is given here, or make one with "
			"msgraphctl link";
	case BROKER_UNKNOWN_ACCOUNT:
		return "msgraphctl link ADDRESS";
	case BROKER_FORBIDDEN:
		return "run msgraphctl as root or as the daemon's user";
	case BROKER_UNAVAILABLE:
		return "start msgraph-oauthd and look at its log; broker in "
			"its configuration is the socket";
	case BROKER_UNREACHABLE:
		return "see the steps of the login host";
	case BROKER_PENDING:
	case BROKER_BLOCKED:
	case BROKER_OK:
		break;
	}
	return "see the message";
}

static void probe_token(struct probe *probe)
{
	struct broker_answer answer;
	const char *message;

	cli_request(probe->cli, "token", &answer);
	message = answer.message != NULL ? answer.message :
		broker_status_name(answer.status);
	if (answer.status == BROKER_UNAVAILABLE) {
		probe_fail(&probe->report, "daemon",
			   broker_remedy(answer.status), "%s: %s",
			   probe->cli->socket_path, message);
		probe_skip(&probe->report, "token", "no daemon");
	} else {
		probe_ok(&probe->report, "daemon", "%s answers",
			 probe->cli->socket_path);
		if (answer.status != BROKER_OK)
			probe_fail(&probe->report, "token",
				   broker_remedy(answer.status), "%s%s%s",
				   message, answer.url == NULL ? "" : " ",
				   answer.url == NULL ? "" : answer.url);
		else
			probe_ok(&probe->report, "token",
				 "in hand, valid for %u seconds",
				 answer.expires_in);
	}
	probe->token = answer.token;
	answer.token = NULL;
	broker_answer_deinit(&answer);
}

static void probe_token_contents(struct probe *probe)
{
	static const char step[] = "token contents";
	const struct oauthd_registration *config = probe->config;
	const char *remedy;
	char text[512];

	if (probe->token == NULL)
		probe_skip(&probe->report, step, "there is no token");
	else if (probe_token_check(probe->token, config->graph_url,
				   config->tenant, config->scope,
				   (int64_t)time(NULL), text, sizeof(text),
				   &remedy) < 0)
		probe_fail(&probe->report, step, remedy, "%s", text);
	else
		probe_ok(&probe->report, step, "%s", text);
}

/*
 * Graph
 */

static const char *graph_remedy(enum graph_error error)
{
	switch (error) {
	case GRAPH_ERROR_AUTH:
		return "link the account again; if that does not help, check "
			"graph_url and features";
	case GRAPH_ERROR_PERM:
		return "add the permission to the app registration, grant "
			"admin consent and link the account again; or the "
			"account has no mailbox";
	case GRAPH_ERROR_THROTTLED:
		return "wait; look for other programs that read this mailbox";
	case GRAPH_ERROR_NOT_FOUND:
	case GRAPH_ERROR_FOLDER_GONE:
		return "give the account a mailbox (an Exchange Online licence)";
	case GRAPH_ERROR_UNAVAILABLE:
	case GRAPH_ERROR_TIMEOUT:
	case GRAPH_ERROR_LOST:
		return "wait, and look at Microsoft 365's service health";
	default:
		return "check graph_url";
	}
}

/* Returns the JSON of a good answer, or NULL after the line. */
static struct json_object *
probe_graph_step(struct probe *probe, const char *step, const char *path)
{
	struct msnet_response *resp;
	struct json_object *obj = NULL;
	struct graph_failure fail;
	const char *wait;

	resp = probe_get(probe, probe->config->graph_url, path);
	if (resp->status != 0)
		probe->answers++;
	wait = msnet_response_header(resp, "Retry-After");
	if (resp->status == 429 || (resp->status == 503 && wait != NULL)) {
		unsigned int secs = graph_retry_after_parse(wait,
				(long)time(NULL)) / 1000;

		if (secs >= probe->throttled_secs)
			probe->throttled_secs = secs > 0 ? secs : 1;
	}
	if (resp->status == 200 && resp->body != NULL)
		obj = graph_json_parse(resp->body, (size_t)resp->body_size);
	if (obj == NULL && resp->status == 200)
		probe_fail(&probe->report, step, "check graph_url: a proxy may "
			   "answer in Graph's place", "the answer is no JSON");
	else if (obj == NULL) {
		graph_failure_from_response(&fail, step, resp, true);
		probe_fail(&probe->report, step, graph_remedy(fail.error),
			   "%s", fail.message);
	}
	msnet_response_free(&resp);
	return obj;
}

static bool user_has_address(struct json_object *user, const char *address)
{
	const char *names[] = {
		graph_json_string(user, "userPrincipalName"),
		graph_json_string(user, "mail")
	};
	unsigned int i, count = 0;
	struct json_object *list =
		graph_json_array(user, "proxyAddresses", &count);

	for (i = 0; i < 2; i++) {
		if (names[i] != NULL && strcasecmp(names[i], address) == 0)
			return true;
	}
	for (i = 0; i < count; i++) {
		const char *text = graph_json_text(
			json_object_array_get_idx(list, i));

		if (text != NULL && strncasecmp(text, "smtp:", 5) == 0 &&
		    strcasecmp(text + 5, address) == 0)
			return true;
	}
	return false;
}

static void probe_account(struct probe *probe)
{
	static const char step[] = "Graph account";
	struct json_object *obj = probe_graph_step(probe, step,
		"/v1.0/me?$select=id,userPrincipalName,mail,proxyAddresses");
	const char *name = obj == NULL ? NULL :
		graph_json_string(obj, "userPrincipalName");

	if (obj == NULL)
		return;
	if (user_has_address(obj, probe->cli->address))
		probe_ok(&probe->report, step, "signed in as %s", name);
	else
		probe_fail(&probe->report, step, "if the address has changed, "
			   "unlink the account and link the new address",
			   "the token is for %s, which does not have the "
			   "address %s any more", name == NULL ? "another" :
			   name, probe->cli->address);
	json_object_put(obj);
}

static void probe_folders(struct probe *probe)
{
	static const char step[] = "Graph folders";
	struct json_object *obj = probe_graph_step(probe, step,
		"/v1.0/me/mailFolders?$top=100&$select=id,totalItemCount");
	unsigned int count = 0;

	if (obj == NULL)
		return;
	(void)graph_json_array(obj, "value", &count);
	if (count > 0)
		probe_ok(&probe->report, step, "%u at the top", count);
	else
		probe_fail(&probe->report, step, "give the account a mailbox "
			   "(an Exchange Online licence)", "there is none");
	json_object_put(obj);
}

static void probe_message(struct probe *probe)
{
	static const char step[] = "Graph message header";
	struct json_object *obj = probe_graph_step(probe, step,
		"/v1.0/me/mailFolders/inbox/messages?$top=1"
		"&$select=id,receivedDateTime,internetMessageHeaders");
	struct json_object *list;
	unsigned int count = 0, headers = 0;
	const char *received;

	if (obj == NULL)
		return;
	list = graph_json_array(obj, "value", &count);
	if (count == 0)
		probe_ok(&probe->report, step, "the inbox is empty");
	else {
		list = json_object_array_get_idx(list, 0);
		received = graph_json_string(list, "receivedDateTime");
		(void)graph_json_array(list, "internetMessageHeaders",
				       &headers);
		probe_ok(&probe->report, step, "read: %u fields, received %s",
			 headers, received == NULL ? "at an unknown time" :
			 received);
	}
	json_object_put(obj);
}

static void probe_graph(struct probe *probe)
{
	static const char *const steps[] = {
		"Graph account", "Graph folders", "Graph message header",
		"Graph throttling"
	};
	struct msnet_response *resp = NULL;
	bool reached;
	size_t i;

	reached = probe_net(&probe->report, "Graph", probe->config->graph_url);
	if (reached) {
		char *token = probe->token;

		/* nobody gets the token before TLS is known to be good */
		probe->token = NULL;
		resp = probe_get(probe, probe->config->graph_url, "/v1.0/");
		probe->token = token;
		reached = probe_tls(probe, "Graph", resp);
		msnet_response_free(&resp);
	} else {
		probe_skip(&probe->report, "Graph TLS",
			   "the host is not reached");
	}
	if (!reached || probe->token == NULL) {
		for (i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
			probe_skip(&probe->report, steps[i], reached ?
				   "there is no token" :
				   "there is no safe connection");
		return;
	}
	probe_account(probe);
	probe_folders(probe);
	probe_message(probe);
	if (probe->throttled_secs > 0)
		probe_fail(&probe->report, "Graph throttling",
			   graph_remedy(GRAPH_ERROR_THROTTLED),
			   "Graph wants us to wait for %u seconds",
			   probe->throttled_secs);
	else
		probe_ok(&probe->report, "Graph throttling",
			 "none of %u answers", probe->answers);
}

int cmd_probe(const struct cli *cli)
{
	struct probe probe = { .cli = cli };
	struct msnet_tls_settings tls = {
		.user_agent = "msgraphctl/" MSGRAPH_VERSION,
	};

	probe_report_begin(&probe.report, cli->json);
	if (cli->config_error != NULL)
		probe_fail(&probe.report, "configuration",
			   "correct the file, or name another with -c", "%s",
			   cli->config_error);
	else if (cli->config == NULL)
		probe_skip(&probe.report, "configuration", "%s is not there, "
			   "so only the daemon is asked: name it with -c",
			   OAUTHD_DEFAULT_CONFIG);
	else {
		probe.config = oauthd_config_registration_for(cli->config,
							      cli->address);
		if (probe.config == NULL)
			probe_fail(&probe.report, "configuration",
				   "add its domain to a [registration NAME]",
				   "no app registration serves %s",
				   cli->address);
		else
			probe_ok(&probe.report, "configuration", "can be used");
	}
	if (cli->config != NULL && probe.config != NULL) {
		tls.ca_file = cli->config->ca_file;
		probe.transport = msnet_poll_transport_create(&tls);
		probe_login_host(&probe);
	}
	probe_token(&probe);
	if (probe.config != NULL) {
		probe_token_contents(&probe);
		probe_graph(&probe);
	}
	msnet_transport_destroy(&probe.transport);
	msnet_secret_free(&probe.token);
	return probe_report_end(&probe.report);
}
