#include "oauthd-links.h"
#include "oauthd.h"
#include "oauthd-admit.h"
#include "oauthd-password.h"
#include "mstoken-pkce.h"
#include "msnet-buf.h"
#include "msnet-secret.h"
#include "msnet-transport.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

/* a sign-in in the browser must end within this */
#define LINK_LIFETIME_SECS 600
/* sign-ins under way at the same time; more push out the oldest */
#define LINKS_MAX 1000

/* one sign-in in a browser; all strings heap */
struct link_flow {
	struct link_flow *next;
	char *state, *cookie, *verifier, *nonce;
	char *invitation, *address;
	time_t expires;
	/* looks whether consent has come, see oauthd_links_should_try() */
	bool silent;
};

/* an invitation that was made for an error text */
struct link_relink {
	struct link_relink *next;
	char *address, *url;
	time_t fresh_until;
};

/* an administrator came back from the consent page */
#define HINTS_MAX 64
/* without a hint the waiting page tries in every such round */
#define WAIT_ROUNDS_PER_TRY 8

struct oauthd_links {
	struct oauthd *oauthd;
	char *hints[HINTS_MAX];		/* states of consent links, heap */
	unsigned int next_hint;
	pthread_mutex_t mutex;
	struct link_flow *flows;	/* newest first */
	struct link_relink *relinks;
};

const char *oauthd_link_result_name(enum oauthd_link_result result)
{
	static const char *const names[] = {
		"ok", "no_invitation", "no_state", "refused", "needs_consent",
		"wrong_account", "failed", "no_registration",
		"waits_for_code"
	};

	return names[result];
}

struct oauthd_links *oauthd_links_create(struct oauthd *oauthd)
{
	struct oauthd_links *links = msnet_malloc(sizeof(*links));

	links->oauthd = oauthd;
	pthread_mutex_init(&links->mutex, NULL);
	return links;
}

static void flow_free(struct link_flow *flow)
{
	if (flow == NULL)
		return;
	msnet_secret_free(&flow->state);
	msnet_secret_free(&flow->cookie);
	msnet_secret_free(&flow->verifier);
	msnet_secret_free(&flow->nonce);
	msnet_secret_free(&flow->invitation);
	free(flow->address);
	free(flow);
}

void oauthd_links_destroy(struct oauthd_links **_links)
{
	struct oauthd_links *links = *_links;
	struct link_flow *flow;
	struct link_relink *relink;
	unsigned int i;

	if (links == NULL)
		return;
	*_links = NULL;
	while ((flow = links->flows) != NULL) {
		links->flows = flow->next;
		flow_free(flow);
	}
	while ((relink = links->relinks) != NULL) {
		links->relinks = relink->next;
		free(relink->address);
		msnet_secret_free(&relink->url);
		free(relink);
	}
	for (i = 0; i < HINTS_MAX; i++)
		free(links->hints[i]);
	pthread_mutex_destroy(&links->mutex);
	free(links);
}

static char *invitation_url(struct oauthd_links *links, const char *secret)
{
	struct msnet_buf buf = { 0 };

	msnet_buf_printf(&buf, "%s/start?i=%s",
			 links->oauthd->config.public_url, secret);
	return msnet_buf_steal(&buf);
}

int oauthd_links_invite(struct oauthd_links *links, const char *address,
			char **url_r)
{
	char *secret = msnet_secret_random_text(24);
	int ret;

	ret = mstoken_store_invite(links->oauthd->store, secret, address,
		(int64_t)time(NULL) +
		links->oauthd->config.invitation_lifetime);
	if (ret > 0) {
		*url_r = invitation_url(links, secret);
		oauthd_event("invited", "account", address, NULL);
	} else
		oauthd_log("invitation not stored: %s",
			   mstoken_store_error(links->oauthd->store));
	msnet_secret_free(&secret);
	return ret > 0 ? 0 : -1;
}

char *oauthd_links_relink_url(struct oauthd_links *links, const char *address)
{
	struct link_relink *relink;
	time_t now = time(NULL);
	char *url = NULL;

	pthread_mutex_lock(&links->mutex);
	for (relink = links->relinks; relink != NULL; relink = relink->next) {
		if (strcasecmp(relink->address, address) == 0)
			break;
	}
	if (relink == NULL) {
		relink = msnet_malloc(sizeof(*relink));
		relink->address = msnet_strdup(address);
		relink->next = links->relinks;
		links->relinks = relink;
	}
	if (relink->url == NULL || relink->fresh_until < now) {
		msnet_secret_free(&relink->url);
		if (oauthd_links_invite(links, address, &relink->url) == 0)
			relink->fresh_until = now + (time_t)
				links->oauthd->config.invitation_lifetime / 2;
	}
	url = msnet_strdup(relink->url);
	pthread_mutex_unlock(&links->mutex);
	return url;
}

static void flow_add(struct oauthd_links *links, struct link_flow *flow)
{
	struct link_flow **p, *old;
	time_t now = time(NULL);
	unsigned int count = 0;

	pthread_mutex_lock(&links->mutex);
	flow->next = links->flows;
	links->flows = flow;
	for (p = &links->flows; (old = *p) != NULL; ) {
		if (++count > LINKS_MAX || old->expires < now) {
			*p = old->next;
			flow_free(old);
		} else {
			p = &old->next;
		}
	}
	pthread_mutex_unlock(&links->mutex);
}

/* Take the flow out: a state works once. */
static struct link_flow *
flow_take(struct oauthd_links *links, const char *state)
{
	struct link_flow **p, *flow = NULL;

	pthread_mutex_lock(&links->mutex);
	for (p = &links->flows; *p != NULL; p = &(*p)->next) {
		if (msnet_secret_equals((*p)->state, state)) {
			flow = *p;
			*p = flow->next;
			break;
		}
	}
	pthread_mutex_unlock(&links->mutex);
	if (flow != NULL && flow->expires < time(NULL)) {
		flow_free(flow);
		flow = NULL;
	}
	return flow;
}

enum oauthd_link_result
oauthd_links_look(struct oauthd_links *links, const char *invitation,
		  char **address_r)
{
	struct oauthd *oauthd = links->oauthd;
	int ret;

	*address_r = NULL;
	ret = mstoken_store_find_invitation(oauthd->store, invitation,
					    (int64_t)time(NULL), address_r);
	if (ret < 0) {
		oauthd_log("account store: %s",
			   mstoken_store_error(oauthd->store));
		return OAUTHD_LINK_FAILED;
	}
	return ret == 0 ? OAUTHD_LINK_NO_INVITATION : OAUTHD_LINK_OK;
}

enum oauthd_link_result
oauthd_links_start(struct oauthd_links *links, const char *invitation,
		   bool silent, char **url_r, char **cookie_r)
{
	struct oauthd *oauthd = links->oauthd;
	enum oauthd_link_result result;
	struct mstoken_app app;
	struct link_flow *flow;
	char *address = NULL, *challenge;

	result = oauthd_links_look(links, invitation, &address);
	if (result != OAUTHD_LINK_OK)
		return result;
	if (oauthd_app_get_for(oauthd, address, &app) < 0) {
		free(address);
		return OAUTHD_LINK_NO_REGISTRATION;
	}

	flow = msnet_malloc(sizeof(*flow));
	flow->state = msnet_secret_random_text(24);
	flow->cookie = msnet_secret_random_text(24);
	flow->nonce = msnet_secret_random_text(24);
	flow->verifier = mstoken_pkce_verifier();
	flow->invitation = msnet_strdup(invitation);
	flow->address = address;
	flow->expires = time(NULL) + LINK_LIFETIME_SECS;
	flow->silent = silent;

	challenge = mstoken_pkce_challenge(flow->verifier);
	/* A form post comes from another site, and browsers send the cookie
	   along only if it is SameSite=None, which they take over https alone.
	   So plain http (loopback) uses the query. */
	*url_r = mstoken_flow_authorize_url(&app, flow->state, challenge,
		flow->nonce, address, silent ? "none" : "select_account",
		strncmp(app.redirect_uri, "https:", 6) == 0 ?
		"form_post" : "query");
	oauthd_app_release(oauthd, &app);
	free(challenge);
	*cookie_r = msnet_strdup(flow->cookie);
	flow_add(links, flow);
	return OAUTHD_LINK_OK;
}

/*
 * The way back
 */

bool oauthd_links_is_own_address(const char *address,
				 const char *user_principal_name,
				 const char *mail, char *const *proxy_addresses)
{
	if (strcasecmp(address, user_principal_name) == 0 ||
	    strcasecmp(address, mail) == 0)
		return true;
	for (; proxy_addresses != NULL && *proxy_addresses != NULL;
	     proxy_addresses++) {
		if (strncasecmp(*proxy_addresses, "smtp:", 5) == 0 &&
		    strcasecmp(*proxy_addresses + 5, address) == 0)
			return true;
	}
	return false;
}

static enum oauthd_link_result
link_redeem(struct oauthd *oauthd, const struct link_flow *flow,
	    const char *code, char **username_r, struct mstoken_failure *fail_r)
{
	struct msnet_transport *transport = oauthd_transport_create(oauthd);
	enum oauthd_link_result result;
	struct mstoken_grant grant;
	struct mstoken_app app;
	const char *error = NULL;
	int ret;

	if (oauthd_app_get_for(oauthd, flow->address, &app) < 0) {
		oauthd_fail_no_registration(flow->address, fail_r);
		msnet_transport_destroy(&transport);
		return OAUTHD_LINK_FAILED;
	}
	ret = mstoken_flow_redeem_code(transport, &app, code, flow->verifier,
				       OAUTHD_TIMEOUT_MSECS, &grant, fail_r);
	if (ret == 0)
		error = mstoken_grant_check_id(&grant, &app, flow->nonce,
					       (int64_t)time(NULL));
	if (ret < 0)
		result = fail_r->state == MSTOKEN_STATE_UNREACHABLE ?
			OAUTHD_LINK_FAILED : OAUTHD_LINK_REFUSED;
	else if (error != NULL) {
		fail_r->state = MSTOKEN_STATE_NEEDS_SIGN_IN;
		snprintf(fail_r->message, sizeof(fail_r->message),
			 "%s: start again from the link", error);
		result = OAUTHD_LINK_REFUSED;
	} else {
		*username_r = msnet_strdup(grant.username);
		result = oauthd_admit(oauthd, transport, &app, &grant,
				      flow->address, flow->invitation, fail_r);
	}
	oauthd_app_release(oauthd, &app);
	mstoken_grant_deinit(&grant);
	msnet_transport_destroy(&transport);
	return result;
}

/*
 * Waiting for an administrator
 */

/* The state of the admin consent link: it tells nobody the invitation. */
static char *consent_state(const char *invitation)
{
	return mstoken_pkce_challenge(invitation);
}

static void
link_end_add_consent(struct oauthd_links *links, const char *invitation,
		     struct oauthd_link_end *end)
{
	char *state;
	struct mstoken_app app;

	if (oauthd_app_get_for(links->oauthd, end->address, &app) < 0)
		return;
	state = consent_state(invitation);
	end->admin_url = mstoken_flow_admin_consent_url(&app, state);
	end->scope = msnet_strdup(app.scope);
	oauthd_app_release(links->oauthd, &app);
	free(state);
}

void oauthd_links_admin_returned(struct oauthd_links *links, const char *state)
{
	char **hint;

	pthread_mutex_lock(&links->mutex);
	hint = &links->hints[links->next_hint++ % HINTS_MAX];
	free(*hint);
	*hint = msnet_strdup(state);
	pthread_mutex_unlock(&links->mutex);
}

bool oauthd_links_should_try(struct oauthd_links *links,
			     const char *invitation, unsigned int round)
{
	char *state = consent_state(invitation);
	bool found = false;
	unsigned int i;

	pthread_mutex_lock(&links->mutex);
	for (i = 0; i < HINTS_MAX; i++) {
		if (links->hints[i] != NULL &&
		    strcmp(links->hints[i], state) == 0) {
			free(links->hints[i]);
			links->hints[i] = NULL;
			found = true;
		}
	}
	pthread_mutex_unlock(&links->mutex);
	free(state);
	return found || round % WAIT_ROUNDS_PER_TRY == 0;
}

void oauthd_links_describe_wait(struct oauthd_links *links,
				const char *invitation,
				struct oauthd_link_end *end_r)
{
	memset(end_r, 0, sizeof(*end_r));
	end_r->result = oauthd_links_look(links, invitation, &end_r->address);
	if (end_r->result != OAUTHD_LINK_OK)
		return;
	end_r->result = OAUTHD_LINK_NEEDS_CONSENT;
	end_r->again_url = invitation_url(links, invitation);
	link_end_add_consent(links, invitation, end_r);
}

/* Who links again keeps the password that the mail programs have. */
static void
link_end_add_password(struct oauthd *oauthd, struct oauthd_link_end *end)
{
	if (oauthd->config.app_passwords &&
	    mstoken_store_has_password(oauthd->store, end->address) == 0)
		(void)oauthd_password_make(oauthd, end->address,
					   &end->app_password);
}

void oauthd_links_complete(struct oauthd_links *links, const char *invitation,
			   bool silent, struct oauthd_link_end *end)
{
	end->again_url = invitation_url(links, invitation);
	if (end->result == OAUTHD_LINK_OK) {
		end->imap_server = links->oauthd->config.imap_server;
		end->smtp_server = links->oauthd->config.smtp_server;
		link_end_add_password(links->oauthd, end);
	}
	/* A silent sign-in that fails for another reason than consent (no
	   session any more) goes on waiting, too. */
	if (end->result == OAUTHD_LINK_REFUSED &&
	    (silent || end->fail.state == MSTOKEN_STATE_NEEDS_CONSENT)) {
		end->result = OAUTHD_LINK_NEEDS_CONSENT;
		link_end_add_consent(links, invitation, end);
	}
}

void oauthd_links_finish(struct oauthd_links *links,
			 const struct oauthd_callback *cb,
			 struct oauthd_link_end *end_r)
{
	struct link_flow *flow;

	memset(end_r, 0, sizeof(*end_r));
	end_r->result = OAUTHD_LINK_NO_STATE;
	flow = cb->state == NULL ? NULL : flow_take(links, cb->state);
	if (flow == NULL)
		return;
	/* who has the state but not the cookie gets to see nothing */
	if (cb->cookie == NULL ||
	    !msnet_secret_equals(cb->cookie, flow->cookie)) {
		flow_free(flow);
		return;
	}
	end_r->address = msnet_strdup(flow->address);
	if (cb->code == NULL || cb->error != NULL) {
		mstoken_failure_from_error(&end_r->fail,
			cb->error != NULL ? cb->error : "access_denied",
			cb->error_description);
		end_r->result = OAUTHD_LINK_REFUSED;
	} else {
		end_r->result = link_redeem(links->oauthd, flow, cb->code,
					    &end_r->username, &end_r->fail);
	}
	oauthd_links_complete(links, flow->invitation, flow->silent, end_r);
	flow_free(flow);
}

void oauthd_link_end_deinit(struct oauthd_link_end *end)
{
	free(end->address);
	free(end->username);
	msnet_secret_free(&end->again_url);
	msnet_secret_free(&end->app_password);
	free(end->admin_url);
	free(end->scope);
	free(end->user_code);
	free(end->verification_url);
	memset(end, 0, sizeof(*end));
}
