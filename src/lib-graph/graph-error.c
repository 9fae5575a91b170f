#include "graph-error.h"
#include "graph-json.h"
#include "msnet-buf.h"
#include "msnet-request.h"

#include <json-c/json.h>

#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

/* of a challenge in a header */
#define CLAIMS_MAX 16384

/* an hour; a server that asks for more is asked again after that */
#define GRAPH_RETRY_AFTER_MAX_MSECS (3600U * 1000)

static const struct graph_error_code {
	const char *code;
	enum graph_error error;
} graph_error_codes[] = {
	/* delta state, under any 4xx status and in any letter case */
	{ "SyncStateNotFound", GRAPH_ERROR_TOKEN_GONE },
	{ "SyncStateInvalid", GRAPH_ERROR_TOKEN_GONE },
	{ "ResyncRequired", GRAPH_ERROR_TOKEN_GONE },
	{ "ResyncChangesApplyDifferences", GRAPH_ERROR_TOKEN_GONE },
	{ "ResyncChangesUploadDifferences", GRAPH_ERROR_TOKEN_GONE },

	{ "ErrorItemNotFound", GRAPH_ERROR_NOT_FOUND },
	{ "itemNotFound", GRAPH_ERROR_NOT_FOUND },
	{ "ErrorInvalidIdMalformed", GRAPH_ERROR_NOT_FOUND },
	{ "ErrorInvalidId", GRAPH_ERROR_NOT_FOUND },
	{ "ErrorInvalidIdEmpty", GRAPH_ERROR_NOT_FOUND },
	{ "ErrorFolderNotFound", GRAPH_ERROR_FOLDER_GONE },
	{ "ErrorSyncFolderNotFound", GRAPH_ERROR_FOLDER_GONE },
	{ "ErrorToFolderNotFound", GRAPH_ERROR_FOLDER_GONE },

	{ "ErrorFolderExists", GRAPH_ERROR_EXISTS },
	{ "nameAlreadyExists", GRAPH_ERROR_EXISTS },

	{ "ErrorIrresolvableConflict", GRAPH_ERROR_CONFLICT },
	{ "ErrorStaleObject", GRAPH_ERROR_CONFLICT },
	{ "resourceModified", GRAPH_ERROR_CONFLICT },
	{ "ErrorItemPropertyRequestFailed", GRAPH_ERROR_CONFLICT },

	{ "ErrorQuotaExceeded", GRAPH_ERROR_QUOTA },
	{ "quotaLimitReached", GRAPH_ERROR_QUOTA },
	{ "ErrorMailboxQuotaExceeded", GRAPH_ERROR_QUOTA },
	{ "ErrorMessageSizeExceeded", GRAPH_ERROR_TOO_BIG },
	{ "RequestEntityTooLarge", GRAPH_ERROR_TOO_BIG },

	{ "ErrorAccessDenied", GRAPH_ERROR_PERM },
	{ "Authorization_RequestDenied", GRAPH_ERROR_PERM },
	{ "accessDenied", GRAPH_ERROR_PERM },
	{ "ErrorSendAsDenied", GRAPH_ERROR_PERM },
	{ "ErrorDeleteDistinguishedFolder", GRAPH_ERROR_PERM },
	{ "ErrorRenameDistinguishedFolder", GRAPH_ERROR_PERM },
	{ "ErrorMoveDistinguishedFolder", GRAPH_ERROR_PERM },
	/* the account has no mailbox that Graph could show */
	{ "MailboxNotEnabledForRESTAPI", GRAPH_ERROR_PERM },
	{ "MailboxNotHostedInExchangeOnline", GRAPH_ERROR_PERM },
	{ "MailboxNotSupportedForRESTAPI", GRAPH_ERROR_PERM },
	{ "ErrorNonExistentMailbox", GRAPH_ERROR_PERM },
	{ "ErrorInvalidUser", GRAPH_ERROR_PERM },
	{ "Request_ResourceNotFound", GRAPH_ERROR_PERM },

	{ "InvalidAuthenticationToken", GRAPH_ERROR_AUTH },
	{ "CompactToken", GRAPH_ERROR_AUTH },
	{ "AuthenticationError", GRAPH_ERROR_AUTH },

	{ "ApplicationThrottled", GRAPH_ERROR_THROTTLED },
	{ "TooManyRequests", GRAPH_ERROR_THROTTLED },
	{ "activityLimitReached", GRAPH_ERROR_THROTTLED },
	{ "ErrorExceededConnectionCount", GRAPH_ERROR_THROTTLED },

	{ "ErrorServerBusy", GRAPH_ERROR_UNAVAILABLE },
	{ "ErrorMailboxMoveInProgress", GRAPH_ERROR_UNAVAILABLE },
	{ "ErrorMailboxStoreUnavailable", GRAPH_ERROR_UNAVAILABLE },
	{ "ErrorInternalServerTransientError", GRAPH_ERROR_UNAVAILABLE },
	{ "ErrorTimeoutExpired", GRAPH_ERROR_UNAVAILABLE },
};

static const char *const graph_error_names[] = {
	"ok", "auth", "consent", "throttled", "unavailable", "timeout", "lost",
	"not-found", "folder-gone", "exists", "conflict", "token-gone",
	"too-big", "quota", "perm", "refused", "protocol", "local", "cancelled"
};

/* What the failure means, for people. */
static const char *graph_error_text(enum graph_error error)
{
	switch (error) {
	case GRAPH_OK:
		return "no failure";
	case GRAPH_ERROR_AUTH:
		return "access token refused";
	case GRAPH_ERROR_CONSENT:
		return "account is not linked";
	case GRAPH_ERROR_THROTTLED:
		return "too many requests, the server asks to wait";
	case GRAPH_ERROR_UNAVAILABLE:
		return "server not available";
	case GRAPH_ERROR_TIMEOUT:
		return "no answer in time";
	case GRAPH_ERROR_LOST:
		return "connection lost before the answer";
	case GRAPH_ERROR_NOT_FOUND:
		return "item not found";
	case GRAPH_ERROR_FOLDER_GONE:
		return "folder not found";
	case GRAPH_ERROR_EXISTS:
		return "name already exists";
	case GRAPH_ERROR_CONFLICT:
		return "changed by somebody else at the same time";
	case GRAPH_ERROR_TOKEN_GONE:
		return "sync state no longer known";
	case GRAPH_ERROR_TOO_BIG:
		return "too big";
	case GRAPH_ERROR_QUOTA:
		return "mailbox is full";
	case GRAPH_ERROR_PERM:
		return "not permitted";
	case GRAPH_ERROR_REFUSED:
		return "request refused";
	case GRAPH_ERROR_PROTOCOL:
		return "answer not understood";
	case GRAPH_ERROR_LOCAL:
		return "local failure";
	case GRAPH_ERROR_CANCELLED:
		return "cancelled";
	}
	return "unknown failure";
}

char *graph_claims_challenge(const char *header)
{
	static const char name[] = "claims=";
	const char *p;
	size_t len;

	if (header == NULL || strstr(header, "insufficient_claims") == NULL)
		return NULL;
	for (p = header; (p = strstr(p, name)) != NULL; p++) {
		/* not the end of a longer name */
		if (p > header && strchr(" ,\t", p[-1]) == NULL)
			continue;
		p += sizeof(name) - 1;
		if (*p == '"')
			p++;
		len = strspn(p, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
			     "abcdefghijklmnopqrstuvwxyz0123456789+/-_=");
		return len == 0 || len > CLAIMS_MAX ? NULL :
			msnet_strndup(p, len);
	}
	return NULL;
}

const char *graph_error_name(enum graph_error error)
{
	if ((unsigned int)error >=
	    sizeof(graph_error_names) / sizeof(graph_error_names[0]))
		return "unknown";
	return graph_error_names[error];
}

bool graph_error_is_transient(enum graph_error error)
{
	return error == GRAPH_ERROR_THROTTLED ||
		error == GRAPH_ERROR_UNAVAILABLE ||
		error == GRAPH_ERROR_TIMEOUT || error == GRAPH_ERROR_LOST;
}

bool graph_failure_is_uncertain(const struct graph_failure *fail)
{
	return fail->error == GRAPH_ERROR_LOST ||
		fail->error == GRAPH_ERROR_TIMEOUT ||
		(fail->error == GRAPH_ERROR_UNAVAILABLE && fail->status != 0);
}

bool graph_failure_may_be_item(const struct graph_failure *fail)
{
	return fail->status >= 500 && fail->status != 503 &&
		fail->status != 504;
}

void graph_failure_set(struct graph_failure *fail, enum graph_error error,
		       const char *fmt, ...)
{
	va_list args;

	memset(fail, 0, sizeof(*fail));
	fail->error = error;
	va_start(args, fmt);
	vsnprintf(fail->message, sizeof(fail->message), fmt, args);
	va_end(args);
}

/* Dates and waits in headers */

long graph_http_date_parse(const char *value)
{
	static const char *const formats[] = {
		"%a, %d %b %Y %H:%M:%S",	/* IMF-fixdate */
		"%A, %d-%b-%y %H:%M:%S",	/* RFC 850 */
		"%a %b %d %H:%M:%S %Y"		/* asctime */
	};
	struct tm tm;
	unsigned int i;

	for (i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		memset(&tm, 0, sizeof(tm));
		if (strptime(value, formats[i], &tm) != NULL)
			return (long)timegm(&tm);
	}
	return -1;
}

unsigned int graph_retry_after_parse(const char *value, long now)
{
	double secs;
	long date;
	char *end;

	if (value == NULL)
		return 0;
	while (*value == ' ' || *value == '\t')
		value++;
	if ((*value >= '0' && *value <= '9') || *value == '.') {
		secs = strtod(value, &end);
		while (*end == ' ')
			end++;
		/* no hexadecimal, no exponent games */
		if (*end != '\0' || strpbrk(value, "xXpPeE") != NULL)
			return 0;
	} else {
		date = graph_http_date_parse(value);
		if (date == -1 || date <= now)
			return 0;
		secs = (double)(date - now);
	}
	if (!(secs > 0))
		return 0;
	if (secs * 1000 >= GRAPH_RETRY_AFTER_MAX_MSECS)
		return GRAPH_RETRY_AFTER_MAX_MSECS;
	return (unsigned int)ceil(secs * 1000);
}

/* Codes and ids go into logs, so only what codes are made of is let through:
   some services put text, with an address in it, into error.code. */
static void graph_failure_copy_word(char *dest, size_t size, const char *src)
{
	size_t i = 0;

	if (src != NULL && strlen(src) < size) {
		for (; src[i] != '\0'; i++) {
			if (!((src[i] >= 'a' && src[i] <= 'z') ||
			      (src[i] >= 'A' && src[i] <= 'Z') ||
			      (src[i] >= '0' && src[i] <= '9') ||
			      strchr("_-.", src[i]) != NULL)) {
				i = 0;
				break;
			}
			dest[i] = src[i];
		}
	}
	dest[i] = '\0';
}

static const struct graph_error_code *graph_error_code_find(const char *code)
{
	unsigned int i;

	for (i = 0; i < sizeof(graph_error_codes) /
	     sizeof(graph_error_codes[0]); i++) {
		if (strcasecmp(graph_error_codes[i].code, code) == 0)
			return &graph_error_codes[i];
	}
	return NULL;
}

static enum graph_error graph_error_from_status(int status, bool retry_after)
{
	switch (status) {
	case 401:
		return GRAPH_ERROR_AUTH;
	case 403:
		return GRAPH_ERROR_PERM;
	case 404:
		return GRAPH_ERROR_NOT_FOUND;
	case 408:
		return GRAPH_ERROR_UNAVAILABLE;
	case 410:
		return GRAPH_ERROR_TOKEN_GONE;
	case 412:
		return GRAPH_ERROR_CONFLICT;
	case 413:
		return GRAPH_ERROR_TOO_BIG;
	case 429:
	case 509:
		return GRAPH_ERROR_THROTTLED;
	case 503:
		return retry_after ? GRAPH_ERROR_THROTTLED :
			GRAPH_ERROR_UNAVAILABLE;
	case 507:
		return GRAPH_ERROR_QUOTA;
	case 501:
	case 505:
		return GRAPH_ERROR_REFUSED;
	}
	if (status >= 500)
		return GRAPH_ERROR_UNAVAILABLE;
	if (status >= 400)
		return GRAPH_ERROR_REFUSED;
	return GRAPH_ERROR_PROTOCOL;
}

static enum graph_error
graph_error_decide(int status, const char *code, bool retry_after,
		   bool item_is_folder)
{
	const struct graph_error_code *entry = graph_error_code_find(code);
	enum graph_error error = graph_error_from_status(status, retry_after);

	/* a status of these is a verdict of its own, whatever the code says */
	if (entry != NULL && status >= 400 && status != 401 && status != 429)
		error = entry->error;
	/* a 5xx is never final, except where the code names what is full, too
	   big or gone */
	if (status >= 500 && status != 507 && status != 501 &&
	    (error == GRAPH_ERROR_AUTH || error == GRAPH_ERROR_TOKEN_GONE ||
	     error == GRAPH_ERROR_CONFLICT || error == GRAPH_ERROR_REFUSED))
		error = GRAPH_ERROR_UNAVAILABLE;
	if (status == 503 && error == GRAPH_ERROR_UNAVAILABLE && retry_after)
		error = GRAPH_ERROR_THROTTLED;
	if (error == GRAPH_ERROR_NOT_FOUND && item_is_folder)
		error = GRAPH_ERROR_FOLDER_GONE;
	return error;
}

static void graph_failure_read_body(struct graph_failure *fail,
				    const char *body, char *code, size_t size)
{
	struct json_object *root, *error, *inner;
	const char *text = NULL;

	code[0] = '\0';
	if (body == NULL || *body == '\0')
		return;
	root = graph_json_parse(body, strlen(body));
	if (root == NULL)
		return;
	error = graph_json_object(root, "error");
	if (error == NULL)
		text = graph_json_string(root, "error");
	else
		text = graph_json_string(error, "code");
	graph_failure_copy_word(code, size, text);
	inner = graph_json_object(error, "innerError");
	if (inner == NULL)
		inner = graph_json_object(error, "innererror");
	text = graph_json_string(inner, "request-id");
	if (text != NULL)
		graph_failure_copy_word(fail->request_id,
					sizeof(fail->request_id), text);
	json_object_put(root);
}

void graph_failure_from_parts(struct graph_failure *fail, const char *what,
			      int status, const char *body,
			      const char *retry_after, bool item_is_folder)
{
	unsigned int msecs =
		graph_retry_after_parse(retry_after, (long)time(NULL));

	memset(fail, 0, sizeof(*fail));
	graph_failure_read_body(fail, body, fail->code, sizeof(fail->code));
	fail->status = status;
	fail->retry_after_msecs = msecs;
	fail->error = graph_error_decide(status, fail->code, msecs > 0,
					 item_is_folder);
	snprintf(fail->message, sizeof(fail->message),
		 "%s failed: %s (HTTP %d%s%s)", what,
		 graph_error_text(fail->error), status,
		 fail->code[0] == '\0' ? "" : ", ", fail->code);
}

static enum graph_error graph_error_from_result(enum msnet_result result)
{
	switch (result) {
	case MSNET_OK:
		return GRAPH_ERROR_PROTOCOL;
	case MSNET_CONNECT_FAILED:
	case MSNET_TLS_FAILED:
		return GRAPH_ERROR_UNAVAILABLE;
	case MSNET_LOST:
		return GRAPH_ERROR_LOST;
	case MSNET_TIMEOUT:
		return GRAPH_ERROR_TIMEOUT;
	case MSNET_TOO_BIG:
		return GRAPH_ERROR_TOO_BIG;
	case MSNET_LOCAL_FAILED:
		return GRAPH_ERROR_LOCAL;
	case MSNET_ABORTED:
		return GRAPH_ERROR_CANCELLED;
	}
	return GRAPH_ERROR_PROTOCOL;
}

void graph_failure_from_response(struct graph_failure *fail, const char *what,
				 const struct msnet_response *resp,
				 bool item_is_folder)
{
	const char *request_id;

	if (resp->result != MSNET_OK) {
		graph_failure_set(fail, graph_error_from_result(resp->result),
				  "%s failed: %s", what, resp->error);
		fail->status = resp->cut_status;
		return;
	}
	graph_failure_from_parts(fail, what, resp->status, resp->body,
				 msnet_response_header(resp, "Retry-After"),
				 item_is_folder);
	request_id = msnet_response_header(resp, "request-id");
	if (request_id != NULL)
		graph_failure_copy_word(fail->request_id,
					sizeof(fail->request_id), request_id);
}
