#include "probe-token.h"
#include "graph-json.h"
#include "msnet-buf.h"
#include "msnet-secret.h"

#include <json-c/json.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* the application id of Microsoft Graph, in every cloud */
#define GRAPH_APP_ID "00000003-0000-0000-c000-000000000000"

/* The middle part of a JWT; NULL if it is none. */
static struct json_object *token_claims(const char *token)
{
	const char *start = strchr(token, '.'), *end;
	struct json_object *claims;
	struct msnet_buf buf = { 0 };
	size_t size;
	char *text;

	end = start == NULL ? NULL : strchr(start + 1, '.');
	if (end == NULL)
		return NULL;
	for (start++; start < end; start++) {
		char c = *start == '-' ? '+' : *start == '_' ? '/' : *start;

		msnet_buf_append(&buf, &c, 1);
	}
	while (buf.used % 4 != 0)
		msnet_buf_add(&buf, "=");
	text = graph_json_decode_base64(buf.data == NULL ? "" : buf.data,
					&size);
	claims = text == NULL ? NULL : graph_json_parse(text, size);
	free(text);
	msnet_buf_free(&buf);
	return claims;
}

static bool words_have(const char *words, const char *word, size_t len)
{
	size_t part;

	for (; *words != '\0'; words += part) {
		words += strspn(words, " ");
		part = strcspn(words, " ");
		if (part == len && strncasecmp(words, word, len) == 0)
			return true;
	}
	return false;
}

/* The first permission of Graph in scope that is not in scp (NULL-terminated
   into name_r), or false. */
static bool scope_is_missing(const char *scope, const char *scp,
			     char *name_r, size_t size)
{
	size_t part;

	for (; *scope != '\0'; scope += part) {
		scope += strspn(scope, " ");
		part = strcspn(scope, " ");
		/* those of OpenID have no dot and are not in the token */
		if (memchr(scope, '.', part) == NULL ||
		    words_have(scp, scope, part))
			continue;
		snprintf(name_r, size, "%.*s", (int)part, scope);
		return true;
	}
	return false;
}

static int
claims_check(struct json_object *claims, const char *graph_url,
	     const char *tenant, const char *scope, int64_t now,
	     char *text_r, size_t text_size, const char **remedy_r)
{
	const char *aud = graph_json_string(claims, "aud");
	const char *tid = graph_json_string(claims, "tid");
	const char *scp = graph_json_string(claims, "scp");
	char missing[128];
	int64_t exp;

	if (aud == NULL || (strcmp(aud, GRAPH_APP_ID) != 0 &&
			    strncmp(aud, graph_url, strlen(graph_url)) != 0)) {
		*remedy_r = "check graph_url and features, then link the "
			"account again";
		snprintf(text_r, text_size, "it is for %s, not for %s",
			 aud == NULL ? "nobody" : aud, graph_url);
		return -1;
	}
	if (strlen(tenant) == 36 && (tid == NULL ||
				     strcasecmp(tid, tenant) != 0)) {
		*remedy_r = "correct the setting tenant, or link an account of "
			"that tenant";
		snprintf(text_r, text_size, "it is of tenant %s, not %s",
			 tid == NULL ? "?" : tid, tenant);
		return -1;
	}
	if (scp != NULL && scope_is_missing(scope, scp, missing,
					    sizeof(missing))) {
		*remedy_r = "add the permission to the app registration, then "
			"link the account again";
		snprintf(text_r, text_size, "the permission %s is missing",
			 missing);
		return -1;
	}
	if (graph_json_int(claims, "exp", &exp) && exp <= now) {
		*remedy_r = "set the clock of this server";
		snprintf(text_r, text_size, "it has expired by this clock");
		return -1;
	}
	snprintf(text_r, text_size, "for Graph, tenant %s, %s %s",
		 tid == NULL ? "?" : tid, scp == NULL ? "application" :
		 "permissions", scp == NULL ? "permissions" : scp);
	return 1;
}

int probe_token_check(const char *token, const char *graph_url,
		      const char *tenant, const char *scope, int64_t now,
		      char *text_r, size_t text_size, const char **remedy_r)
{
	struct json_object *claims = token_claims(token);
	int ret;

	*remedy_r = NULL;
	if (claims == NULL) {
		snprintf(text_r, text_size, "opaque, only Graph can read it");
		return 0;
	}
	ret = claims_check(claims, graph_url, tenant, scope, now, text_r,
			   text_size, remedy_r);
	json_object_put(claims);
	return ret;
}
