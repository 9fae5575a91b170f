#ifndef OAUTHD_PAGES_H
#define OAUTHD_PAGES_H

/* PURE: the pages a browser sees. No script, no foreign resource. */

#include "oauthd-links.h"

struct oauthd_page {
	unsigned int status;	/* HTTP */
	char *html;		/* heap */
};

/* The end of a sign-in. Texts may be NULL. */
void oauthd_page_result(struct oauthd_page *page_r,
			enum oauthd_link_result result, const char *address,
			const char *username, const char *again_url,
			const struct mstoken_failure *fail);
void oauthd_page_not_found(struct oauthd_page *page_r);

#endif
