#include "oauthd-device.h"
#include "oauthd-admit.h"
#include "oauthd.h"
#include "mstoken-device.h"
#include "msnet-buf.h"
#include "msnet-secret.h"
#include "msnet-transport.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

/* codes waited for at the same time; more push out the oldest */
#define DEVICES_MAX 1000

struct device_flow {
	struct device_flow *next;
	char *address, *invitation;	/* invitation may be NULL */
	struct mstoken_device device;
	time_t expires, next_poll;	/* CLOCK_MONOTONIC */
	bool busy;			/* a thread is at the login host */
};

struct oauthd_devices {
	struct oauthd *oauthd;
	pthread_mutex_t mutex;
	struct device_flow *flows;	/* newest first */
};

static time_t monotonic_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec;
}

struct oauthd_devices *oauthd_devices_create(struct oauthd *oauthd)
{
	struct oauthd_devices *devices = msnet_malloc(sizeof(*devices));

	devices->oauthd = oauthd;
	pthread_mutex_init(&devices->mutex, NULL);
	return devices;
}

static void flow_free(struct device_flow *flow)
{
	mstoken_device_deinit(&flow->device);
	free(flow->address);
	msnet_secret_free(&flow->invitation);
	free(flow);
}

void oauthd_devices_destroy(struct oauthd_devices **_devices)
{
	struct oauthd_devices *devices = *_devices;
	struct device_flow *flow;

	if (devices == NULL)
		return;
	*_devices = NULL;
	while ((flow = devices->flows) != NULL) {
		devices->flows = flow->next;
		flow_free(flow);
	}
	pthread_mutex_destroy(&devices->mutex);
	free(devices);
}

static bool flow_is(const struct device_flow *flow,
		    const struct oauthd_device_key *key)
{
	if ((flow->invitation == NULL) != (key->invitation == NULL))
		return false;
	return key->invitation != NULL ?
		msnet_secret_equals(flow->invitation, key->invitation) :
		strcasecmp(flow->address, key->address) == 0;
}

/* Called with the mutex held. */
static struct device_flow *
flow_find(struct oauthd_devices *devices, const struct oauthd_device_key *key)
{
	struct device_flow *flow;

	for (flow = devices->flows; flow != NULL; flow = flow->next) {
		if (flow_is(flow, key))
			return flow;
	}
	return NULL;
}

/* Called with the mutex held. */
static void flow_drop(struct oauthd_devices *devices, struct device_flow *flow)
{
	struct device_flow **p;

	for (p = &devices->flows; *p != flow; p = &(*p)->next) ;
	*p = flow->next;
	flow_free(flow);
}

/* Called with the mutex held. */
static void flow_add(struct oauthd_devices *devices, struct device_flow *flow)
{
	struct device_flow **p, *old;
	unsigned int count = 1;

	for (p = &devices->flows; (old = *p) != NULL; ) {
		if (!old->busy && (++count > DEVICES_MAX ||
				   old->expires < monotonic_now())) {
			*p = old->next;
			flow_free(old);
		} else {
			p = &old->next;
		}
	}
	flow->next = devices->flows;
	devices->flows = flow;
}

static void flow_describe(const struct device_flow *flow,
			  struct oauthd_link_end *end_r)
{
	end_r->result = OAUTHD_LINK_WAITS_FOR_CODE;
	end_r->user_code = msnet_strdup(flow->device.user_code);
	end_r->verification_url = msnet_strdup(flow->device.verification_uri);
}

static void end_begin(struct oauthd_link_end *end_r,
		      const struct oauthd_device_key *key)
{
	memset(end_r, 0, sizeof(*end_r));
	end_r->address = msnet_strdup(key->address);
}

/* Blocks; without the mutex. */
static struct device_flow *
flow_request(struct oauthd *oauthd, const struct oauthd_device_key *key,
	     struct oauthd_link_end *end_r)
{
	struct msnet_transport *transport;
	struct device_flow *flow = NULL;
	struct mstoken_device device;
	struct mstoken_app app;

	if (oauthd_app_get_for(oauthd, key->address, &app) < 0) {
		end_r->result = OAUTHD_LINK_NO_REGISTRATION;
		oauthd_fail_no_registration(key->address, &end_r->fail);
		return NULL;
	}
	transport = oauthd_transport_create(oauthd);
	if (mstoken_device_start(transport, &app, OAUTHD_TIMEOUT_MSECS, &device,
				 &end_r->fail) == 0) {
		flow = msnet_malloc(sizeof(*flow));
		flow->device = device;
		flow->address = msnet_strdup(key->address);
		flow->invitation = msnet_strdup(key->invitation);
		flow->expires = monotonic_now() + (time_t)device.expires_in;
		flow->next_poll = monotonic_now() + (time_t)device.interval;
	} else {
		end_r->result = end_r->fail.state ==
			MSTOKEN_STATE_UNREACHABLE ? OAUTHD_LINK_FAILED :
			OAUTHD_LINK_REFUSED;
	}
	msnet_transport_destroy(&transport);
	oauthd_app_release(oauthd, &app);
	return flow;
}

void oauthd_devices_start(struct oauthd_devices *devices,
			  const struct oauthd_device_key *key,
			  struct oauthd_link_end *end_r)
{
	struct device_flow *flow;

	end_begin(end_r, key);
	pthread_mutex_lock(&devices->mutex);
	flow = flow_find(devices, key);
	if (flow != NULL && !flow->busy && flow->expires < monotonic_now()) {
		flow_drop(devices, flow);
		flow = NULL;
	}
	if (flow == NULL) {
		pthread_mutex_unlock(&devices->mutex);
		flow = flow_request(devices->oauthd, key, end_r);
		pthread_mutex_lock(&devices->mutex);
		if (flow != NULL)
			flow_add(devices, flow);
	}
	if (flow != NULL)
		flow_describe(flow, end_r);
	pthread_mutex_unlock(&devices->mutex);
}

/* Who entered the code? Blocks; without the mutex. */
static void
flow_admit(struct oauthd *oauthd, const struct mstoken_app *app,
	   struct msnet_transport *transport, const struct device_flow *flow,
	   struct mstoken_grant *grant, struct oauthd_link_end *end_r)
{
	const char *error = mstoken_grant_check_id(grant, app, NULL,
						   (int64_t)time(NULL));

	if (error != NULL) {
		end_r->result = OAUTHD_LINK_REFUSED;
		end_r->fail.state = MSTOKEN_STATE_NEEDS_SIGN_IN;
		snprintf(end_r->fail.message, sizeof(end_r->fail.message),
			 "%s: start again from the link", error);
		return;
	}
	end_r->username = msnet_strdup(grant->username);
	end_r->result = oauthd_admit(oauthd, transport, app, grant,
				     flow->address, flow->invitation,
				     &end_r->fail);
}

/* Blocks; without the mutex, flow is busy. False: not entered yet. */
static bool flow_ask(struct oauthd *oauthd, struct device_flow *flow,
		     struct oauthd_link_end *end_r)
{
	struct msnet_transport *transport;
	struct mstoken_grant grant;
	struct mstoken_app app;
	int ret;

	if (oauthd_app_get_for(oauthd, flow->address, &app) < 0) {
		end_r->result = OAUTHD_LINK_NO_REGISTRATION;
		return true;
	}
	transport = oauthd_transport_create(oauthd);
	ret = mstoken_device_poll(transport, &app, &flow->device,
				  OAUTHD_TIMEOUT_MSECS, &grant, &end_r->fail);
	if (ret > 0)
		flow_admit(oauthd, &app, transport, flow, &grant, end_r);
	else if (ret < 0)
		end_r->result = OAUTHD_LINK_REFUSED;
	else
		memset(&end_r->fail, 0, sizeof(end_r->fail));
	mstoken_grant_deinit(&grant);
	msnet_transport_destroy(&transport);
	oauthd_app_release(oauthd, &app);
	return ret != 0;
}

static void flow_expired(struct oauthd_link_end *end_r)
{
	end_r->result = OAUTHD_LINK_REFUSED;
	mstoken_failure_from_error(&end_r->fail, "expired_token", NULL);
}

void oauthd_devices_poll(struct oauthd_devices *devices,
			 const struct oauthd_device_key *key,
			 struct oauthd_link_end *end_r)
{
	struct device_flow *flow;
	time_t now = monotonic_now();
	bool ended = false;

	end_begin(end_r, key);
	pthread_mutex_lock(&devices->mutex);
	flow = flow_find(devices, key);
	if (flow == NULL) {
		end_r->result = OAUTHD_LINK_NO_STATE;
	} else if (flow->busy || (now < flow->next_poll &&
				  now <= flow->expires)) {
		flow_describe(flow, end_r);
	} else if (now > flow->expires) {
		flow_expired(end_r);
		flow_drop(devices, flow);
	} else {
		flow->busy = true;
		pthread_mutex_unlock(&devices->mutex);
		ended = flow_ask(devices->oauthd, flow, end_r);
		pthread_mutex_lock(&devices->mutex);
		flow->busy = false;
		flow->next_poll = monotonic_now() +
			(time_t)flow->device.interval;
		if (ended)
			flow_drop(devices, flow);
		else
			flow_describe(flow, end_r);
	}
	pthread_mutex_unlock(&devices->mutex);
}
