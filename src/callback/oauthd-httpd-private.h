#ifndef OAUTHD_HTTPD_PRIVATE_H
#define OAUTHD_HTTPD_PRIVATE_H

/* What the files of the HTTP side share: one request, and answering it. */

#include "oauthd-pages.h"
#include "msnet-buf.h"

#include <microhttpd.h>
#include <stdbool.h>

struct oauthd;

/* what the pages take, in the query or posted as a form */
enum { FIELD_STATE, FIELD_CODE, FIELD_ERROR, FIELD_DESCRIPTION,
       FIELD_ADMIN_CONSENT, FIELD_INVITATION, FIELD_WAIT, FIELD_PASSWORD,
       FIELD_CSRF, FIELD_DO, FIELD_ADDRESS, FIELD_DEVICE,
       FIELD_COUNT };

struct httpd_request {
	const char *page;		/* for the metrics; static */
	struct MHD_PostProcessor *post;
	struct msnet_buf fields[FIELD_COUNT];
	size_t fields_size;
	bool too_big, repeated;
};

/* NULL if it is not there; in a form, what is in the query does not count. */
const char *
httpd_field(struct MHD_Connection *conn, const struct httpd_request *req,
	    unsigned int field);
/* location and cookie may be NULL. */
enum MHD_Result
httpd_send(struct MHD_Connection *conn, unsigned int status, const char *html,
	   const char *location, const char *cookie);
/* Frees the page. */
enum MHD_Result
httpd_send_page(struct MHD_Connection *conn, struct oauthd_page *page);
/* Is the browser's side https? */
bool httpd_is_https(const struct oauthd *oauthd);

/* oauthd-httpd-admin.c */
enum MHD_Result
httpd_admin(struct oauthd *oauthd, struct MHD_Connection *conn,
	    const struct httpd_request *req);

#endif
