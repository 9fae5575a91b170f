#ifndef OAUTHD_DEVICE_H
#define OAUTHD_DEVICE_H

/* Linking by a code that is entered on another device. Nothing runs by itself:
   who waits asks again and again, and the login host is asked when it is time.
   Thread-safe. */

#include "oauthd-links.h"

struct oauthd;
struct oauthd_devices;

struct oauthd_devices *oauthd_devices_create(struct oauthd *oauthd);
void oauthd_devices_destroy(struct oauthd_devices **devices);

/* Who waits: the holder of an invitation, or, with NULL, whoever may do without
   one. */
struct oauthd_device_key {
	const char *address;
	const char *invitation;
};

/* Get a code, or see the one that was got before. end_r: result WAITS_FOR_CODE
   with user_code and verification_url, or what went wrong. Blocks. */
void oauthd_devices_start(struct oauthd_devices *devices,
			  const struct oauthd_device_key *key,
			  struct oauthd_link_end *end_r);
/* Has it been entered? The same, until the account is linked or it has failed.
   Result NO_STATE: no code was got, or it has been dealt with. Blocks. */
void oauthd_devices_poll(struct oauthd_devices *devices,
			 const struct oauthd_device_key *key,
			 struct oauthd_link_end *end_r);

#endif
