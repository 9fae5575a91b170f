#ifndef OAUTHD_MONITOR_H
#define OAUTHD_MONITOR_H

/* /healthz and /metrics on a listener of their own (metrics_listen). */

struct oauthd;
struct oauthd_monitor;

/* Returns 0 (*monitor_r is NULL if the setting is not there), or -1 and a heap
   text. */
int oauthd_monitor_start(struct oauthd *oauthd,
			 struct oauthd_monitor **monitor_r, char **error_r);
void oauthd_monitor_stop(struct oauthd_monitor **monitor);

#endif
