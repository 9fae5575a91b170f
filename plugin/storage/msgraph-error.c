#include "lib.h"
#include "mail-storage-private.h"
#include "mailbox-list-private.h"
#include "msgraph-account.h"
#include "msgraph-error.h"

/* The policy: what the client hears, and at which level the log. */
static const struct {
	enum graph_error error;
	enum mail_error mail_error;
	const char *text;		/* NULL = the failure's own */
} policy[] = {
	{ GRAPH_ERROR_AUTH, MAIL_ERROR_PERM,
	  "Microsoft 365 does not accept this server's sign-in any more. Try "
	  "again; if it stays, the account must be linked again" },
	{ GRAPH_ERROR_CONSENT, MAIL_ERROR_PERM, NULL },
	{ GRAPH_ERROR_THROTTLED, MAIL_ERROR_INUSE,
	  "Microsoft 365 asks this server to slow down. Try again in a "
	  "minute" },
	{ GRAPH_ERROR_UNAVAILABLE, MAIL_ERROR_TEMP,
	  "Microsoft 365 cannot be reached just now. Try again later" },
	{ GRAPH_ERROR_TIMEOUT, MAIL_ERROR_TEMP,
	  "Microsoft 365 did not answer in time. Try again later" },
	{ GRAPH_ERROR_LOST, MAIL_ERROR_TEMP,
	  "The answer of Microsoft 365 was lost. Look whether it was done "
	  "before trying again" },
	{ GRAPH_ERROR_NOT_FOUND, MAIL_ERROR_NOTFOUND,
	  "Microsoft 365 does not have it any more" },
	{ GRAPH_ERROR_FOLDER_GONE, MAIL_ERROR_NOTFOUND,
	  "The folder does not exist in Microsoft 365" },
	{ GRAPH_ERROR_EXISTS, MAIL_ERROR_EXISTS,
	  "A folder with this name exists already" },
	{ GRAPH_ERROR_CONFLICT, MAIL_ERROR_INUSE,
	  "Somebody else is changing it. Try again" },
	{ GRAPH_ERROR_TOKEN_GONE, MAIL_ERROR_TEMP,
	  "Microsoft 365 lost its place in the list. Try again" },
	{ GRAPH_ERROR_TOO_BIG, MAIL_ERROR_LIMIT,
	  "Microsoft 365 says it is too large" },
	{ GRAPH_ERROR_QUOTA, MAIL_ERROR_NOQUOTA,
	  "The Microsoft 365 mailbox is full" },
	{ GRAPH_ERROR_PERM, MAIL_ERROR_PERM, NULL },
	{ GRAPH_ERROR_REFUSED, MAIL_ERROR_NOTPOSSIBLE, NULL },
	{ GRAPH_ERROR_PROTOCOL, MAIL_ERROR_TEMP,
	  "Microsoft 365 gave an answer that makes no sense. Try again "
	  "later" },
	{ GRAPH_ERROR_LOCAL, MAIL_ERROR_TEMP,
	  "The mail server has a problem with its own storage" },
	{ GRAPH_ERROR_CANCELLED, MAIL_ERROR_TEMP, "The session is ending" },
};

void msgraph_error_describe(const struct graph_failure *fail,
			    enum mail_error *error_r, const char **text_r)
{
	unsigned int i;

	for (i = 0; i < N_ELEMENTS(policy); i++) {
		if (policy[i].error == fail->error)
			break;
	}
	i_assert(i < N_ELEMENTS(policy));
	*error_r = policy[i].mail_error;
	*text_r = policy[i].text != NULL ? policy[i].text :
		t_strdup_printf("Microsoft 365: %s", fail->message);
}

void msgraph_error_set_storage(struct mail_storage *storage,
			       const struct graph_failure *fail)
{
	enum mail_error error;
	const char *text;

	if (fail->error == GRAPH_ERROR_PROTOCOL ||
	    fail->error == GRAPH_ERROR_LOCAL)
		e_error(storage->event, "msgraph: %s (request-id %s)",
			fail->message, fail->request_id);
	msgraph_error_describe(fail, &error, &text);
	mail_storage_set_error(storage, error, text);
}

void msgraph_error_set_list(struct mailbox_list *list,
			    const struct graph_failure *fail)
{
	enum mail_error error;
	const char *text;

	msgraph_error_describe(fail, &error, &text);
	mailbox_list_set_error(list, error, text);
}

void msgraph_error_log(struct msgraph_account *account,
		       const struct graph_failure *fail, const char *what)
{
	switch (fail->error) {
	case GRAPH_ERROR_PROTOCOL:
	case GRAPH_ERROR_LOCAL:
		e_error(account->event, "%s: %s (request-id %s)", what,
			fail->message, fail->request_id);
		return;
	case GRAPH_ERROR_TOO_BIG:
	case GRAPH_ERROR_QUOTA:
	case GRAPH_ERROR_CONFLICT:
	case GRAPH_ERROR_NOT_FOUND:
		e_debug(account->event, "%s: %s", what, fail->message);
		return;
	default:
		break;
	}
	if (account->outage_logged)
		return;
	account->outage_logged = TRUE;
	if (fail->error == GRAPH_ERROR_CONSENT ||
	    fail->error == GRAPH_ERROR_PERM)
		e_warning(account->event, "%s: %s", what, fail->message);
	else
		e_info(account->event, "%s: %s", what, fail->message);
}
