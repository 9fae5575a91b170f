#include "msnet-request.h"
#include "msnet-buf.h"
#include "msnet-secret.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define MSNET_DEFAULT_TIMEOUT_MSECS 30000

struct msnet_request *msnet_request_create(const char *method, const char *url)
{
	struct msnet_request *req = msnet_malloc(sizeof(*req));

	req->method = msnet_strdup(method);
	req->url = msnet_strdup(url);
	req->body_fd = -1;
	req->sink_fd = -1;
	req->timeout_msecs = MSNET_DEFAULT_TIMEOUT_MSECS;
	return req;
}

void msnet_request_free(struct msnet_request **_req)
{
	struct msnet_request *req = *_req;
	unsigned int i;

	if (req == NULL)
		return;
	*_req = NULL;
	for (i = 0; i < req->header_count; i++) {
		free(req->headers[i].name);
		msnet_secret_free(&req->headers[i].value);
	}
	free(req->headers);
	if (req->body != NULL)
		msnet_secret_wipe(req->body, req->body_size);
	free(req->body);
	free(req->method);
	/* upload URLs carry their authorization in the query */
	msnet_secret_free(&req->url);
	free(req);
}

static bool msnet_header_is_name(const char *name)
{
	const unsigned char *p;

	for (p = (const unsigned char *)name; *p != '\0'; p++) {
		if (*p <= ' ' || *p >= 0x7f || *p == ':')
			return false;
	}
	return *name != '\0';
}

int msnet_request_add_header(struct msnet_request *req, const char *name,
			     const char *value)
{
	if (!msnet_header_is_name(name) || strpbrk(value, "\r\n") != NULL)
		return -1;
	req->headers = msnet_realloc(req->headers,
		sizeof(*req->headers) * (req->header_count + 1));
	req->headers[req->header_count].name = msnet_strdup(name);
	req->headers[req->header_count].value = msnet_strdup(value);
	req->header_count++;
	return 0;
}

int msnet_request_set_header(struct msnet_request *req, const char *name,
			     const char *value)
{
	unsigned int i;

	for (i = 0; i < req->header_count; i++) {
		if (strcasecmp(req->headers[i].name, name) != 0)
			continue;
		if (strpbrk(value, "\r\n") != NULL)
			return -1;
		msnet_secret_free(&req->headers[i].value);
		req->headers[i].value = msnet_strdup(value);
		return 0;
	}
	return msnet_request_add_header(req, name, value);
}

void msnet_request_set_body(struct msnet_request *req, const char *body,
			    size_t size)
{
	char *copy = msnet_malloc(size + 1);

	if (size > 0)
		memcpy(copy, body, size);
	if (req->body != NULL)
		msnet_secret_wipe(req->body, req->body_size);
	free(req->body);
	req->body = copy;
	req->body_size = size;
	req->body_fd = -1;
}

void msnet_request_set_body_fd(struct msnet_request *req, int fd,
			       off_t offset, uint64_t size, bool base64)
{
	free(req->body);
	req->body = NULL;
	req->body_size = 0;
	req->body_fd = fd;
	req->body_offset = offset;
	req->body_fd_size = size;
	req->body_base64 = base64;
}

struct msnet_response *msnet_response_create(void)
{
	return msnet_malloc(sizeof(struct msnet_response));
}

void msnet_response_free(struct msnet_response **_resp)
{
	struct msnet_response *resp = *_resp;
	unsigned int i;

	if (resp == NULL)
		return;
	*_resp = NULL;
	for (i = 0; i < resp->header_count; i++) {
		free(resp->headers[i].name);
		free(resp->headers[i].value);
	}
	free(resp->headers);
	/* answers of the login host hold tokens */
	if (resp->body != NULL)
		msnet_secret_wipe(resp->body, resp->body_size);
	free(resp->body);
	free(resp);
}

const char *msnet_response_header(const struct msnet_response *resp,
				  const char *name)
{
	unsigned int i;

	for (i = 0; i < resp->header_count; i++) {
		if (strcasecmp(resp->headers[i].name, name) == 0)
			return resp->headers[i].value;
	}
	return NULL;
}

const char *msnet_result_text(enum msnet_result result)
{
	switch (result) {
	case MSNET_OK:
		return "ok";
	case MSNET_CONNECT_FAILED:
		return "connection failed";
	case MSNET_TLS_FAILED:
		return "TLS verification failed";
	case MSNET_LOST:
		return "connection lost";
	case MSNET_TIMEOUT:
		return "timed out";
	case MSNET_TOO_BIG:
		return "answer too big";
	case MSNET_LOCAL_FAILED:
		return "local failure";
	case MSNET_ABORTED:
		return "aborted";
	}
	return "unknown result";
}
