#include "mstoken-claims.h"
#include "mstoken-pkce.h"
#include "mstoken-request.h"
#include "msnet-buf.h"

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#define CHALLENGE_MAX 16384

/* Headers have the usual alphabet of base64 with padding, tokens that for
   URLs. */
static json_object *challenge_parse(const char *challenge)
{
	size_t i, len = challenge == NULL ? 0 : strlen(challenge), size;
	unsigned char *data;
	json_object *obj;
	char *text;

	if (len == 0 || len > CHALLENGE_MAX)
		return NULL;
	text = msnet_strdup(challenge);
	while (len > 0 && text[len - 1] == '=')
		text[--len] = '\0';
	for (i = 0; i < len; i++) {
		if (text[i] == '+')
			text[i] = '-';
		else if (text[i] == '/')
			text[i] = '_';
	}
	data = mstoken_base64url_decode(text, len, &size);
	free(text);
	if (data == NULL)
		return NULL;
	obj = mstoken_parse_object((const char *)data, size);
	free(data);
	return obj;
}

static void add_capability(json_object *claims)
{
	json_object *token, *wanted = json_object_new_object(),
		*values = json_object_new_array();

	if (!json_object_object_get_ex(claims, "access_token", &token) ||
	    !json_object_is_type(token, json_type_object)) {
		token = json_object_new_object();
		json_object_object_add(claims, "access_token", token);
	}
	json_object_array_add(values, json_object_new_string("cp1"));
	json_object_object_add(wanted, "values", values);
	json_object_object_add(token, "xms_cc", wanted);
}

char *mstoken_claims(const char *challenge, bool capable)
{
	json_object *claims = challenge_parse(challenge);
	char *text;

	if (claims == NULL && !capable)
		return NULL;
	if (claims == NULL)
		claims = json_object_new_object();
	if (capable)
		add_capability(claims);
	text = msnet_strdup(json_object_to_json_string_ext(claims,
		JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(claims);
	return text;
}
