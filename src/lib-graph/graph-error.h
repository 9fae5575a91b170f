#ifndef GRAPH_ERROR_H
#define GRAPH_ERROR_H

/* What can go wrong at Graph, as the caller has to tell it apart. Decided by
   HTTP status, then by error.code (case-insensitive), never by message text.
   https://learn.microsoft.com/graph/errors */

#include <stdbool.h>

struct msnet_response;

enum graph_error {
	GRAPH_OK = 0,
	GRAPH_ERROR_AUTH,	/* token refused, also after a refresh */
	GRAPH_ERROR_CONSENT,	/* the account must be linked (again) */
	GRAPH_ERROR_THROTTLED,	/* 429, or 503 with Retry-After */
	GRAPH_ERROR_UNAVAILABLE,/* no connection, 5xx */
	GRAPH_ERROR_TIMEOUT,	/* no answer within the deadline */
	GRAPH_ERROR_LOST,	/* may have taken effect, answer not received */
	GRAPH_ERROR_NOT_FOUND,	/* the item */
	GRAPH_ERROR_FOLDER_GONE,/* the folder */
	GRAPH_ERROR_EXISTS,	/* ErrorFolderExists */
	GRAPH_ERROR_CONFLICT,	/* 412, change key */
	GRAPH_ERROR_TOKEN_GONE,	/* delta link no longer known */
	GRAPH_ERROR_TOO_BIG,
	GRAPH_ERROR_QUOTA,
	GRAPH_ERROR_PERM,
	GRAPH_ERROR_REFUSED,	/* 4xx: the request itself; do not repeat */
	GRAPH_ERROR_PROTOCOL,	/* an answer that makes no sense */
	GRAPH_ERROR_LOCAL,	/* a local file */
	GRAPH_ERROR_CANCELLED
};

/* Plain data, no pointers to free. */
struct graph_failure {
	enum graph_error error;
	/* HTTP, 0 = none; with GRAPH_ERROR_LOST of an answer that ended
	   early */
	int status;
	/* Graph's error.code, "" if none; cut to fit */
	char code[80];
	char request_id[48];
	/* milliseconds; 0 = none given */
	unsigned int retry_after_msecs;
	/* one line for people: what failed and why; no secret, no address, no
	   subject. For CONSENT: what to do, with the link. */
	char message[512];
};

void graph_failure_set(struct graph_failure *fail, enum graph_error error,
		       const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* PURE: verdict on an answer that is not the expected success. what is the
   operation in a few words ("list folders"). item_is_folder says what a 404
   means. */
void graph_failure_from_response(struct graph_failure *fail, const char *what,
				 const struct msnet_response *resp,
				 bool item_is_folder);
/* The same for one answer of a $batch: body is the JSON text or NULL. */
void graph_failure_from_parts(struct graph_failure *fail, const char *what,
			      int status, const char *body,
			      const char *retry_after, bool item_is_folder);

/* An HTTP date in any of the forms of RFC 9110 5.6.7: seconds of the epoch, or
   -1. */
long graph_http_date_parse(const char *value);
/* Retry-After in any form: seconds, fraction, HTTP date (RFC 9110 10.2.3).
   Returns milliseconds, 0 if absent or nonsense. now = seconds of the epoch. */
unsigned int graph_retry_after_parse(const char *value, long now);

/* PURE: the claims (base64) of "WWW-Authenticate: Bearer ...
   error="insufficient_claims", claims="...""; heap, NULL if there are none.
   https://learn.microsoft.com/entra/identity-platform/claims-challenge */
char *graph_claims_challenge(const char *header);

const char *graph_error_name(enum graph_error error);
/* THROTTLED, UNAVAILABLE, TIMEOUT, LOST: it may work later. */
bool graph_error_is_transient(enum graph_error error);
/* PURE: a request that changes something may have done so all the same. */
bool graph_failure_is_uncertain(const struct graph_failure *fail);
/* PURE: a 5xx that can be about the one item that was asked for, not about the
   service: any but 503 and 504. */
bool graph_failure_may_be_item(const struct graph_failure *fail);

#endif
