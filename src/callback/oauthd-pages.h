#ifndef OAUTHD_PAGES_H
#define OAUTHD_PAGES_H

/* PURE: the pages a browser sees. No script, no foreign resource. */

#include "oauthd-links.h"

struct oauthd_page {
	unsigned int status;	/* HTTP */
	char *html;		/* heap */
};

/* What will happen, and the button that starts it. */
void oauthd_page_start(struct oauthd_page *page_r, const char *address,
		       const char *invitation, const char *public_url);
/* The end of a sign-in. round: how often the page for those who wait for an
   administrator has come back by itself. */
void oauthd_page_result(struct oauthd_page *page_r,
			const struct oauthd_link_end *end, unsigned int round);
/* The administrator is back from the consent page. */
void oauthd_page_admin_returned(struct oauthd_page *page_r, bool granted);
/* A request that is none: 400, 404, 405, 413. */
void oauthd_page_http_error(struct oauthd_page *page_r, unsigned int status);

#endif
