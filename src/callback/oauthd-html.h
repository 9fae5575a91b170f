#ifndef OAUTHD_HTML_H
#define OAUTHD_HTML_H

/* PURE: pieces of a page. Texts are escaped, in elements and in attributes. */

struct msnet_buf;
struct mstoken_failure;
struct oauthd_link_end;

/* refresh_url: where the page goes by itself after some seconds, or NULL. */
void html_begin(struct msnet_buf *buf, const char *heading,
		const char *refresh_url);
void html_end(struct msnet_buf *buf);
void html_text(struct msnet_buf *buf, const char *text);
void html_paragraph(struct msnet_buf *buf, const char *text);
/* A link that looks like a button; nothing if url is NULL. */
void html_button(struct msnet_buf *buf, const char *url, const char *text);

/* Cause, next step and who has to take it; nothing if there is no failure. */
void html_failure(struct msnet_buf *buf, const struct mstoken_failure *fail);

/* The page for somebody whose administrator must consent first; refresh_url as
   above. */
void html_consent(struct msnet_buf *buf, const struct oauthd_link_end *end,
		  const char *refresh_url);

#endif
