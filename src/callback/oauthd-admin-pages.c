#include "oauthd-admin-pages.h"
#include "oauthd-html.h"
#include "oauthd-pages.h"
#include "mstoken-store.h"
#include "msnet-buf.h"

#include <time.h>

static void
page_finish(struct oauthd_page *page_r, unsigned int status,
	    struct msnet_buf *buf)
{
	html_end(buf);
	page_r->status = status;
	page_r->html = msnet_buf_steal(buf);
}

static void add_message(struct msnet_buf *buf, const char *message)
{
	if (message == NULL)
		return;
	msnet_buf_add(buf, "<p role=\"status\"><b>");
	html_text(buf, message);
	msnet_buf_add(buf, "</b></p>");
}

static void add_form(struct msnet_buf *buf, const char *action)
{
	msnet_buf_add(buf, "<form method=\"post\" action=\"");
	html_text(buf, action);
	msnet_buf_add(buf, "\">");
}

static void
add_hidden(struct msnet_buf *buf, const char *name, const char *value)
{
	msnet_buf_printf(buf, "<input type=\"hidden\" name=\"%s\" value=\"",
			 name);
	html_text(buf, value);
	msnet_buf_add(buf, "\">");
}

/* A form of one button. */
static void
add_action(struct msnet_buf *buf, const char *action, const char *csrf,
	   const char *what, const char *address, const char *text)
{
	add_form(buf, action);
	add_hidden(buf, "csrf", csrf);
	if (address != NULL)
		add_hidden(buf, "address", address);
	msnet_buf_printf(buf, "<button class=\"second\" name=\"do\" "
			 "value=\"%s\">%s</button></form> ", what, text);
}

void oauthd_page_admin_login(struct oauthd_page *page_r, const char *action,
			     const char *message)
{
	struct msnet_buf buf = { 0 };

	html_begin(&buf, "Linked mailboxes", NULL);
	add_message(&buf, message);
	add_form(&buf, action);
	msnet_buf_add(&buf, "<p><label for=\"password\">Password of the "
		      "administrator</label><input type=\"password\" "
		      "id=\"password\" name=\"password\" required "
		      "autocomplete=\"current-password\"></p>"
		      "<p><button>Log in</button></p></form>");
	page_finish(page_r, message == NULL ? 200 : 403, &buf);
}

static const char *state_words(enum mstoken_state state)
{
	switch (state) {
	case MSTOKEN_STATE_OK:
		return "Works";
	case MSTOKEN_STATE_NEEDS_CONSENT:
		return "Needs consent";
	case MSTOKEN_STATE_NEEDS_SIGN_IN:
		return "Needs a new sign-in";
	case MSTOKEN_STATE_REVOKED:
		return "Access was taken away";
	case MSTOKEN_STATE_BLOCKED_BY_POLICY:
		return "Blocked by a policy";
	case MSTOKEN_STATE_MISCONFIGURED:
		return "App registration or configuration is wrong";
	case MSTOKEN_STATE_UNREACHABLE:
		return "Microsoft could not be reached";
	case MSTOKEN_STATE_NOT_LINKED:
		break;
	}
	return "Not linked";
}

static void add_date(struct msnet_buf *buf, const char *label, int64_t when)
{
	time_t t = (time_t)when;
	char text[32];
	struct tm tm;

	if (when == 0 || gmtime_r(&t, &tm) == NULL)
		return;
	(void)strftime(text, sizeof(text), "%Y-%m-%d %H:%M UTC", &tm);
	msnet_buf_printf(buf, "%s %s", label, text);
}

static void
add_account(struct msnet_buf *buf, const char *action, const char *csrf,
	    const struct mstoken_account *account)
{
	msnet_buf_add(buf, "<section><h3>");
	html_text(buf, account->address);
	msnet_buf_add(buf, "</h3><p class=\"small\">");
	add_date(buf, "Since", account->state_since);
	add_date(buf, ", token renewed", account->refreshed_at);
	msnet_buf_add(buf, "</p>");
	if (account->state != MSTOKEN_STATE_OK &&
	    account->state_text[0] != '\0')
		html_paragraph(buf, account->state_text);
	msnet_buf_add(buf, "<div class=\"actions\">");
	add_action(buf, action, csrf, "invite", account->address,
		   "Make a link to link it again");
	add_action(buf, action, csrf, "unlink", account->address, "Unlink");
	msnet_buf_add(buf, "</div></section>");
}

static void
add_accounts(struct msnet_buf *buf, const char *action, const char *csrf,
	     const struct mstoken_account *accounts, unsigned int count)
{
	unsigned int state, i, n;

	if (count == 0)
		html_paragraph(buf, "No account is linked.");
	/* what works comes last */
	for (state = 1; state <= MSTOKEN_STATE_NOT_LINKED; state++) {
		enum mstoken_state now = (enum mstoken_state)
			(state % MSTOKEN_STATE_NOT_LINKED);

		for (i = n = 0; i < count; i++)
			n += accounts[i].state == now;
		if (n == 0)
			continue;
		msnet_buf_printf(buf, "<h2>%s (%u)</h2>", state_words(now), n);
		for (i = 0; i < count; i++) {
			if (accounts[i].state == now)
				add_account(buf, action, csrf, &accounts[i]);
		}
	}
}

void oauthd_page_admin_list(struct oauthd_page *page_r, const char *action,
			    const char *csrf,
			    const struct mstoken_account *accounts,
			    unsigned int count,
			    const struct oauthd_admin_news *news)
{
	struct msnet_buf buf = { 0 };

	html_begin(&buf, "Linked mailboxes", NULL);
	add_message(&buf, news->message);
	if (news->link != NULL) {
		msnet_buf_add(&buf, "<p>Send this link to <b>");
		html_text(&buf, news->address);
		msnet_buf_add(&buf, "</b>. It works once, and only for that "
			      "account:</p><p><code>");
		html_text(&buf, news->link);
		msnet_buf_add(&buf, "</code></p>");
	}
	add_form(&buf, action);
	add_hidden(&buf, "csrf", csrf);
	msnet_buf_add(&buf, "<p><label for=\"address\">Invite an address"
		      "</label><input type=\"email\" id=\"address\" "
		      "name=\"address\" required></p><p><button name=\"do\" "
		      "value=\"invite\">Make a link</button></p></form>");
	add_accounts(&buf, action, csrf, accounts, count);
	msnet_buf_add(&buf, "<hr>");
	add_action(&buf, action, csrf, "logout", NULL, "Log out");
	page_finish(page_r, 200, &buf);
}

void oauthd_page_admin_confirm(struct oauthd_page *page_r, const char *action,
			       const char *csrf, const char *address)
{
	struct msnet_buf buf = { 0 };

	html_begin(&buf, "Unlink this mailbox?", NULL);
	msnet_buf_add(&buf, "<p>The tokens and the app password of <b>");
	html_text(&buf, address);
	msnet_buf_add(&buf, "</b> are deleted. Nothing happens to the mailbox "
		      "at Microsoft.</p><div class=\"actions\">");
	add_action(&buf, action, csrf, "unlink-now", address, "Unlink");
	add_action(&buf, action, csrf, "list", NULL, "Go back");
	msnet_buf_add(&buf, "</div>");
	page_finish(page_r, 200, &buf);
}

void oauthd_page_self(struct oauthd_page *page_r, const char *action,
		      unsigned int status, const char *message)
{
	struct msnet_buf buf = { 0 };

	html_begin(&buf, "Link your mailbox", NULL);
	add_message(&buf, message);
	msnet_buf_add(&buf, "<p>This connects your Microsoft 365 mailbox with "
		      "this mail server, so that mail programs can read it by "
		      "IMAP. On the next page Microsoft asks you to sign in "
		      "and to allow it. Your password stays with Microsoft; "
		      "this server never sees it.</p>");
	add_form(&buf, action);
	msnet_buf_add(&buf, "<p><label for=\"address\">Your e-mail address"
		      "</label><input type=\"email\" id=\"address\" "
		      "name=\"address\" required autocomplete=\"email\"></p>"
		      "<p><button>Go on to Microsoft</button></p></form>");
	page_finish(page_r, status, &buf);
}
