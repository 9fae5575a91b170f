#include "oauthd-pages.h"
#include "oauthd-html.h"
#include "msnet-buf.h"

#include <stdlib.h>
#include <string.h>

static void
page_finish(struct oauthd_page *page_r, unsigned int status,
	    struct msnet_buf *buf)
{
	html_end(buf);
	page_r->status = status;
	page_r->html = msnet_buf_steal(buf);
}

static void add_device_form(struct msnet_buf *buf, const char *invitation,
			    const char *public_url)
{
	msnet_buf_add(buf, "<p class=\"small\">Can you sign in only on "
		      "another device? Then get a code to enter there.</p>"
		      "<form method=\"post\" action=\"");
	html_text(buf, public_url);
	msnet_buf_add(buf, "/start\"><input type=\"hidden\" name=\"i\" "
		      "value=\"");
	html_text(buf, invitation);
	msnet_buf_add(buf, "\"><input type=\"hidden\" name=\"device\" "
		      "value=\"1\"><p><button class=\"second\">Get a code</button>"
		      "</p></form>");
}

void oauthd_page_start(struct oauthd_page *page_r, const char *address,
		       const char *invitation, const char *public_url)
{
	struct msnet_buf buf = { 0 };

	html_begin(&buf, "Link your mailbox", NULL);
	msnet_buf_add(&buf, "<p>This connects the Microsoft 365 mailbox <b>");
	html_text(&buf, address);
	msnet_buf_add(&buf, "</b> with this mail server, so that mail programs "
		      "can read it by IMAP.</p><p>On the next page Microsoft "
		      "asks you to sign in and to allow it. Your password "
		      "stays with Microsoft; this server never sees it.</p>"
		      "<form method=\"post\" action=\"");
	html_text(&buf, public_url);
	msnet_buf_add(&buf, "/start\"><input type=\"hidden\" name=\"i\" "
		      "value=\"");
	html_text(&buf, invitation);
	msnet_buf_add(&buf, "\"><p><button>Go on to Microsoft</button></p>"
		      "</form>");
	add_device_form(&buf, invitation, public_url);
	page_finish(page_r, 200, &buf);
}

static void add_row(struct msnet_buf *buf, const char *name, const char *value)
{
	msnet_buf_printf(buf, "<tr><th scope=\"row\">%s</th><td>", name);
	html_text(buf, value);
	msnet_buf_add(buf, "</td></tr>");
}

/* server is HOST or HOST:PORT */
static void
add_server(struct msnet_buf *buf, const char *name, const char *server,
	   const char *default_port)
{
	const char *colon = server == NULL ? NULL : strrchr(server, ':');
	struct msnet_buf text = { 0 };

	if (server == NULL)
		return;
	if (colon == NULL || strchr(colon, ']') != NULL)
		colon = server + strlen(server);
	msnet_buf_append(&text, server, (size_t)(colon - server));
	msnet_buf_printf(&text, ", port %s, TLS",
			 *colon == '\0' ? default_port : colon + 1);
	add_row(buf, name, text.data);
	msnet_buf_free(&text);
}

static void page_ok(struct msnet_buf *buf, const struct oauthd_link_end *end)
{
	html_begin(buf, "The account is linked", NULL);
	msnet_buf_add(buf, "<p>The mailbox <b>");
	html_text(buf, end->address);
	msnet_buf_add(buf, "</b> can now be read by this mail server. Set up "
		      "your mail program with:</p><table class=\"wide\">");
	add_server(buf, "Incoming mail (IMAP)", end->imap_server, "993");
	add_server(buf, "Outgoing mail (SMTP)", end->smtp_server, "465");
	add_row(buf, "User name", end->address);
	if (end->app_password != NULL) {
		msnet_buf_add(buf, "<tr><th scope=\"row\">Password</th><td>"
			      "<code>");
		html_text(buf, end->app_password);
		msnet_buf_add(buf, "</code></td></tr></table><p>The password "
			      "is shown only now: copy it into your mail "
			      "program before you close this page. Whoever "
			      "has it can read the mailbox; the administrator "
			      "of this mail server can make a new one.</p>");
		return;
	}
	msnet_buf_add(buf, "</table><p class=\"small\">The password is the "
		      "one that you have for this mail server. You can close "
		      "this page.</p>");
}

static void
page_wrong_account(struct msnet_buf *buf, const struct oauthd_link_end *end)
{
	html_begin(buf, "That was another account", NULL);
	msnet_buf_add(buf, "<p>This link is for <b>");
	html_text(buf, end->address == NULL ? "another address" :
		  end->address);
	msnet_buf_add(buf, "</b>, but you signed in");
	if (end->username != NULL) {
		msnet_buf_add(buf, " as <b>");
		html_text(buf, end->username);
		msnet_buf_add(buf, "</b>");
	}
	msnet_buf_add(buf, ". Nothing was stored.</p>");
	html_button(buf, end->again_url, "Choose the right account");
}

static void
page_refused(struct msnet_buf *buf, const struct oauthd_link_end *end)
{
	html_begin(buf, "Microsoft did not sign in", NULL);
	html_failure(buf, &end->fail);
	html_button(buf, end->again_url, "Try again");
}

static void
page_consent(struct msnet_buf *buf, const struct oauthd_link_end *end,
	     unsigned int round)
{
	struct msnet_buf url = { 0 };

	if (end->admin_url != NULL)
		msnet_buf_printf(&url, "%s&wait=%u", end->again_url,
				 round + 1);
	html_consent(buf, end, url.data);
	msnet_buf_free(&url);
}

/* Comes back by itself until the code has been entered. */
static void
page_device(struct msnet_buf *buf, const struct oauthd_link_end *end)
{
	struct msnet_buf url = { 0 };

	msnet_buf_printf(&url, "%s&device=1", end->again_url);
	html_begin(buf, "Sign in on another device", url.data);
	msnet_buf_free(&url);
	msnet_buf_add(buf, "<p>Open <a href=\"");
	html_text(buf, end->verification_url);
	msnet_buf_add(buf, "\">");
	html_text(buf, end->verification_url);
	msnet_buf_add(buf, "</a> on any device, enter the code</p>"
		      "<p style=\"font-size:2rem;letter-spacing:.15em\"><b>");
	html_text(buf, end->user_code);
	msnet_buf_add(buf, "</b></p><p>and sign in as <b>");
	html_text(buf, end->address);
	msnet_buf_add(buf, "</b>. Enter it nowhere else.</p><p>You may leave "
		      "this page open: it goes on by itself.</p>");
}

void oauthd_page_result(struct oauthd_page *page_r,
			const struct oauthd_link_end *end, unsigned int round)
{
	struct msnet_buf buf = { 0 };
	unsigned int status = 400;

	switch (end->result) {
	case OAUTHD_LINK_OK:
		status = 200;
		page_ok(&buf, end);
		break;
	case OAUTHD_LINK_NO_INVITATION:
		status = 404;
		html_begin(&buf, "This link does not work", NULL);
		html_paragraph(&buf, "It was used before, has expired or was "
			       "copied incompletely. Ask the administrator of "
			       "this mail server for a new one.");
		break;
	case OAUTHD_LINK_WAITS_FOR_CODE:
		status = 200;
		page_device(&buf, end);
		break;
	case OAUTHD_LINK_NO_REGISTRATION:
		status = 500;
		html_begin(&buf, "This mail server is not ready for you",
			   NULL);
		html_paragraph(&buf, "It has no app registration for the "
			       "domain of your address. Tell the "
			       "administrator of this mail server.");
		break;
	case OAUTHD_LINK_NO_STATE:
		html_begin(&buf, "This sign-in cannot be completed", NULL);
		html_paragraph(&buf, "It took longer than ten minutes, was "
			       "finished before, or was started in another "
			       "browser. Open the link that you were given "
			       "once more, in the browser in which you sign "
			       "in.");
		break;
	case OAUTHD_LINK_REFUSED:
		status = 403;
		page_refused(&buf, end);
		break;
	case OAUTHD_LINK_NEEDS_CONSENT:
		status = round > 0 ? 200 : 403;
		page_consent(&buf, end, round);
		break;
	case OAUTHD_LINK_WRONG_ACCOUNT:
		status = 403;
		page_wrong_account(&buf, end);
		break;
	case OAUTHD_LINK_FAILED:
		status = 502;
		html_begin(&buf, "The account could not be linked just now",
			   NULL);
		html_failure(&buf, &end->fail);
		html_button(&buf, end->again_url, "Try again");
		break;
	}
	page_finish(page_r, status, &buf);
}

void oauthd_page_admin_returned(struct oauthd_page *page_r, bool granted)
{
	struct msnet_buf buf = { 0 };

	html_begin(&buf, granted ? "Thank you" : "Nothing was changed", NULL);
	html_paragraph(&buf, granted ?
		"Users of your organisation can now link their mailboxes. The "
		"page of the user who asked you goes on by itself. You can "
		"close this page." :
		"The consent was not given. The link that you were sent can be "
		"opened again.");
	page_finish(page_r, 200, &buf);
}

void oauthd_page_http_error(struct oauthd_page *page_r, unsigned int status)
{
	struct msnet_buf buf = { 0 };

	html_begin(&buf, status == 404 ? "There is nothing here" :
		   "This request makes no sense", NULL);
	html_paragraph(&buf, "Open the link that you were given by the "
		       "administrator of this mail server.");
	page_finish(page_r, status, &buf);
}
