#ifndef MSNET_CURL_H
#define MSNET_CURL_H

/* What the two transports share: one curl easy handle per exchange, set up
   and read out in one place. Only msnet-curl.c, msnet-poll.c and the
   plugin's ioloop transport include this. */

#include "msnet-transport.h"

#include <curl/curl.h>

/* Process-wide, counted; call before the first and after the last transport.
   Neither registers an atexit handler. */
int msnet_curl_global_ref(void);
void msnet_curl_global_unref(void);

struct msnet_curl_exchange;

/* Make a handle ready for curl_multi_add_handle(). Takes ownership of req.
   TLS verification always on, redirects off, protocols https (http to
   loopback if allowed), NOSIGNAL, accept-encoding gzip, HTTP/2 where offered,
   stall and total timeouts from the request. Never returns NULL: a request that
   cannot be made (bad URL) has msnet_curl_exchange_error() set. */
struct msnet_curl_exchange *
msnet_curl_exchange_create(const struct msnet_tls_settings *set,
			   struct msnet_request *req);
CURL *msnet_curl_exchange_handle(struct msnet_curl_exchange *ex);
/* The reason why this exchange cannot be started, or NULL. */
const char *msnet_curl_exchange_error(struct msnet_curl_exchange *ex);
/* Turn curl's verdict into a response that the caller owns. Call once, after
   curl_multi_remove_handle(). */
struct msnet_response *
msnet_curl_exchange_finish(struct msnet_curl_exchange *ex, CURLcode code);
void msnet_curl_exchange_free(struct msnet_curl_exchange **ex);

#endif
