#ifndef OAUTHD_ADMIN_PAGES_H
#define OAUTHD_ADMIN_PAGES_H

/* PURE: the pages of the administrator of this server, and the start page for
   those who were not invited. action: where the forms go. */

struct mstoken_account;
struct oauthd_page;

/* message: NULL or what to say about the last try (static). */
void oauthd_page_admin_login(struct oauthd_page *page_r, const char *action,
			     const char *message);
/* What has been done, in the list of accounts. */
struct oauthd_admin_news {
	const char *message;		/* NULL = none; static */
	const char *address, *link;	/* a fresh invitation, or NULL */
};
void oauthd_page_admin_list(struct oauthd_page *page_r, const char *action,
			    const char *csrf,
			    const struct mstoken_account *accounts,
			    unsigned int count,
			    const struct oauthd_admin_news *news);
void oauthd_page_admin_confirm(struct oauthd_page *page_r, const char *action,
			       const char *csrf, const char *address);

void oauthd_page_self(struct oauthd_page *page_r, const char *action,
		      unsigned int status, const char *message);

#endif
