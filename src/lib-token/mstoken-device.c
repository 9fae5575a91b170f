#include "mstoken-device.h"
#include "mstoken-request.h"
#include "msnet-buf.h"
#include "msnet-request.h"
#include "msnet-secret.h"

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#define GRANT_TYPE "urn:ietf:params:oauth:grant-type:device_code"
/* RFC 8628 3.2 and 3.5 */
#define INTERVAL_DEFAULT 5
#define INTERVAL_MAX 300
#define SLOW_DOWN_SECS 5
#define LIFETIME_DEFAULT 900
#define LIFETIME_MAX 3600

static unsigned int limited(int64_t value, unsigned int standard,
			    unsigned int most)
{
	return value <= 0 ? standard :
		value > (int64_t)most ? most : (unsigned int)value;
}

int mstoken_device_decode(int status, const char *body, size_t size,
			  struct mstoken_device *device_r,
			  struct mstoken_failure *fail_r)
{
	struct mstoken_grant grant;
	const char *device_code, *user_code, *uri;
	json_object *obj;

	memset(device_r, 0, sizeof(*device_r));
	memset(fail_r, 0, sizeof(*fail_r));
	/* errors are as those of the token endpoint */
	if (status != 200)
		return mstoken_grant_decode(status, body, size, &grant, fail_r);
	obj = body == NULL ? NULL : mstoken_parse_object(body, size);
	device_code = obj == NULL ? NULL :
		mstoken_get_string(obj, "device_code");
	user_code = obj == NULL ? NULL : mstoken_get_string(obj, "user_code");
	uri = obj == NULL ? NULL : mstoken_get_string(obj, "verification_uri");
	/* the address is shown as a link */
	if (device_code == NULL || user_code == NULL || uri == NULL ||
	    strncmp(uri, "https://", 8) != 0) {
		mstoken_failure_unreachable(fail_r,
			"its answer has no device code");
		json_object_put(obj);
		return -1;
	}
	device_r->device_code = msnet_strdup(device_code);
	device_r->user_code = msnet_strdup(user_code);
	device_r->verification_uri = msnet_strdup(uri);
	device_r->expires_in = limited(mstoken_get_number(obj, "expires_in"),
				       LIFETIME_DEFAULT, LIFETIME_MAX);
	device_r->interval = limited(mstoken_get_number(obj, "interval"),
				     INTERVAL_DEFAULT, INTERVAL_MAX);
	json_object_put(obj);
	return 0;
}

int mstoken_device_start(struct msnet_transport *transport,
			 const struct mstoken_app *app,
			 unsigned int timeout_msecs,
			 struct mstoken_device *device_r,
			 struct mstoken_failure *fail_r)
{
	char *url = mstoken_endpoint_url(app, "devicecode");
	struct msnet_buf form = { 0 };
	struct msnet_response *resp;
	int ret = -1;

	memset(device_r, 0, sizeof(*device_r));
	mstoken_add_param(&form, "client_id", app->client_id);
	mstoken_add_param(&form, "scope", app->scope);
	resp = mstoken_request_post(transport, url, &form, timeout_msecs,
				    fail_r);
	if (resp != NULL) {
		ret = mstoken_device_decode(resp->status, resp->body,
					    (size_t)resp->body_size, device_r,
					    fail_r);
		mstoken_response_free(&resp);
	}
	mstoken_form_free(&form);
	free(url);
	return ret;
}

void mstoken_device_deinit(struct mstoken_device *device)
{
	msnet_secret_free(&device->device_code);
	msnet_secret_free(&device->user_code);
	free(device->verification_uri);
	memset(device, 0, sizeof(*device));
}

int mstoken_device_poll(struct msnet_transport *transport,
			const struct mstoken_app *app,
			struct mstoken_device *device,
			unsigned int timeout_msecs,
			struct mstoken_grant *grant_r,
			struct mstoken_failure *fail_r)
{
	struct msnet_buf form = { 0 };

	mstoken_add_param(&form, "grant_type", GRANT_TYPE);
	mstoken_add_param(&form, "device_code", device->device_code);
	if (mstoken_request_token(transport, app, &form, timeout_msecs,
				  grant_r, fail_r) == 0)
		return 1;
	if (fail_r->wait == MSTOKEN_WAIT_PENDING)
		return 0;
	if (fail_r->wait == MSTOKEN_WAIT_SLOW_DOWN) {
		device->interval = limited((int64_t)device->interval +
			SLOW_DOWN_SECS, INTERVAL_DEFAULT, INTERVAL_MAX);
		return 0;
	}
	if (fail_r->state == MSTOKEN_STATE_UNREACHABLE) {
		device->interval = limited((int64_t)device->interval * 2,
					   INTERVAL_DEFAULT, INTERVAL_MAX);
		return 0;
	}
	return -1;
}
