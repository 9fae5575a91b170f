#ifndef OAUTHD_BROKER_H
#define OAUTHD_BROKER_H

/* The daemon's end of the UNIX socket (lib-broker has the lines). */

struct oauthd;
struct oauthd_broker;

/* Listens and starts its thread. Returns NULL and a heap text. */
struct oauthd_broker *oauthd_broker_start(struct oauthd *oauthd,
					  char **error_r);
/* Waits for requests under way. */
void oauthd_broker_stop(struct oauthd_broker **broker);

#endif
