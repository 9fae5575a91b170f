#include "oauthd-password.h"
#include "oauthd.h"
#include "mstoken-password.h"
#include "msnet-secret.h"

#include <stdlib.h>

int oauthd_password_make(struct oauthd *oauthd, const char *address,
			 char **password_r)
{
	char *password = mstoken_password_make();
	char *hash = mstoken_password_hash(password);
	int ret = mstoken_store_set_password(oauthd->store, address, hash);

	if (ret < 0) {
		oauthd_log("app password not stored: %s",
			   mstoken_store_error(oauthd->store));
	}
	if (ret > 0)
		*password_r = password;
	else
		msnet_secret_free(&password);
	free(hash);
	return ret;
}
