#include "oauthd-pages.h"
#include "msnet-buf.h"

#include <stdlib.h>

#define PAGE_HEAD \
	"<!doctype html><html lang=en><head><meta charset=utf-8>" \
	"<meta name=viewport content=\"width=device-width,initial-scale=1\">" \
	"<meta name=color-scheme content=\"light dark\">" \
	"<title>Mail account</title><style>" \
	"body{font:1.1rem/1.5 system-ui,sans-serif;max-width:36rem;" \
	"margin:4rem auto;padding:0 1rem}h1{font-size:1.5rem}" \
	"a.next{display:inline-block;padding:.6rem 1rem;border:2px solid;" \
	"border-radius:.4rem;text-decoration:none}" \
	".small{font-size:.9rem;opacity:.8}</style></head><body><main>"
#define PAGE_TAIL "</main></body></html>\n"

static void add_text(struct msnet_buf *buf, const char *text)
{
	for (; *text != '\0'; text++) {
		switch (*text) {
		case '&':
			msnet_buf_add(buf, "&amp;");
			break;
		case '<':
			msnet_buf_add(buf, "&lt;");
			break;
		case '>':
			msnet_buf_add(buf, "&gt;");
			break;
		case '"':
			msnet_buf_add(buf, "&quot;");
			break;
		default:
			msnet_buf_append(buf, text, 1);
		}
	}
}

static void add_paragraph(struct msnet_buf *buf, const char *text)
{
	msnet_buf_add(buf, "<p>");
	add_text(buf, text);
	msnet_buf_add(buf, "</p>");
}

static void add_heading(struct msnet_buf *buf, const char *text)
{
	msnet_buf_add(buf, PAGE_HEAD "<h1>");
	add_text(buf, text);
	msnet_buf_add(buf, "</h1>");
}

static void add_again(struct msnet_buf *buf, const char *url, const char *text)
{
	if (url == NULL)
		return;
	msnet_buf_add(buf, "<p><a class=next href=\"");
	add_text(buf, url);
	msnet_buf_add(buf, "\">");
	add_text(buf, text);
	msnet_buf_add(buf, "</a></p>");
}

static void page_ok(struct msnet_buf *buf, const char *address)
{
	add_heading(buf, "The account is linked");
	msnet_buf_add(buf, "<p>The mailbox <b>");
	add_text(buf, address);
	msnet_buf_add(buf, "</b> can now be read by this mail server. You can "
		      "close this page.</p>");
	msnet_buf_add(buf, "<p class=small>In your mail program use the "
		      "server, user name and password that you have for this "
		      "mail server.</p>");
}

static void
page_wrong_account(struct msnet_buf *buf, const char *address,
		   const char *username, const char *again_url)
{
	add_heading(buf, "That was another account");
	msnet_buf_add(buf, "<p>This link is for <b>");
	add_text(buf, address == NULL ? "another address" : address);
	msnet_buf_add(buf, "</b>, but you signed in");
	if (username != NULL) {
		msnet_buf_add(buf, " as <b>");
		add_text(buf, username);
		msnet_buf_add(buf, "</b>");
	}
	msnet_buf_add(buf, ". Nothing was stored.</p>");
	add_again(buf, again_url, "Choose the right account");
}

static void
page_refused(struct msnet_buf *buf, const struct mstoken_failure *fail,
	     const char *again_url)
{
	add_heading(buf, fail->state == MSTOKEN_STATE_NEEDS_CONSENT ?
		    "Permission is still needed" : "Microsoft did not sign in");
	add_paragraph(buf, fail->message);
	add_again(buf, again_url, "Try again");
}

void oauthd_page_result(struct oauthd_page *page_r,
			enum oauthd_link_result result, const char *address,
			const char *username, const char *again_url,
			const struct mstoken_failure *fail)
{
	struct msnet_buf buf = { 0 };

	page_r->status = 400;
	switch (result) {
	case OAUTHD_LINK_OK:
		page_r->status = 200;
		page_ok(&buf, address);
		break;
	case OAUTHD_LINK_NO_INVITATION:
		page_r->status = 404;
		add_heading(&buf, "This link does not work");
		add_paragraph(&buf, "It was used before, has expired or was "
			      "copied incompletely. Ask the administrator of "
			      "this mail server for a new one.");
		break;
	case OAUTHD_LINK_NO_STATE:
		add_heading(&buf, "This sign-in cannot be completed");
		add_paragraph(&buf, "It took longer than ten minutes, was "
			      "finished before, or was started in another "
			      "browser. Open the link that you were given once "
			      "more, in the browser in which you sign in.");
		add_again(&buf, again_url, "Start again");
		break;
	case OAUTHD_LINK_REFUSED:
		page_r->status = 403;
		page_refused(&buf, fail, again_url);
		break;
	case OAUTHD_LINK_WRONG_ACCOUNT:
		page_r->status = 403;
		page_wrong_account(&buf, address, username, again_url);
		break;
	case OAUTHD_LINK_FAILED:
		page_r->status = 502;
		add_heading(&buf, "The account could not be linked just now");
		add_paragraph(&buf, fail->message);
		add_again(&buf, again_url, "Try again");
		break;
	}
	msnet_buf_add(&buf, PAGE_TAIL);
	page_r->html = msnet_buf_steal(&buf);
}

void oauthd_page_not_found(struct oauthd_page *page_r)
{
	struct msnet_buf buf = { 0 };

	add_heading(&buf, "There is nothing here");
	add_paragraph(&buf, "Open the link that you were given by the "
		      "administrator of this mail server.");
	msnet_buf_add(&buf, PAGE_TAIL);
	page_r->status = 404;
	page_r->html = msnet_buf_steal(&buf);
}
