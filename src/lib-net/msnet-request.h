#ifndef MSNET_REQUEST_H
#define MSNET_REQUEST_H

/* One HTTP exchange, described as data. Nothing here does I/O.

   Errors of the exchange itself are an enum msnet_result; an HTTP status of
   any value is a successful exchange (MSNET_OK). */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Upper limits of what we accept from outside. Reaching one is an error of
   the exchange (MSNET_TOO_BIG), never a silent cut. */
#define MSNET_MAX_BODY_MEMORY	(64U * 1024 * 1024)
#define MSNET_MAX_HEADER_VALUE	(64U * 1024)
#define MSNET_MAX_HEADERS	200

enum msnet_result {
	MSNET_OK = 0,
	/* no connection, name not resolved, connection reset before any byte
	   of the request could have been acted on */
	MSNET_CONNECT_FAILED,
	/* certificate or handshake refused: never retried */
	MSNET_TLS_FAILED,
	/* the request may have taken effect, the answer did not arrive whole */
	MSNET_LOST,
	MSNET_TIMEOUT,
	MSNET_TOO_BIG,
	/* a local file could not be read or written */
	MSNET_LOCAL_FAILED,
	MSNET_ABORTED
};

struct msnet_header {
	char *name;
	char *value;
};

/* All strings and the memory body are copied in and owned by the request.
   Header values are wiped when the request is freed (Authorization). */
struct msnet_request {
	char *method;			/* "GET", ... */
	char *url;			/* https only, unless allow_http */
	struct msnet_header *headers;
	unsigned int header_count;

	/* Body: either memory or a region of a file. The fd is borrowed and
	   must stay open until the exchange has ended; it is read by
	   pread(), its offset is not moved. */
	char *body;
	size_t body_size;
	int body_fd;			/* -1 = memory body or none */
	off_t body_offset;
	uint64_t body_fd_size;
	bool body_base64;		/* send the fd's region as base64 */

	/* Where a 2xx response body goes: -1 = into memory, else written to
	   this borrowed fd from its present offset. Bodies of other statuses
	   always go to memory. */
	int sink_fd;
	/* bytes; 0 = MSNET_MAX_BODY_MEMORY for memory, unlimited for fd */
	uint64_t max_body;

	/* Whole exchange, connect to last byte, for bodies in memory. With
	   sink_fd or body_fd it is the time without any progress. */
	unsigned int timeout_msecs;
};

/* Freed by msnet_response_free(). */
struct msnet_response {
	enum msnet_result result;
	/* one line for logs, no URL query, no secret; "" when MSNET_OK */
	char error[256];
	int status;			/* 0 unless MSNET_OK */
	/* MSNET_LOST: the status of an answer that ended early, 0 = none came */
	int cut_status;
	struct msnet_header *headers;
	unsigned int header_count;
	/* memory body, always NUL-terminated, or NULL when it went to the fd */
	char *body;
	uint64_t body_size;
	/* bytes on the wire, both ways, without headers */
	uint64_t bytes_sent, bytes_received;
};

struct msnet_request *msnet_request_create(const char *method,
					   const char *url);
void msnet_request_free(struct msnet_request **req);
/* Returns -1 if name or value contain CR, LF or NUL (nothing is added). */
int msnet_request_add_header(struct msnet_request *req, const char *name,
			     const char *value);
/* Replace if present, else add. */
int msnet_request_set_header(struct msnet_request *req, const char *name,
			     const char *value);
void msnet_request_set_body(struct msnet_request *req, const char *body,
			    size_t size);
void msnet_request_set_body_fd(struct msnet_request *req, int fd,
			       off_t offset, uint64_t size, bool base64);

struct msnet_response *msnet_response_create(void);
void msnet_response_free(struct msnet_response **resp);
/* First header with this name (case-insensitive), or NULL. */
const char *msnet_response_header(const struct msnet_response *resp,
				  const char *name);

/* Text for a result: "connection failed", ... */
const char *msnet_result_text(enum msnet_result result);

#endif
