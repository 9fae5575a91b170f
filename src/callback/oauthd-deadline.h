#ifndef OAUTHD_DEADLINE_H
#define OAUTHD_DEADLINE_H

/* A client has so long to send a request, however busily it dribbles: the HTTP
   library only knows a limit for silence. Late connections are cut. */

#include <microhttpd.h>

struct oauthd_deadlines;

/* Starts a thread of its own. Returns NULL if there is none. */
struct oauthd_deadlines *oauthd_deadlines_create(unsigned int secs);
/* After the HTTP daemon has been stopped. */
void oauthd_deadlines_destroy(struct oauthd_deadlines **deadlines);

/* For MHD_OPTION_NOTIFY_CONNECTION; cls is the deadlines. */
void oauthd_deadlines_notify(void *cls, struct MHD_Connection *conn,
			     void **socket_context,
			     enum MHD_ConnectionNotificationCode code);
/* The request is whole, our own work begins; and: it is done, the time for the
   next one runs. */
void oauthd_deadline_met(struct oauthd_deadlines *deadlines,
			 struct MHD_Connection *conn);
void oauthd_deadline_restart(struct oauthd_deadlines *deadlines,
			     struct MHD_Connection *conn);

#endif
