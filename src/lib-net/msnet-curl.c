#include "msnet-curl.h"
#include "msnet-buf.h"
#include "msnet-inflate.h"
#include "msnet-secret.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define MSNET_UPLOAD_BUFFER_SIZE (64L * 1024)
#define MSNET_BASE64_RAW_MAX (12U * 1024)
#define MSNET_CONNECT_TIMEOUT_MSECS 15000L

struct msnet_curl_exchange {
	CURL *easy;
	struct msnet_request *req;
	struct msnet_response *resp;
	struct curl_slist *slist;
	struct msnet_buf body;
	const char *error;
	char curl_error[CURL_ERROR_SIZE];

	/* position in what is sent, that is after base64 */
	uint64_t upload_pos, upload_size;
	uint64_t sink_size;
	/* NULL = the answer is not compressed */
	struct msnet_inflate *inflate;
	/* the status is 2xx, so the body goes to the sink */
	bool sink_chosen, to_sink;
	bool too_big, local_failed, idempotent;
};

static unsigned int msnet_curl_refs;

int msnet_curl_global_ref(void)
{
	if (msnet_curl_refs == 0 &&
	    curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return -1;
	msnet_curl_refs++;
	return 0;
}

void msnet_curl_global_unref(void)
{
	if (msnet_curl_refs > 0 && --msnet_curl_refs == 0)
		curl_global_cleanup();
}

/* Receiving */

static void msnet_curl_headers_clear(struct msnet_response *resp)
{
	unsigned int i;

	for (i = 0; i < resp->header_count; i++) {
		free(resp->headers[i].name);
		free(resp->headers[i].value);
	}
	resp->header_count = 0;
}

static size_t msnet_curl_header_cb(char *data, size_t size, size_t count,
				   void *context)
{
	struct msnet_curl_exchange *ex = context;
	struct msnet_response *resp = ex->resp;
	struct msnet_header *header;
	size_t len = size * count, name_len, start;
	const char *colon;

	if (len >= 5 && memcmp(data, "HTTP/", 5) == 0) {
		/* a final answer after 100, or a repeat by curl itself */
		msnet_curl_headers_clear(resp);
		return len;
	}
	colon = memchr(data, ':', len);
	if (colon == NULL || colon == data)
		return len;
	name_len = (size_t)(colon - data);
	start = name_len + 1;
	while (start < len && (data[start] == ' ' || data[start] == '\t'))
		start++;
	count = len;
	while (count > start && (unsigned char)data[count - 1] <= ' ')
		count--;
	if (resp->header_count >= MSNET_MAX_HEADERS ||
	    count - start > MSNET_MAX_HEADER_VALUE) {
		ex->too_big = true;
		return 0;
	}
	resp->headers = msnet_realloc(resp->headers,
		sizeof(*resp->headers) * (resp->header_count + 1));
	header = &resp->headers[resp->header_count++];
	header->name = msnet_strndup(data, name_len);
	header->value = msnet_strndup(data + start, count - start);
	return len;
}

static int msnet_curl_sink_write(struct msnet_curl_exchange *ex,
				 const char *data, size_t size)
{
	ssize_t ret;

	while (size > 0) {
		ret = write(ex->req->sink_fd, data, size);
		if (ret < 0 && errno == EINTR)
			continue;
		if (ret <= 0) {
			ex->local_failed = true;
			snprintf(ex->curl_error, sizeof(ex->curl_error),
				 "write failed: %s", strerror(errno));
			return -1;
		}
		data += ret;
		size -= (size_t)ret;
		ex->sink_size += (uint64_t)ret;
	}
	return 0;
}

static bool msnet_curl_take_body(void *context, const char *data, size_t len)
{
	struct msnet_curl_exchange *ex = context;
	uint64_t max = ex->req->max_body;

	if (ex->to_sink) {
		if (max > 0 && ex->sink_size + len > max) {
			ex->too_big = true;
			return false;
		}
		return msnet_curl_sink_write(ex, data, len) == 0;
	}
	if (max == 0 || ex->req->sink_fd != -1)
		max = MSNET_MAX_BODY_MEMORY;
	if (ex->body.used + len > max) {
		ex->too_big = true;
		return false;
	}
	msnet_buf_append(&ex->body, data, len);
	return true;
}

/* Before the first byte. Returns false if it cannot be understood. */
static bool msnet_curl_begin_body(struct msnet_curl_exchange *ex)
{
	const char *encoding =
		msnet_response_header(ex->resp, "Content-Encoding");
	long status = 0;

	curl_easy_getinfo(ex->easy, CURLINFO_RESPONSE_CODE, &status);
	ex->sink_chosen = true;
	ex->to_sink = ex->req->sink_fd != -1 && status >= 200 && status < 300;
	if (encoding == NULL || strcasecmp(encoding, "identity") == 0)
		return true;
	if (strcasecmp(encoding, "gzip") != 0 &&
	    strcasecmp(encoding, "x-gzip") != 0) {
		snprintf(ex->curl_error, sizeof(ex->curl_error),
			 "the answer has an unknown encoding");
		return false;
	}
	ex->inflate = msnet_inflate_create();
	return true;
}

static size_t msnet_curl_write_cb(char *data, size_t size, size_t count,
				  void *context)
{
	struct msnet_curl_exchange *ex = context;
	size_t len = size * count;

	if (!ex->sink_chosen && !msnet_curl_begin_body(ex))
		return 0;
	if (ex->inflate == NULL)
		return msnet_curl_take_body(ex, data, len) ? len : 0;
	if (msnet_inflate_feed(ex->inflate, data, len, msnet_curl_take_body,
			       ex))
		return len;
	if (!ex->too_big && !ex->local_failed)
		snprintf(ex->curl_error, sizeof(ex->curl_error),
			 "the compressed answer is broken");
	return 0;
}

/* Sending */

static int msnet_curl_pread(struct msnet_curl_exchange *ex, uint64_t pos,
			    unsigned char *buf, size_t size)
{
	ssize_t ret;

	while (size > 0) {
		ret = pread(ex->req->body_fd, buf, size,
			    ex->req->body_offset + (off_t)pos);
		if (ret < 0 && errno == EINTR)
			continue;
		if (ret <= 0) {
			ex->local_failed = true;
			snprintf(ex->curl_error, sizeof(ex->curl_error),
				 "read failed: %s", ret == 0 ?
				 "file is shorter than announced" :
				 strerror(errno));
			return -1;
		}
		buf += ret;
		pos += (uint64_t)ret;
		size -= (size_t)ret;
	}
	return 0;
}

static void msnet_base64_encode(const unsigned char *in, size_t size,
				char *out)
{
	static const char alphabet[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZ"
		"abcdefghijklmnopqrstuvwxyz0123456789+/";
	unsigned int word;
	size_t i;

	for (i = 0; i < size; i += 3) {
		word = (unsigned int)in[i] << 16;
		if (i + 1 < size)
			word |= (unsigned int)in[i + 1] << 8;
		if (i + 2 < size)
			word |= in[i + 2];
		*out++ = alphabet[word >> 18];
		*out++ = alphabet[(word >> 12) & 63];
		*out++ = i + 1 < size ? alphabet[(word >> 6) & 63] : '=';
		*out++ = i + 2 < size ? alphabet[word & 63] : '=';
	}
}

/* No state between calls but the position, so seeking is free. */
static size_t msnet_curl_read_base64(struct msnet_curl_exchange *ex,
				     char *data, size_t max)
{
	unsigned char raw[MSNET_BASE64_RAW_MAX];
	char text[MSNET_BASE64_RAW_MAX / 3 * 4];
	uint64_t raw_pos = ex->upload_pos / 4 * 3;
	size_t skip = ex->upload_pos % 4, raw_size = sizeof(raw), len;

	if (raw_size > ex->req->body_fd_size - raw_pos)
		raw_size = ex->req->body_fd_size - raw_pos;
	if (msnet_curl_pread(ex, raw_pos, raw, raw_size) < 0)
		return CURL_READFUNC_ABORT;
	msnet_base64_encode(raw, raw_size, text);
	len = (raw_size + 2) / 3 * 4 - skip;
	if (len > max)
		len = max;
	memcpy(data, text + skip, len);
	return len;
}

static size_t msnet_curl_read_cb(char *data, size_t size, size_t count,
				 void *context)
{
	struct msnet_curl_exchange *ex = context;
	size_t max = size * count, len;

	if (ex->upload_pos >= ex->upload_size || max == 0)
		return 0;
	if (ex->req->body_fd != -1 && ex->req->body_base64) {
		len = msnet_curl_read_base64(ex, data, max);
		if (len == CURL_READFUNC_ABORT)
			return len;
	} else {
		len = max;
		if (len > ex->upload_size - ex->upload_pos)
			len = ex->upload_size - ex->upload_pos;
		if (ex->req->body_fd == -1) {
			memcpy(data, ex->req->body + ex->upload_pos, len);
		} else if (msnet_curl_pread(ex, ex->upload_pos,
					    (unsigned char *)data, len) < 0)
			return CURL_READFUNC_ABORT;
	}
	ex->upload_pos += len;
	return len;
}

/* curl repeats a request by itself when a kept connection turns out to be
   closed before the first byte of an answer, whatever the method, and rewinds
   the body for it. A POST may have been acted on by then: refuse the rewind,
   which ends the exchange. If no byte of the body had been sent, curl does not
   come here, and the repeat is harmless. */
static int msnet_curl_seek_cb(void *context, curl_off_t offset, int origin)
{
	struct msnet_curl_exchange *ex = context;

	if (origin != SEEK_SET || offset < 0 ||
	    (uint64_t)offset > ex->upload_size)
		return CURL_SEEKFUNC_CANTSEEK;
	if (!ex->idempotent)
		return CURL_SEEKFUNC_FAIL;
	ex->upload_pos = (uint64_t)offset;
	return CURL_SEEKFUNC_OK;
}

static int msnet_curl_sockopt_cb(void *context, curl_socket_t fd,
				 curlsocktype purpose)
{
	(void)context;
	(void)purpose;
	/* not for helper programs that the process may start */
	(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
	return CURL_SOCKOPT_OK;
}

/* Setting up */

static bool msnet_host_is_loopback(const char *host)
{
	return strcmp(host, "127.0.0.1") == 0 ||
		strcasecmp(host, "localhost") == 0 ||
		strcmp(host, "[::1]") == 0;
}

/* Returns NULL if the URL may be used. */
static const char *
msnet_curl_check_url(const struct msnet_tls_settings *set, const char *url,
		     bool *loopback_r)
{
	char *scheme = NULL, *host = NULL, *user = NULL;
	const char *error = NULL;
	const unsigned char *p;
	CURLU *parts;

	*loopback_r = false;
	for (p = (const unsigned char *)url; *p != '\0'; p++) {
		if (*p <= ' ' || *p == 0x7f)
			return "URL has forbidden characters";
	}
	parts = curl_url();
	if (parts == NULL ||
	    curl_url_set(parts, CURLUPART_URL, url, 0) != CURLUE_OK ||
	    curl_url_get(parts, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK ||
	    curl_url_get(parts, CURLUPART_HOST, &host, 0) != CURLUE_OK) {
		error = "URL cannot be parsed";
	} else if (curl_url_get(parts, CURLUPART_USER, &user, 0) == CURLUE_OK) {
		error = "URL names a user";
	} else {
		*loopback_r = msnet_host_is_loopback(host);
		if (strcasecmp(scheme, "https") != 0 &&
		    (strcasecmp(scheme, "http") != 0 ||
		     !set->allow_loopback_http || !*loopback_r))
			error = "URL is not https";
	}
	curl_free(scheme);
	curl_free(host);
	curl_free(user);
	curl_url_cleanup(parts);
	return error;
}

static void msnet_curl_set_headers(struct msnet_curl_exchange *ex)
{
	struct msnet_request *req = ex->req;
	struct msnet_buf line = { .data = NULL };
	struct curl_slist *list;
	bool have_type = false;
	unsigned int i;

	for (i = 0; i < req->header_count; i++) {
		if (strcasecmp(req->headers[i].name, "content-type") == 0)
			have_type = true;
		/* "Name;" is curl's way to send an empty value */
		if (req->headers[i].value[0] == '\0')
			msnet_buf_printf(&line, "%s;", req->headers[i].name);
		else
			msnet_buf_printf(&line, "%s: %s", req->headers[i].name,
					 req->headers[i].value);
		list = curl_slist_append(ex->slist, line.data);
		if (list != NULL)
			ex->slist = list;
		else
			ex->error = "out of memory";
		msnet_secret_wipe(line.data, line.used);
		msnet_buf_free(&line);
	}
	list = curl_slist_append(ex->slist, "Expect:");
	if (list != NULL)
		ex->slist = list;
	if (!have_type) {
		list = curl_slist_append(ex->slist, "Content-Type:");
		if (list != NULL)
			ex->slist = list;
	}
	curl_easy_setopt(ex->easy, CURLOPT_HTTPHEADER, ex->slist);
}

static void msnet_curl_set_method(struct msnet_curl_exchange *ex)
{
	struct msnet_request *req = ex->req;
	bool has_body;

	if (req->body_fd != -1) {
		ex->upload_size = req->body_base64 ?
			(req->body_fd_size + 2) / 3 * 4 : req->body_fd_size;
	} else {
		ex->upload_size = req->body_size;
	}
	ex->idempotent = strcmp(req->method, "POST") != 0;
	has_body = req->body_fd != -1 || req->body != NULL;

	if (has_body && ex->upload_size > 0) {
		/* the read callback is used for memory too: see seek_cb */
		curl_easy_setopt(ex->easy, CURLOPT_UPLOAD, 1L);
		curl_easy_setopt(ex->easy, CURLOPT_READFUNCTION,
				 msnet_curl_read_cb);
		curl_easy_setopt(ex->easy, CURLOPT_READDATA, ex);
		curl_easy_setopt(ex->easy, CURLOPT_SEEKFUNCTION,
				 msnet_curl_seek_cb);
		curl_easy_setopt(ex->easy, CURLOPT_SEEKDATA, ex);
		curl_easy_setopt(ex->easy, CURLOPT_INFILESIZE_LARGE,
				 (curl_off_t)ex->upload_size);
		curl_easy_setopt(ex->easy, CURLOPT_UPLOAD_BUFFERSIZE,
				 MSNET_UPLOAD_BUFFER_SIZE);
	} else if (has_body || strcmp(req->method, "POST") == 0) {
		/* Content-Length: 0 */
		curl_easy_setopt(ex->easy, CURLOPT_POSTFIELDSIZE, 0L);
		curl_easy_setopt(ex->easy, CURLOPT_POSTFIELDS, "");
	} else if (strcmp(req->method, "HEAD") == 0) {
		curl_easy_setopt(ex->easy, CURLOPT_NOBODY, 1L);
	}
	if (strcmp(req->method, "GET") != 0 || has_body)
		curl_easy_setopt(ex->easy, CURLOPT_CUSTOMREQUEST, req->method);
}

static void msnet_curl_set_timeouts(struct msnet_curl_exchange *ex)
{
	long msecs = ex->req->timeout_msecs == 0 ? 1 :
		(long)ex->req->timeout_msecs;
	long connect = msecs < MSNET_CONNECT_TIMEOUT_MSECS ? msecs :
		MSNET_CONNECT_TIMEOUT_MSECS;

	curl_easy_setopt(ex->easy, CURLOPT_CONNECTTIMEOUT_MS, connect);
	if (ex->req->sink_fd == -1 && ex->req->body_fd == -1) {
		curl_easy_setopt(ex->easy, CURLOPT_TIMEOUT_MS, msecs);
	} else {
		curl_easy_setopt(ex->easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
		curl_easy_setopt(ex->easy, CURLOPT_LOW_SPEED_TIME,
				 (msecs + 999) / 1000);
	}
}

static void
msnet_curl_set_tls(struct msnet_curl_exchange *ex,
		   const struct msnet_tls_settings *set, bool loopback)
{
	curl_easy_setopt(ex->easy, CURLOPT_PROTOCOLS_STR,
			 set->allow_loopback_http && loopback ?
			 "https,http" : "https");
	curl_easy_setopt(ex->easy, CURLOPT_SSL_VERIFYPEER, 1L);
	curl_easy_setopt(ex->easy, CURLOPT_SSL_VERIFYHOST, 2L);
	curl_easy_setopt(ex->easy, CURLOPT_SSLVERSION,
			 (long)CURL_SSLVERSION_TLSv1_2);
	if (set->ca_file != NULL && set->ca_file[0] != '\0') {
		curl_easy_setopt(ex->easy, CURLOPT_CAINFO, set->ca_file);
		curl_easy_setopt(ex->easy, CURLOPT_CAPATH, NULL);
	}
	/* a proxy from the environment cannot reach our loopback */
	if (loopback)
		curl_easy_setopt(ex->easy, CURLOPT_PROXY, "");
	curl_easy_setopt(ex->easy, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(ex->easy, CURLOPT_HTTP_VERSION,
			 (long)CURL_HTTP_VERSION_2TLS);
	curl_easy_setopt(ex->easy, CURLOPT_ACCEPT_ENCODING, "gzip");
	curl_easy_setopt(ex->easy, CURLOPT_HTTP_CONTENT_DECODING, 0L);
	if (set->user_agent != NULL)
		curl_easy_setopt(ex->easy, CURLOPT_USERAGENT,
				 set->user_agent);
}

struct msnet_curl_exchange *
msnet_curl_exchange_create(const struct msnet_tls_settings *set,
			   struct msnet_request *req)
{
	struct msnet_curl_exchange *ex = msnet_malloc(sizeof(*ex));
	bool loopback;

	ex->req = req;
	ex->resp = msnet_response_create();
	ex->error = msnet_curl_check_url(set, req->url, &loopback);
	if (ex->error != NULL)
		return ex;
	ex->easy = curl_easy_init();
	if (ex->easy == NULL) {
		ex->error = "out of memory";
		return ex;
	}
	curl_easy_setopt(ex->easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(ex->easy, CURLOPT_ERRORBUFFER, ex->curl_error);
	curl_easy_setopt(ex->easy, CURLOPT_PRIVATE, ex);
	curl_easy_setopt(ex->easy, CURLOPT_WRITEFUNCTION, msnet_curl_write_cb);
	curl_easy_setopt(ex->easy, CURLOPT_WRITEDATA, ex);
	curl_easy_setopt(ex->easy, CURLOPT_HEADERFUNCTION,
			 msnet_curl_header_cb);
	curl_easy_setopt(ex->easy, CURLOPT_HEADERDATA, ex);
	curl_easy_setopt(ex->easy, CURLOPT_SOCKOPTFUNCTION,
			 msnet_curl_sockopt_cb);
	msnet_curl_set_tls(ex, set, loopback);
	msnet_curl_set_method(ex);
	msnet_curl_set_timeouts(ex);
	msnet_curl_set_headers(ex);
	if (ex->error == NULL &&
	    curl_easy_setopt(ex->easy, CURLOPT_URL, req->url) != CURLE_OK)
		ex->error = "URL refused";
	return ex;
}

CURL *msnet_curl_exchange_handle(struct msnet_curl_exchange *ex)
{
	return ex->easy;
}

const char *msnet_curl_exchange_error(struct msnet_curl_exchange *ex)
{
	return ex->error;
}

/* Reading out */

/* A handshake that the network cut is no verdict on the peer. */
static bool msnet_curl_handshake_was_cut(struct msnet_curl_exchange *ex)
{
	long verify = 0;

	curl_easy_getinfo(ex->easy, CURLINFO_SSL_VERIFYRESULT, &verify);
	return verify == 0 &&
		(strstr(ex->curl_error, "SYSCALL") != NULL ||
		 strstr(ex->curl_error, "reset") != NULL ||
		 strstr(ex->curl_error, "unexpected eof") != NULL ||
		 strstr(ex->curl_error, "Broken pipe") != NULL);
}

static enum msnet_result
msnet_curl_result(struct msnet_curl_exchange *ex, CURLcode code)
{
	long request_size = 0;

	if (ex->too_big)
		return MSNET_TOO_BIG;
	if (ex->local_failed)
		return MSNET_LOCAL_FAILED;
	/* bytes of requests handed to the network, repeats by curl included */
	curl_easy_getinfo(ex->easy, CURLINFO_REQUEST_SIZE, &request_size);

	switch (code) {
	case CURLE_OK:
		return MSNET_OK;
	case CURLE_COULDNT_RESOLVE_PROXY:
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_CONNECT:
	case CURLE_PROXY:
		return MSNET_CONNECT_FAILED;
	case CURLE_SSL_CONNECT_ERROR:
		return msnet_curl_handshake_was_cut(ex) ?
			MSNET_CONNECT_FAILED : MSNET_TLS_FAILED;
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_CIPHER:
	case CURLE_SSL_CRL_BADFILE:
	case CURLE_SSL_ISSUER_ERROR:
	case CURLE_SSL_INVALIDCERTSTATUS:
	case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
	case CURLE_USE_SSL_FAILED:
		return MSNET_TLS_FAILED;
	case CURLE_OPERATION_TIMEDOUT:
		return request_size == 0 ? MSNET_CONNECT_FAILED :
			MSNET_TIMEOUT;
	case CURLE_FILESIZE_EXCEEDED:
		return MSNET_TOO_BIG;
	case CURLE_URL_MALFORMAT:
	case CURLE_OUT_OF_MEMORY:
	case CURLE_FAILED_INIT:
	case CURLE_READ_ERROR:
	case CURLE_BAD_FUNCTION_ARGUMENT:
		return MSNET_LOCAL_FAILED;
	case CURLE_ABORTED_BY_CALLBACK:
		return MSNET_ABORTED;
	default:
		return request_size == 0 ? MSNET_CONNECT_FAILED : MSNET_LOST;
	}
}

static void msnet_curl_set_error(struct msnet_curl_exchange *ex, CURLcode code)
{
	struct msnet_response *resp = ex->resp;
	const char *detail = ex->curl_error;
	char *p;

	if (resp->result == MSNET_TOO_BIG)
		detail = "larger than the limit";
	else if (detail[0] == '\0')
		detail = curl_easy_strerror(code);
	snprintf(resp->error, sizeof(resp->error), "%s: %.200s",
		 msnet_result_text(resp->result), detail);
	for (p = resp->error; *p != '\0'; p++) {
		if ((unsigned char)*p < ' ')
			*p = ' ';
	}
}

struct msnet_response *
msnet_curl_exchange_finish(struct msnet_curl_exchange *ex, CURLcode code)
{
	struct msnet_response *resp = ex->resp;
	curl_off_t value = 0;
	long status = 0;

	ex->resp = NULL;
	if (ex->easy == NULL || ex->error != NULL) {
		resp->result = MSNET_LOCAL_FAILED;
		snprintf(resp->error, sizeof(resp->error), "%s: %s",
			 msnet_result_text(resp->result), ex->error);
		return resp;
	}
	resp->result = msnet_curl_result(ex, code);
	if (curl_easy_getinfo(ex->easy, CURLINFO_SIZE_UPLOAD_T,
			      &value) == CURLE_OK)
		resp->bytes_sent = (uint64_t)value;
	if (curl_easy_getinfo(ex->easy, CURLINFO_SIZE_DOWNLOAD_T,
			      &value) == CURLE_OK)
		resp->bytes_received = (uint64_t)value;
	curl_easy_getinfo(ex->easy, CURLINFO_RESPONSE_CODE, &status);
	if (resp->result == MSNET_OK && status == 0)
		resp->result = MSNET_LOST;
	if (resp->result == MSNET_OK && ex->inflate != NULL &&
	    !msnet_inflate_ended(ex->inflate)) {
		resp->result = MSNET_LOST;
		snprintf(ex->curl_error, sizeof(ex->curl_error),
			 "the compressed answer ends early");
	}
	if (resp->result != MSNET_OK) {
		if (resp->result == MSNET_LOST)
			resp->cut_status = (int)status;
		ex->resp = resp;
		msnet_curl_set_error(ex, code);
		ex->resp = NULL;
		return resp;
	}
	resp->status = (int)status;
	if (!ex->sink_chosen)
		ex->to_sink = ex->req->sink_fd != -1 &&
			status >= 200 && status < 300;
	if (ex->to_sink) {
		resp->body_size = ex->sink_size;
	} else {
		resp->body_size = ex->body.used;
		resp->body = msnet_buf_steal(&ex->body);
	}
	return resp;
}

static void msnet_curl_slist_free(struct curl_slist *list)
{
	struct curl_slist *p;

	for (p = list; p != NULL; p = p->next)
		msnet_secret_wipe(p->data, strlen(p->data));
	curl_slist_free_all(list);
}

void msnet_curl_exchange_free(struct msnet_curl_exchange **_ex)
{
	struct msnet_curl_exchange *ex = *_ex;

	if (ex == NULL)
		return;
	*_ex = NULL;
	if (ex->easy != NULL)
		curl_easy_cleanup(ex->easy);
	msnet_curl_slist_free(ex->slist);
	if (ex->body.data != NULL)
		msnet_secret_wipe(ex->body.data, ex->body.used);
	msnet_buf_free(&ex->body);
	msnet_inflate_destroy(&ex->inflate);
	msnet_response_free(&ex->resp);
	msnet_request_free(&ex->req);
	free(ex);
}
