/* SIGHUP, and a new client secret. */

#include "oauthd.h"
#include "oauthd-notify.h"
#include "mstoken-seal.h"
#include "msnet-buf.h"

#include <stdlib.h>

struct oauthd_retired_config {
	struct oauthd_retired_config *next;
	struct oauthd_config config;
};

void oauthd_reload_secret(struct oauthd *oauthd)
{
	char *error = NULL;
	int ret;

	pthread_rwlock_wrlock(&oauthd->config_lock);
	ret = oauthd_config_reload_secret(&oauthd->config, &error);
	oauthd_set_client_ids(oauthd);
	pthread_rwlock_unlock(&oauthd->config_lock);
	if (ret < 0)
		oauthd_event("reload_failed", "message", error, "kept",
			     "the client secret of before", NULL);
	else
		oauthd_event("secret_reloaded", NULL);
	free(error);
}

static void reload_swap(struct oauthd *oauthd, struct oauthd_config *config)
{
	struct oauthd_retired_config *retired =
		msnet_malloc(sizeof(*retired));

	pthread_rwlock_wrlock(&oauthd->config_lock);
	retired->config = oauthd->config;
	retired->next = oauthd->retired;
	oauthd->retired = retired;
	oauthd->config = *config;
	oauthd_set_client_ids(oauthd);
	pthread_rwlock_unlock(&oauthd->config_lock);
}

void oauthd_reload(struct oauthd *oauthd)
{
	struct oauthd_config config;
	const char *fixed;
	char *error = NULL;

	oauthd_notify_reloading();
	if (oauthd_config_read(oauthd->config_path, &config, &error) < 0) {
		oauthd_event("reload_failed", "message", error, "kept",
			     "the configuration of before", NULL);
	} else {
		fixed = oauthd_config_keep_fixed(&config, &oauthd->config);
		reload_swap(oauthd, &config);
		oauthd_event("reloaded", "needs_restart", fixed, NULL);
		if (mstoken_seal_reload(oauthd->seal, &error) < 0)
			oauthd_event("reload_failed", "message", error, "kept",
				     "the sealing keys of before", NULL);
	}
	free(error);
	oauthd_notify_ready();
}

void oauthd_free_config(struct oauthd *oauthd)
{
	struct oauthd_retired_config *retired;

	while ((retired = oauthd->retired) != NULL) {
		oauthd->retired = retired->next;
		oauthd_config_deinit(&retired->config);
		free(retired);
	}
	oauthd_config_deinit(&oauthd->config);
}
