#include "oauthd-admit.h"
#include "oauthd.h"
#include "graph-client.h"
#include "graph-user.h"
#include "msnet-buf.h"
#include "msnet-transport.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static int admit_get_token(void *context, const char *rejected,
			   const char *claims, const char **token_r,
			   struct graph_failure *fail_r)
{
	const struct mstoken_grant *grant = context;

	if (rejected != NULL) {
		graph_failure_set(fail_r, GRAPH_ERROR_AUTH,
				  "Graph refused the new token%s",
				  claims == NULL ? "" : " for want of claims");
		return -1;
	}
	*token_r = grant->access_token;
	return 0;
}

static enum oauthd_link_result
admit_fail(struct mstoken_failure *fail, enum mstoken_state state,
	   const char *what, const char *detail)
{
	memset(fail, 0, sizeof(*fail));
	fail->state = state;
	snprintf(fail->message, sizeof(fail->message), "%s%s%.300s", what,
		 *detail == '\0' ? "" : ": ", detail);
	return OAUTHD_LINK_FAILED;
}

void oauthd_fail_no_registration(const char *address,
				 struct mstoken_failure *fail_r)
{
	const char *at = strrchr(address, '@');

	(void)admit_fail(fail_r, MSTOKEN_STATE_MISCONFIGURED,
		"no app registration in the configuration serves this domain: "
		"add it to the domains of a [registration]",
		at == NULL ? address : at + 1);
}

static struct graph_client *
admit_client(const struct mstoken_app *app, const char *mailbox,
	     struct msnet_transport *transport, struct mstoken_grant *grant)
{
	struct graph_client_settings set = {
		.base_url = app->graph_url, .mailbox = mailbox,
		.transport = transport,
		.request_timeout_msecs = OAUTHD_TIMEOUT_MSECS,
		.get_token = admit_get_token, .context = grant,
	};

	return graph_client_create(&set);
}

/* 1: the address is linked to this tenant and object id, 2: to another one,
   0: to none, -1: the store cannot be read. */
static int admit_known(struct oauthd *oauthd, const char *address,
		       const char *tid, const char *oid)
{
	struct mstoken_account account;
	int ret = mstoken_store_get(oauthd->store, address, &account);

	if (ret > 0 && (strcmp(account.tid, tid) != 0 ||
			strcmp(account.oid, oid) != 0))
		ret = 2;
	mstoken_account_deinit(&account);
	return ret;
}

static enum oauthd_link_result
admit_store(struct oauthd *oauthd, const struct mstoken_app *app,
	    struct mstoken_account *account, const char *invitation,
	    struct mstoken_failure *fail_r)
{
	int ret;

	account->registration = (char *)app->name;
	ret = mstoken_store_link(oauthd->store, account, invitation);
	if (ret < 0) {
		return admit_fail(fail_r, MSTOKEN_STATE_UNREACHABLE,
				  "the account store cannot be written",
				  mstoken_store_error(oauthd->store));
	}
	return ret == 0 ? OAUTHD_LINK_WRONG_ACCOUNT : OAUTHD_LINK_OK;
}

/* Is it an address of the account at all? */
static enum oauthd_link_result
admit_ask_graph(const struct mstoken_app *app, struct msnet_transport *transport,
		struct mstoken_grant *grant, const char *address,
		struct mstoken_failure *fail_r)
{
	struct graph_client *client = admit_client(app, "me", transport, grant);
	enum oauthd_link_result result = OAUTHD_LINK_OK;
	struct graph_failure graph_fail;
	struct graph_user user;

	if (graph_user_get(client, &user, &graph_fail) < 0) {
		result = admit_fail(fail_r, MSTOKEN_STATE_UNREACHABLE,
			"Microsoft Graph could not tell whose account it is",
			graph_fail.message);
	} else {
		if (!oauthd_links_is_own_address(address,
				user.user_principal_name, user.mail,
				user.proxy_addresses))
			result = OAUTHD_LINK_WRONG_ACCOUNT;
		graph_user_deinit(&user);
	}
	graph_client_destroy(&client);
	return result;
}

enum oauthd_link_result
oauthd_admit(struct oauthd *oauthd, struct msnet_transport *transport,
	     const struct mstoken_app *app, struct mstoken_grant *grant,
	     const char *address, const char *invitation,
	     struct mstoken_failure *fail_r)
{
	char empty[] = "";
	struct mstoken_account account = {
		.address = (char *)address, .tid = grant->tid,
		.oid = grant->oid,
		.username = grant->username != NULL ? grant->username : empty,
		.refresh_token = grant->refresh_token,
		.access_token = grant->access_token,
		.access_expires = (int64_t)time(NULL) + grant->expires_in,
	};
	enum oauthd_link_result result = OAUTHD_LINK_OK;
	int known = admit_known(oauthd, address, grant->tid, grant->oid);

	if (known < 0) {
		return admit_fail(fail_r, MSTOKEN_STATE_UNREACHABLE,
				  "the account store cannot be read",
				  mstoken_store_error(oauthd->store));
	}
	if (known == 2)
		return OAUTHD_LINK_WRONG_ACCOUNT;
	if (known == 0)
		result = admit_ask_graph(app, transport, grant, address,
					 fail_r);
	if (result != OAUTHD_LINK_OK)
		return result;
	if (grant->refresh_token == NULL) {
		return admit_fail(fail_r, MSTOKEN_STATE_MISCONFIGURED,
			"the login host gave no refresh token: the permission "
			"offline_access is missing in the app registration",
			"");
	}
	return admit_store(oauthd, app, &account, invitation, fail_r);
}

/*
 * Without a user
 */

static enum oauthd_link_result
app_only_fail(const struct graph_failure *graph_fail, const char *what,
	      struct mstoken_failure *fail_r)
{
	/* whatever the code of a 404 says: ErrorInvalidUser, ResourceNotFound */
	if (graph_fail->status == 404) {
		return admit_fail(fail_r, MSTOKEN_STATE_MISCONFIGURED,
			"the tenant has no mailbox of this address",
			graph_fail->message);
	}
	if (graph_fail->error == GRAPH_ERROR_PERM) {
		return admit_fail(fail_r, MSTOKEN_STATE_BLOCKED_BY_POLICY,
				  what, graph_fail->message);
	}
	return admit_fail(fail_r, MSTOKEN_STATE_UNREACHABLE,
		"Microsoft Graph could not be asked for the mailbox",
		graph_fail->message);
}

static enum oauthd_link_result
app_only_check(const struct mstoken_app *app, struct msnet_transport *transport,
	       struct mstoken_grant *grant, const char *address,
	       struct graph_user *user_r, struct mstoken_failure *fail_r)
{
	struct graph_client *client = admit_client(app, address, transport,
						   grant);
	enum oauthd_link_result result = OAUTHD_LINK_OK;
	struct graph_failure fail;

	if (graph_user_get(client, user_r, &fail) < 0) {
		result = app_only_fail(&fail, "the application may not look "
			"up users: an administrator of Microsoft 365 must "
			"grant it the application permission User.Read.All",
			fail_r);
	} else if (!oauthd_links_is_own_address(address,
			user_r->user_principal_name, user_r->mail,
			user_r->proxy_addresses)) {
		result = OAUTHD_LINK_WRONG_ACCOUNT;
	} else if (graph_user_check_mailbox(client, &fail) < 0) {
		result = app_only_fail(&fail, "the application may not open "
			"this mailbox: an administrator of Microsoft 365 must "
			"grant it the application permission Mail.ReadWrite, "
			"and an application access policy of Exchange must "
			"not leave this mailbox out", fail_r);
	}
	graph_client_destroy(&client);
	return result;
}

enum oauthd_link_result
oauthd_admit_app_only(struct oauthd *oauthd, const struct mstoken_app *app,
		      const char *address, struct mstoken_failure *fail_r)
{
	struct msnet_transport *transport = oauthd_transport_create(oauthd);
	enum oauthd_link_result result = OAUTHD_LINK_REFUSED;
	struct mstoken_account account = { .address = (char *)address };
	struct graph_user user;
	struct mstoken_grant grant;

	memset(&user, 0, sizeof(user));
	memset(fail_r, 0, sizeof(*fail_r));
	if (mstoken_flow_app_only(transport, app, NULL, OAUTHD_TIMEOUT_MSECS,
				  &grant, fail_r) == 0) {
		result = app_only_check(app, transport, &grant, address, &user,
					fail_r);
	}
	if (result == OAUTHD_LINK_OK) {
		account.tid = (char *)app->tenant;
		account.oid = user.id;
		account.username = user.user_principal_name;
		account.access_token = grant.access_token;
		account.access_expires = (int64_t)time(NULL) +
			grant.expires_in;
		result = admit_store(oauthd, app, &account, NULL, fail_r);
	}
	if (result == OAUTHD_LINK_WRONG_ACCOUNT) {
		(void)admit_fail(fail_r, MSTOKEN_STATE_MISCONFIGURED,
			"the address is linked to another account, or is not "
			"one of the account that Microsoft Graph finds under "
			"it: unlink it first", "");
	}
	graph_user_deinit(&user);
	mstoken_grant_deinit(&grant);
	msnet_transport_destroy(&transport);
	return result;
}
