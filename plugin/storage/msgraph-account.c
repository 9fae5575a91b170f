#include "lib.h"
#include "ioloop.h"
#include "mkdir-parents.h"
#include "safe-memset.h"
#include "mail-user.h"
#include "broker-client.h"
#include "broker-proto.h"
#include "msnet-transport.h"
#include "msgraph-account.h"
#include "msgraph-bodies.h"
#include "msgraph-folders.h"
#include "msgraph-settings.h"
#include "msgraph-storage.h"
#include "msgraph-transport.h"

/* ask for a new token when less than this is left */
#define TOKEN_MIN_LEFT_SECS 60

static void account_forget_token(struct msgraph_account *account)
{
	if (account->token != NULL)
		safe_memset(account->token, 0, strlen(account->token));
	i_free_and_null(account->token);
}

static enum graph_error account_error(enum broker_status status)
{
	switch (status) {
	case BROKER_UNREACHABLE:
	case BROKER_UNAVAILABLE:
		return GRAPH_ERROR_UNAVAILABLE;
	case BROKER_FORBIDDEN:
		return GRAPH_ERROR_PERM;
	default:
		return GRAPH_ERROR_CONSENT;
	}
}

static int
account_get_token(void *context, const char *rejected, const char *claims,
		  const char **token_r, struct graph_failure *fail_r)
{
	struct msgraph_account *account = context;
	struct broker_answer answer;
	int ret = -1;

	if (account->token != NULL && rejected == NULL &&
	    account->token_expires - time(NULL) > TOKEN_MIN_LEFT_SECS) {
		*token_r = account->token;
		return 0;
	}
	if (account->token != NULL && rejected != NULL &&
	    strcmp(account->token, rejected) != 0) {
		/* another request has renewed it already */
		*token_r = account->token;
		return 0;
	}
	broker_client_get_token(account->set->broker, account->set->account,
				rejected, claims,
				account->set->request_timeout * 1000, &answer);
	if (answer.status == BROKER_OK) {
		account_forget_token(account);
		account->token = i_strdup(answer.token);
		account->token_expires = time(NULL) + answer.expires_in;
		*token_r = account->token;
		ret = 0;
	} else {
		graph_failure_set(fail_r, account_error(answer.status),
			"%s%s%s", answer.message == NULL ?
			"msgraph-oauthd gave no token" : answer.message,
			answer.url == NULL ? "" : ": ",
			answer.url == NULL ? "" : answer.url);
	}
	broker_answer_deinit(&answer);
	return ret;
}

const char *msgraph_account_sign_in(struct msgraph_account *account,
				    const char **text_r)
{
	struct broker_answer answer;
	const char *state;

	broker_client_get_token(account->set->broker, account->set->account,
				NULL, NULL,
				account->set->request_timeout * 1000, &answer);
	state = broker_status_name(answer.status);
	*text_r = answer.status == BROKER_OK ? NULL :
		t_strconcat(answer.message == NULL ? state : answer.message,
			    answer.url == NULL ? NULL : ": ", answer.url, NULL);
	broker_answer_deinit(&answer);
	return state;
}

static void account_request_finished(void *context,
				     const struct graph_request_info *info)
{
	struct msgraph_account *account = context;
	struct event_passthrough *e =
		event_create_passthrough(account->event)->
		set_name("msgraph_request_finished")->
		add_str("method", info->method)->
		add_str("operation", info->what)->
		add_str("request_id", info->request_id)->
		add_int("status_code", info->status)->
		add_int("attempt", info->attempt)->
		add_int("bytes_in", info->bytes_in)->
		add_int("bytes_out", info->bytes_out);

	e_debug(e->event(), "%s: %s, status %d, try %u, %u ms", info->what,
		graph_error_name(info->error), info->status, info->attempt,
		info->msecs);
}

static void account_create_client(struct msgraph_account *account)
{
	struct msnet_tls_settings tls = {
		.ca_file = account->set->ca_file,
		.user_agent = "dovecot-msgraph/"MSGRAPH_VERSION,
	};
	const char *lock_dir = t_strconcat(account->root_dir, "/locks", NULL);
	struct graph_client_settings set = {
		.base_url = account->set->url,
		.mailbox = account->set->mailbox,
		.request_timeout_msecs = account->set->request_timeout * 1000,
		.get_token = account_get_token,
		.request_finished = account_request_finished,
		.context = account,
	};

	/* if that fails the limit is kept within this process */
	if (mkdir_parents(lock_dir, 0700) == 0 || errno == EEXIST)
		set.shared_dir = lock_dir;
	account->transport = msgraph_transport_create(&tls);
	set.transport = account->transport;
	account->client = graph_client_create(&set);
}

int msgraph_account_create(struct mail_user *user ATTR_UNUSED,
			   struct event *event, const char *root_dir,
			   const struct msgraph_settings *set,
			   struct msgraph_account **account_r,
			   const char **error_r ATTR_UNUSED)
{
	struct msgraph_account *account;
	pool_t pool = pool_alloconly_create("msgraph account", 1024);

	account = p_new(pool, struct msgraph_account, 1);
	account->pool = pool;
	account->refcount = 1;
	account->event = event_create(event);
	event_add_category(account->event, &event_category_msgraph);
	event_set_append_log_prefix(account->event, "msgraph: ");
	account->set = set;
	account->root_dir = p_strdup(pool, root_dir);
	account_create_client(account);
	account->folders = msgraph_folders_init(account,
		t_strconcat(root_dir, "/folders", NULL));
	account->bodies = msgraph_bodies_init(
		t_strconcat(root_dir, "/bodies", NULL), set->body_cache_size,
		account->event);
	*account_r = account;
	return 0;
}

void msgraph_account_ref(struct msgraph_account *account)
{
	i_assert(account->refcount > 0);
	account->refcount++;
}

void msgraph_account_unref(struct msgraph_account **_account)
{
	struct msgraph_account *account = *_account;

	*_account = NULL;
	if (--account->refcount > 0)
		return;
	i_free(account->status.last_id);
	i_free(account->status.settled_id);
	msgraph_folders_deinit(&account->folders);
	msgraph_bodies_deinit(&account->bodies);
	graph_client_destroy(&account->client);
	msnet_transport_destroy(&account->transport);
	account_forget_token(account);
	event_unref(&account->event);
	pool_unref(&account->pool);
}
