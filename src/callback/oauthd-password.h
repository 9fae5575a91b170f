#ifndef OAUTHD_PASSWORD_H
#define OAUTHD_PASSWORD_H

/* App passwords, with which people log in to Dovecot. */

struct oauthd;

/* Make a new one in place of the old. Returns 1 and the password (heap, wipe
   it), which is known nowhere else; 0 = no such account; -1 = not stored. */
int oauthd_password_make(struct oauthd *oauthd, const char *address,
			 char **password_r);

#endif
