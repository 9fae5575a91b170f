#include "oauthd.h"
#include "msnet-buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOG_VALUE_MAX 1024

/* In quotes unless it is one plain word; control characters become blanks. */
static void log_add_value(struct msnet_buf *buf, const char *value)
{
	bool plain = *value != '\0' && strpbrk(value, " \"=\\") == NULL;
	size_t i;

	for (i = 0; value[i] != '\0' && plain; i++)
		plain = (unsigned char)value[i] > ' ';
	if (plain && i <= LOG_VALUE_MAX) {
		msnet_buf_add(buf, value);
		return;
	}
	msnet_buf_add(buf, "\"");
	for (i = 0; value[i] != '\0' && i < LOG_VALUE_MAX; i++) {
		char c = (unsigned char)value[i] < ' ' ? ' ' : value[i];

		if (c == '"' || c == '\\')
			msnet_buf_add(buf, "\\");
		msnet_buf_append(buf, &c, 1);
	}
	msnet_buf_add(buf, "\"");
}

void oauthd_event(const char *event, ...)
{
	struct msnet_buf buf = { 0 };
	const char *key, *value;
	va_list args;

	msnet_buf_printf(&buf, "msgraph-oauthd: event=%s", event);
	va_start(args, event);
	while ((key = va_arg(args, const char *)) != NULL) {
		value = va_arg(args, const char *);
		if (value == NULL)
			continue;
		msnet_buf_printf(&buf, " %s=", key);
		log_add_value(&buf, value);
	}
	va_end(args);
	/* one write a line, so that those of several threads do not mix */
	msnet_buf_add(&buf, "\n");
	(void)fputs(buf.data, stderr);
	msnet_buf_free(&buf);
}

void oauthd_log(const char *fmt, ...)
{
	char text[LOG_VALUE_MAX];
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	oauthd_event("notice", "message", text, NULL);
}

void oauthd_event_failure(const char *event, const char *account,
			  const struct mstoken_failure *fail)
{
	char code[32];

	snprintf(code, sizeof(code), "AADSTS%u", fail->code);
	oauthd_event(event, "account", account,
		     "state", mstoken_state_name(fail->state),
		     "code", fail->code == 0 ? NULL : code,
		     "message", fail->message, NULL);
}
