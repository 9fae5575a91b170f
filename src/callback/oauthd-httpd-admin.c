/* The admin page: routes of its forms, cookie, CSRF. */

#include "oauthd-httpd-private.h"
#include "oauthd-admin.h"
#include "oauthd-admin-pages.h"
#include "oauthd-links.h"
#include "oauthd.h"
#include "msnet-secret.h"

#include <stdlib.h>
#include <string.h>

#define ADMIN_COOKIE "msgraph_admin"

static char *admin_action(const struct oauthd *oauthd)
{
	struct msnet_buf buf = { 0 };

	msnet_buf_printf(&buf, "%s%s", oauthd->config.public_url,
			 oauthd->config.admin_path);
	return msnet_buf_steal(&buf);
}

static enum MHD_Result
admin_send_login(struct oauthd *oauthd, struct MHD_Connection *conn,
		 const char *message)
{
	char *action = admin_action(oauthd);
	struct oauthd_page page;

	oauthd_page_admin_login(&page, action, message);
	free(action);
	return httpd_send_page(conn, &page);
}

/* session "" ends it. */
static enum MHD_Result
admin_send_cookie(struct oauthd *oauthd, struct MHD_Connection *conn,
		  const char *session)
{
	char *action = admin_action(oauthd);
	struct msnet_buf cookie = { 0 };
	enum MHD_Result ret;

	msnet_buf_printf(&cookie, ADMIN_COOKIE "=%s; Path=/; HttpOnly; "
			 "SameSite=Strict%s%s", session,
			 httpd_is_https(oauthd) ? "; Secure" : "",
			 *session == '\0' ? "; Max-Age=0" : "");
	ret = httpd_send(conn, MHD_HTTP_SEE_OTHER, "", action, cookie.data);
	msnet_secret_wipe(cookie.data, cookie.used);
	msnet_buf_free(&cookie);
	free(action);
	return ret;
}

static enum MHD_Result
admin_login(struct oauthd *oauthd, struct MHD_Connection *conn,
	    const char *password)
{
	const char *message = NULL;
	enum MHD_Result ret;
	char *session = NULL;

	switch (oauthd_admin_login(oauthd->admin, password, &session)) {
	case OAUTHD_ADMIN_OK:
		ret = admin_send_cookie(oauthd, conn, session);
		msnet_secret_free(&session);
		return ret;
	case OAUTHD_ADMIN_WRONG:
		message = "This password is wrong.";
		break;
	case OAUTHD_ADMIN_BUSY:
		message = "Too many wrong passwords. Wait a minute.";
		break;
	case OAUTHD_ADMIN_BROKEN:
		message = "Nobody can log in now: the log of msgraph-oauthd "
			"says why.";
		break;
	}
	return admin_send_login(oauthd, conn, message);
}

static enum MHD_Result
admin_send_list(struct oauthd *oauthd, struct MHD_Connection *conn,
		const char *csrf, const struct oauthd_admin_news *news)
{
	char *action = admin_action(oauthd);
	struct mstoken_account *accounts = NULL;
	struct oauthd_admin_news trouble = {
		.message = "The account store cannot be read: see the log."
	};
	struct oauthd_page page;
	unsigned int count = 0;

	if (mstoken_store_list(oauthd->store, &accounts, &count) < 0) {
		oauthd_log("account store: %s",
			   mstoken_store_error(oauthd->store));
		accounts = NULL;
		count = 0;
		news = &trouble;
	}
	oauthd_page_admin_list(&page, action, csrf, accounts, count, news);
	if (accounts != NULL)
		mstoken_accounts_free(&accounts, count);
	free(action);
	return httpd_send_page(conn, &page);
}

static enum MHD_Result
admin_invite(struct oauthd *oauthd, struct MHD_Connection *conn,
	     const char *csrf, const char *address)
{
	struct oauthd_admin_news news = { .address = address };
	enum MHD_Result ret;
	char *link = NULL;

	if (strchr(address, '@') == NULL)
		news.message = "That is no e-mail address.";
	else if (oauthd_links_invite(oauthd->links, address, &link) < 0)
		news.message = "The account store cannot be written: see the "
			"log.";
	news.link = link;
	ret = admin_send_list(oauthd, conn, csrf, &news);
	msnet_secret_free(&link);
	return ret;
}

static enum MHD_Result
admin_unlink(struct oauthd *oauthd, struct MHD_Connection *conn,
	     const char *csrf, const char *address)
{
	struct oauthd_admin_news news = { 0 };
	int ret = oauthd_unlink(oauthd, address, "admin");

	news.message = ret > 0 ? "The account was unlinked." : ret == 0 ?
		"The account is not linked." :
		"The account store cannot be written: see the log.";
	return admin_send_list(oauthd, conn, csrf, &news);
}

static enum MHD_Result
admin_do(struct oauthd *oauthd, struct MHD_Connection *conn,
	 const struct httpd_request *req, const char *session,
	 const char *csrf)
{
	static const struct oauthd_admin_news none;
	const char *what = httpd_field(conn, req, FIELD_DO);
	const char *address = httpd_field(conn, req, FIELD_ADDRESS);
	struct oauthd_page page;
	char *action;

	if (what == NULL)
		what = "";
	if (address == NULL)
		address = "";
	if (strcmp(what, "invite") == 0)
		return admin_invite(oauthd, conn, csrf, address);
	if (strcmp(what, "unlink-now") == 0)
		return admin_unlink(oauthd, conn, csrf, address);
	if (strcmp(what, "unlink") == 0) {
		action = admin_action(oauthd);
		oauthd_page_admin_confirm(&page, action, csrf, address);
		free(action);
		return httpd_send_page(conn, &page);
	}
	if (strcmp(what, "logout") == 0) {
		oauthd_admin_logout(oauthd->admin, session);
		return admin_send_cookie(oauthd, conn, "");
	}
	return admin_send_list(oauthd, conn, csrf, &none);
}

enum MHD_Result
httpd_admin(struct oauthd *oauthd, struct MHD_Connection *conn,
	    const struct httpd_request *req)
{
	static const struct oauthd_admin_news none;
	const char *session = MHD_lookup_connection_value(conn,
		MHD_COOKIE_KIND, ADMIN_COOKIE);
	const char *sent, *password;
	enum MHD_Result ret;
	char *csrf = NULL;

	if (!oauthd_admin_check(oauthd->admin, session, &csrf)) {
		password = req->post == NULL ? NULL :
			httpd_field(conn, req, FIELD_PASSWORD);
		return password != NULL ?
			admin_login(oauthd, conn, password) :
			admin_send_login(oauthd, conn, req->post == NULL ?
				NULL : "Log in again: the session has ended.");
	}
	sent = httpd_field(conn, req, FIELD_CSRF);
	if (req->post == NULL)
		ret = admin_send_list(oauthd, conn, csrf, &none);
	else if (sent == NULL || !msnet_secret_equals(sent, csrf))
		ret = admin_send_login(oauthd, conn, "This form was not made "
				       "by this page. Nothing was done.");
	else
		ret = admin_do(oauthd, conn, req, session, csrf);
	free(csrf);
	return ret;
}
