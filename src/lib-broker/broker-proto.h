#ifndef BROKER_PROTO_H
#define BROKER_PROTO_H

/* The lines of the broker socket, see broker-client.h. PURE: text to struct and
   back. */

#include "broker-client.h"

#include <stddef.h>

/* bytes of one line, newline included */
#define BROKER_LINE_MAX 65536

/* Free with broker_request_deinit(). op is "token", or one of the control
   operations that only root and the daemon's own user may ask for: "link",
   "status", "unlink", "password", "revoke-password", "rekey". */
struct broker_request {
	char *op;
	char *account;		/* NULL if none */
	char *rejected;		/* hash of a refused token, NULL if none */
	char *claims;		/* that Graph wants (base64), NULL if none */
};

/* Returns 0, or -1 if the line is not a request. */
int broker_request_parse(const char *line, size_t size,
			 struct broker_request *req_r);
void broker_request_deinit(struct broker_request *req);
/* Heap string with the newline. */
char *broker_request_format(const struct broker_request *req);

/* Returns 0, or -1 if the line is not an answer (answer_r is then
   UNAVAILABLE with a message). */
int broker_answer_parse(const char *line, size_t size,
			struct broker_answer *answer_r);
/* Heap string with the newline; wipe it, it may hold a token. */
char *broker_answer_format(const struct broker_answer *answer);

const char *broker_status_name(enum broker_status status);

/* SHA-256 of a token in hex (65 bytes with the NUL). */
void broker_token_hash(const char *token, char hash_r[65]);

#endif
