#ifndef OAUTHD_ADMIN_H
#define OAUTHD_ADMIN_H

/* Who may use the admin page: password, sessions. No HTTP and no HTML in here.
   Thread-safe. */

#include <stdbool.h>

struct oauthd;
struct oauthd_admin;

enum oauthd_admin_login {
	OAUTHD_ADMIN_OK = 0,
	OAUTHD_ADMIN_WRONG,
	/* too many wrong ones: later */
	OAUTHD_ADMIN_BUSY,
	/* admin_password_file cannot be used; it is logged */
	OAUTHD_ADMIN_BROKEN
};

struct oauthd_admin *oauthd_admin_create(struct oauthd *oauthd);
void oauthd_admin_destroy(struct oauthd_admin **admin);

/* session_r: heap, wipe it. */
enum oauthd_admin_login
oauthd_admin_login(struct oauthd_admin *admin, const char *password,
		   char **session_r);
/* Is it a session? csrf_r (may be NULL): what its forms must carry, heap. */
bool oauthd_admin_check(struct oauthd_admin *admin, const char *session,
			char **csrf_r);
void oauthd_admin_logout(struct oauthd_admin *admin, const char *session);

/* Forget an account and its tokens. As mstoken_store_delete(). */
int oauthd_unlink(struct oauthd *oauthd, const char *address, const char *by);

#endif
