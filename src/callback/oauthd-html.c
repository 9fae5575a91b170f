#include "oauthd-html.h"
#include "oauthd-links.h"
#include "msnet-buf.h"

#include <stdlib.h>
#include <string.h>

#define REFRESH_SECS "15"

/* Colours: text on its background has a contrast of 7:1 at least. */
#define PAGE_STYLE \
	":root{color-scheme:light dark;--page:#f4f5f7;--card:#fff;" \
	"--text:#1c1f23;--soft:#4a5058;--line:#c9ced6;--link:#0b4a9e;" \
	"--button:#0b4a9e;--on-button:#fff}" \
	"@media(prefers-color-scheme:dark){:root{--page:#14171a;" \
	"--card:#1f2328;--text:#eceff2;--soft:#b9c0c8;--line:#434a53;" \
	"--link:#9cc6ff;--button:#9cc6ff;--on-button:#10243d}}" \
	"body{font:1.05rem/1.55 system-ui,sans-serif;margin:0;" \
	"background:var(--page);color:var(--text);overflow-wrap:anywhere}" \
	"main{box-sizing:border-box;max-width:42rem;margin:3rem auto;" \
	"padding:1.5rem 2rem 2rem;background:var(--card);" \
	"border:1px solid var(--line);border-radius:.6rem}" \
	"@media(max-width:46rem){main{margin:0;padding:1rem;border:0;" \
	"border-radius:0;min-height:100vh}}" \
	"h1{font-size:1.5rem;line-height:1.25;margin:.3rem 0 1rem}" \
	"h2{font-size:1.15rem;margin:2rem 0 .5rem}a{color:var(--link)}" \
	"a.next,button{display:inline-block;box-sizing:border-box;" \
	"min-height:2.9rem;padding:.6rem 1.2rem;font:inherit;" \
	"font-weight:600;color:var(--on-button);background:var(--button);" \
	"border:0;border-radius:.4rem;text-decoration:none;cursor:pointer}" \
	"button.second{color:var(--link);background:none;" \
	"border:1px solid var(--line)}" \
	"textarea,input{box-sizing:border-box;width:100%;font:inherit;" \
	"padding:.6rem;color:inherit;background:var(--page);" \
	"border:1px solid var(--line);border-radius:.4rem}" \
	"label{display:block;font-weight:600;margin-bottom:.3rem}" \
	"li,dd{margin:.3rem 0}dt{font-weight:600;margin-top:.8rem}" \
	"dd{margin-left:0}dd::first-letter{text-transform:uppercase}" \
	"table{border-collapse:collapse;width:100%}" \
	"th{text-align:left;font-weight:600;vertical-align:top}" \
	"td,th{padding:.35rem 1rem .35rem 0;" \
	"border-bottom:1px solid var(--line)}" \
	"code{font:1.05em ui-monospace,monospace;user-select:all}" \
	".actions{display:flex;flex-wrap:wrap;gap:.6rem}" \
	"h3{font-size:1rem;margin:1.2rem 0 0}" \
	"hr{border:0;border-top:1px solid var(--line);margin:2rem 0 1rem}" \
	"td form{display:inline}.small{font-size:.95rem;color:var(--soft)}" \
	"@media(max-width:30rem){table.wide th,table.wide td{" \
	"display:block;padding-right:0}table.wide th{border:0;" \
	"padding-bottom:0}table.wide td{padding-top:0}}"
#define PAGE_HEAD \
	"<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">" \
	"<meta name=\"viewport\" " \
	"content=\"width=device-width,initial-scale=1\">" \
	"<style>" PAGE_STYLE "</style>"

void html_text(struct msnet_buf *buf, const char *text)
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

void html_begin(struct msnet_buf *buf, const char *heading,
		const char *refresh_url)
{
	msnet_buf_add(buf, PAGE_HEAD "<title>");
	html_text(buf, heading);
	msnet_buf_add(buf, "</title>");
	if (refresh_url != NULL) {
		msnet_buf_add(buf, "<meta http-equiv=\"refresh\" content=\""
			      REFRESH_SECS ";url=");
		html_text(buf, refresh_url);
		msnet_buf_add(buf, "\">");
	}
	msnet_buf_add(buf, "</head><body><main><h1>");
	html_text(buf, heading);
	msnet_buf_add(buf, "</h1>");
}

void html_end(struct msnet_buf *buf)
{
	msnet_buf_add(buf, "</main></body></html>\n");
}

void html_paragraph(struct msnet_buf *buf, const char *text)
{
	msnet_buf_add(buf, "<p>");
	html_text(buf, text);
	msnet_buf_add(buf, "</p>");
}

void html_button(struct msnet_buf *buf, const char *url, const char *text)
{
	if (url == NULL)
		return;
	msnet_buf_add(buf, "<p><a class=\"next\" href=\"");
	html_text(buf, url);
	msnet_buf_add(buf, "\">");
	html_text(buf, text);
	msnet_buf_add(buf, "</a></p>");
}

static void
add_term(struct msnet_buf *buf, const char *term, const char *text)
{
	msnet_buf_printf(buf, "<dt>%s</dt><dd>", term);
	html_text(buf, text);
	msnet_buf_add(buf, ".</dd>");
}

void html_failure(struct msnet_buf *buf, const struct mstoken_failure *fail)
{
	if (fail->entry == NULL) {
		if (fail->message[0] != '\0')
			html_paragraph(buf, fail->message);
		return;
	}
	msnet_buf_add(buf, "<dl>");
	add_term(buf, "Why", fail->entry->cause);
	add_term(buf, "What to do", fail->entry->remedy);
	if (fail->entry->actor != MSTOKEN_ACTOR_NOBODY)
		add_term(buf, "Who", mstoken_actor_name(fail->entry->actor));
	msnet_buf_add(buf, "</dl>");
	if (fail->code != 0)
		msnet_buf_printf(buf, "<p class=\"small\">Microsoft calls it "
				 "AADSTS%u.</p>", fail->code);
}

/*
 * The administrator must consent first
 */

static const struct {
	const char *name, *reason;
} permissions[] = {
	{ "Mail.ReadWrite", "to show mail and folders, and to mark, file and "
	  "delete messages as the mail program says" },
	{ "Mail.Send", "to send what the user writes" },
	{ "MailboxSettings.ReadWrite", "to know the time zone and the names "
	  "of folders and categories" },
	{ "Mail.ReadWrite.Shared", "the same for mailboxes shared with the "
	  "user" },
	{ "Mail.Send.Shared", "to send for mailboxes shared with the user" },
	{ "User.Read", "to check that the right account signed in" },
	{ "offline_access", "to go on without a new sign-in every hour" },
	{ "openid", "to learn which account signed in" },
	{ "profile", "to show its name" },
	{ "email", "to show its address" },
};

static bool scope_has(const char *scope, const char *name)
{
	size_t len = strlen(name), part;

	for (; *scope != '\0'; scope += part) {
		scope += strspn(scope, " ");
		part = strcspn(scope, " ");
		if (part == len && strncmp(scope, name, len) == 0)
			return true;
	}
	return false;
}

static void add_permissions(struct msnet_buf *buf, const char *scope)
{
	size_t i;

	msnet_buf_add(buf, "<h2>What is asked for, and why</h2>"
		      "<p>Everything is limited to the mailbox of the user "
		      "who signs in.</p><dl>");
	for (i = 0; i < sizeof(permissions) / sizeof(permissions[0]); i++) {
		if (!scope_has(scope, permissions[i].name))
			continue;
		msnet_buf_printf(buf, "<dt>%s</dt><dd>%s</dd>",
				 permissions[i].name, permissions[i].reason);
	}
	msnet_buf_add(buf, "</dl>");
}

static void
add_text_to_forward(struct msnet_buf *buf, const struct oauthd_link_end *end)
{
	msnet_buf_add(buf, "<h2>Text to forward</h2><textarea readonly "
		      "rows=\"14\" aria-label=\"Text to forward\">Hello,\n\n"
		      "I would like to read my mailbox ");
	html_text(buf, end->address == NULL ? "" : end->address);
	msnet_buf_add(buf, " with our mail server. Microsoft 365 asks for an "
		      "administrator's approval of its permissions. Please "
		      "open this link, sign in as an administrator and "
		      "accept:\n\n");
	html_text(buf, end->admin_url);
	msnet_buf_add(buf, "\n\nThe application only reaches the mailboxes of "
		      "users who sign in themselves. Thank you!</textarea>");
}

static void add_ways(struct msnet_buf *buf)
{
	msnet_buf_add(buf, "<h2>For the administrator: three ways</h2><ol>"
		"<li><b>Consent once for everybody</b>: open the link above. "
		"Or: Microsoft Entra admin center, Enterprise applications, "
		"this application, Permissions, <i>Grant admin consent</i>."
		"</li>"
		"<li><b>Answer requests</b>: Enterprise applications, Consent "
		"and permissions, Admin consent settings, <i>Users can request "
		"admin consent</i>: Yes. Users then ask on Microsoft's page, "
		"and you approve.</li>"
		"<li><b>Let users consent</b>: Enterprise applications, "
		"Consent and permissions, User consent settings, allow consent "
		"for the permissions listed below.</li></ol>");
}

void html_consent(struct msnet_buf *buf, const struct oauthd_link_end *end,
		  const char *refresh_url)
{
	html_begin(buf, "An administrator must agree first", refresh_url);
	html_failure(buf, &end->fail);
	msnet_buf_add(buf, "<p>Many organisations let only an administrator "
		      "of Microsoft 365 allow a program to read mail. If you "
		      "cancelled yourself, just try again.</p>");
	html_button(buf, end->again_url, "Try again");
	if (end->admin_url != NULL) {
		msnet_buf_add(buf, "<h2>Ask your administrator</h2><p>Send "
			      "them this link, or open it if it is "
			      "you:</p><p><a href=\"");
		html_text(buf, end->admin_url);
		msnet_buf_add(buf, "\">");
		html_text(buf, end->admin_url);
		msnet_buf_add(buf, "</a></p>");
		add_text_to_forward(buf, end);
		msnet_buf_add(buf, "<p>You may leave this page open: it goes "
			      "on by itself when the consent has come.</p>");
		add_ways(buf);
	}
	if (end->scope != NULL)
		add_permissions(buf, end->scope);
}
