/* The app registrations for those who ask the login host. */

#include "oauthd.h"
#include "msnet-buf.h"
#include "msnet-secret.h"

#include <stdlib.h>
#include <string.h>

struct app_owner {
	struct oauthd *oauthd;
	struct oauthd_registration *reg;
};

/* Which of the two secrets works is remembered until one of the files changes. */
static void app_secret_switched(void *context, bool to_next)
{
	struct app_owner *owner = context;
	bool changed;

	pthread_rwlock_wrlock(&owner->oauthd->config_lock);
	changed = owner->reg->next_in_use != to_next;
	owner->reg->next_in_use = to_next;
	pthread_rwlock_unlock(&owner->oauthd->config_lock);
	if (changed) {
		oauthd_event("secret_switched",
			"registration", owner->reg->name[0] == '\0' ? NULL :
			owner->reg->name, "message", to_next ?
			"client_secret_file is refused, "
			"client_secret_next_file works: move it there" :
			"client_secret_next_file is refused, "
			"client_secret_file works", NULL);
	}
}

/* Under the lock. */
static void app_fill(struct oauthd *oauthd, struct oauthd_registration *reg,
		     struct mstoken_app *app_r)
{
	struct app_owner *owner = msnet_malloc(sizeof(*owner));

	owner->oauthd = oauthd;
	owner->reg = reg;
	app_r->name = reg->name;
	app_r->client_id = msnet_strdup(reg->client_id);
	app_r->client_secret = msnet_strdup(reg->client_secret);
	app_r->client_secret_next = msnet_strdup(reg->client_secret_next);
	app_r->certificate_file = reg->client_certificate_file;
	app_r->tenant = reg->tenant;
	app_r->login_url = reg->login_url;
	app_r->graph_url = reg->graph_url;
	app_r->redirect_uri = oauthd->config.redirect_uri;
	app_r->scope = reg->scope;
	app_r->app_only = reg->app_only;
	app_r->answers_challenges = reg->continuous_access;
	app_r->next_first = reg->next_in_use;
	app_r->secret_switched = app_secret_switched;
	app_r->context = owner;
}

static int app_get(struct oauthd *oauthd, const char *name, const char *address,
		   struct mstoken_app *app_r)
{
	struct oauthd_registration *reg;
	bool changed;

	memset(app_r, 0, sizeof(*app_r));
	pthread_rwlock_rdlock(&oauthd->config_lock);
	changed = oauthd_config_secret_has_changed(&oauthd->config);
	pthread_rwlock_unlock(&oauthd->config_lock);
	if (changed)
		oauthd_reload_secret(oauthd);

	pthread_rwlock_rdlock(&oauthd->config_lock);
	reg = name != NULL ?
		oauthd_config_find_registration(&oauthd->config, name) :
		oauthd_config_registration_for(&oauthd->config, address);
	if (reg != NULL && reg->client_id != NULL)
		app_fill(oauthd, reg, app_r);
	pthread_rwlock_unlock(&oauthd->config_lock);
	return app_r->client_id != NULL ? 0 : -1;
}

int oauthd_app_get(void *oauthd, const char *registration,
		   struct mstoken_app *app_r)
{
	return app_get(oauthd, registration, NULL, app_r);
}

int oauthd_app_get_for(struct oauthd *oauthd, const char *address,
		       struct mstoken_app *app_r)
{
	return app_get(oauthd, NULL, address, app_r);
}

void oauthd_app_release(void *context, struct mstoken_app *app)
{
	char *secret = (char *)app->client_secret;
	char *next = (char *)app->client_secret_next;

	free((char *)app->client_id);
	msnet_secret_free(&secret);
	msnet_secret_free(&next);
	free(app->context);
	memset(app, 0, sizeof(*app));
}

void oauthd_set_client_ids(struct oauthd *oauthd)
{
	unsigned int i;

	for (i = 0; i < oauthd->config.registration_count; i++) {
		mstoken_store_set_client_id(oauthd->store,
			oauthd->config.registrations[i].name,
			oauthd->config.registrations[i].client_id);
	}
}
