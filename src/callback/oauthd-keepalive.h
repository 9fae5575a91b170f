#ifndef OAUTHD_KEEPALIVE_H
#define OAUTHD_KEEPALIVE_H

/* The login host forgets a refresh token that is not used for 90 days. */

struct oauthd;

/* Renew the token of one account that has not been used for long, if there is
   one. Call it every minute or so. May block for OAUTHD_TIMEOUT_MSECS. */
void oauthd_keep_alive(struct oauthd *oauthd);

#endif
