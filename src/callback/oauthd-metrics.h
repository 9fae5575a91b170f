#ifndef OAUTHD_METRICS_H
#define OAUTHD_METRICS_H

/* What the daemon counts, and its text for Prometheus and alike.
   https://github.com/prometheus/OpenMetrics (text format 1.0.0). Thread-safe. */

#include "mstoken-flow.h"

struct oauthd;
struct oauthd_metrics;

struct oauthd_metrics *oauthd_metrics_create(void);
void oauthd_metrics_destroy(struct oauthd_metrics **metrics);

/* A request to the login host for a token that an account has already; fail is
   NULL if it went well. */
void oauthd_metrics_refresh(struct oauthd_metrics *metrics,
			    const struct mstoken_failure *fail);
/* The end of a sign-in in a browser. */
void oauthd_metrics_link(struct oauthd_metrics *metrics, const char *result,
			 const struct mstoken_failure *fail);
/* A request for a page has come, and has been answered. */
void oauthd_metrics_request_begin(struct oauthd_metrics *metrics);
void oauthd_metrics_request_end(struct oauthd_metrics *metrics,
				const char *page, unsigned int status);

/* Everything, heap. */
char *oauthd_metrics_text(struct oauthd *oauthd);

#endif
