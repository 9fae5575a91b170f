#ifndef MSTOKEN_DEVICE_H
#define MSTOKEN_DEVICE_H

/* Signing in on another device (RFC 8628): a code is entered in a browser
   anywhere, while we ask from time to time whether that has been done.
   https://learn.microsoft.com/entra/identity-platform/v2-oauth2-device-code */

#include "mstoken-flow.h"

/* Free with mstoken_device_deinit(), which wipes. */
struct mstoken_device {
	char *device_code;		/* secret */
	char *user_code;
	char *verification_uri;
	unsigned int expires_in;	/* seconds */
	unsigned int interval;		/* seconds between two polls */
};

/* Block for at most timeout_msecs. Return 0 or -1. */
int mstoken_device_start(struct msnet_transport *transport,
			 const struct mstoken_app *app,
			 unsigned int timeout_msecs,
			 struct mstoken_device *device_r,
			 struct mstoken_failure *fail_r);
void mstoken_device_deinit(struct mstoken_device *device);

/* Has the code been entered? Returns 1 and the grant; 0: not yet, ask again after
   device->interval, which grows when the login host says slow_down; -1. A network
   failure is "not yet": the interval doubles (RFC 8628 3.5). */
int mstoken_device_poll(struct msnet_transport *transport,
			const struct mstoken_app *app,
			struct mstoken_device *device,
			unsigned int timeout_msecs,
			struct mstoken_grant *grant_r,
			struct mstoken_failure *fail_r);

/* PURE: an answer of the devicecode endpoint. */
int mstoken_device_decode(int status, const char *body, size_t size,
			  struct mstoken_device *device_r,
			  struct mstoken_failure *fail_r);

#endif
