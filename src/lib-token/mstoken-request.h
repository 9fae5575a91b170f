#ifndef MSTOKEN_REQUEST_H
#define MSTOKEN_REQUEST_H

/* Requests to the login host, with the credential of the app registration, and
   the reading of JSON answers. Only for the flows. */

#include "mstoken-flow.h"

struct json_object;
struct msnet_buf;
struct msnet_response;
struct msnet_transport;

/* what an answer may measure at most */
#define MSTOKEN_BODY_MAX (256 * 1024)

/* Add to a form or query; nothing if value is NULL. */
void mstoken_add_param(struct msnet_buf *buf, const char *name,
		       const char *value);
/* Wipes. */
void mstoken_form_free(struct msnet_buf *form);

/* {login}/{tenant}/oauth2/v2.0/{endpoint}, heap. */
char *mstoken_endpoint_url(const struct mstoken_app *app, const char *endpoint);
/* Blocks. NULL and why if there is no answer. */
struct msnet_response *
mstoken_request_post(struct msnet_transport *transport, const char *url,
		     const struct msnet_buf *form, unsigned int timeout_msecs,
		     struct mstoken_failure *fail_r);
/* Wipes. */
void mstoken_response_free(struct msnet_response **resp);

/* A token request with these parameters, which are used up. When the login host
   refuses the secret the other one is tried. Blocks. */
int mstoken_request_token(struct msnet_transport *transport,
			  const struct mstoken_app *app,
			  struct msnet_buf *params, unsigned int timeout_msecs,
			  struct mstoken_grant *grant_r,
			  struct mstoken_failure *fail_r);

void mstoken_failure_unreachable(struct mstoken_failure *fail,
				 const char *what);
/* NULL unless it is a JSON object; json_object_put() it. */
struct json_object *mstoken_parse_object(const char *text, size_t size);
/* NULL unless it is a string. */
const char *mstoken_get_string(struct json_object *obj, const char *key);
/* A number, also as a string; 0 if it is none. */
int64_t mstoken_get_number(struct json_object *obj, const char *key);

#endif
