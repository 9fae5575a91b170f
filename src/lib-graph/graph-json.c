#include "graph-json.h"
#include "graph-message.h"
#include "msnet-buf.h"

#include <json-c/json.h>

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

struct json_object *graph_json_parse(const char *text, size_t size)
{
	struct json_tokener *tok;
	struct json_object *obj;
	enum json_tokener_error error;

	if (text == NULL || size == 0 || size > INT_MAX)
		return NULL;
	tok = json_tokener_new_ex(GRAPH_JSON_MAX_DEPTH);
	if (tok == NULL)
		return NULL;
	json_tokener_set_flags(tok, JSON_TOKENER_ALLOW_TRAILING_CHARS);
	obj = json_tokener_parse_ex(tok, text, (int)size);
	error = json_tokener_get_error(tok);
	json_tokener_free(tok);
	if (error != json_tokener_success ||
	    !json_object_is_type(obj, json_type_object)) {
		json_object_put(obj);
		return NULL;
	}
	return obj;
}

struct json_object *graph_json_get(struct json_object *obj, const char *key)
{
	struct json_object *value;

	if (!json_object_is_type(obj, json_type_object) ||
	    !json_object_object_get_ex(obj, key, &value))
		return NULL;
	return value;
}

bool graph_json_has(struct json_object *obj, const char *key)
{
	return json_object_is_type(obj, json_type_object) &&
		json_object_object_get_ex(obj, key, NULL);
}

const char *graph_json_text(struct json_object *value)
{
	switch (json_object_get_type(value)) {
	case json_type_string:
		if (json_object_get_string_len(value) >
		    (int)GRAPH_JSON_MAX_STRING)
			return NULL;
		return json_object_get_string(value);
	case json_type_int:
	case json_type_double:
	case json_type_boolean:
		return json_object_get_string(value);
	default:
		return NULL;
	}
}

const char *graph_json_string(struct json_object *obj, const char *key)
{
	return graph_json_text(graph_json_get(obj, key));
}

int graph_json_bool(struct json_object *obj, const char *key)
{
	const char *text = graph_json_string(obj, key);

	if (text == NULL)
		return -1;
	if (strcasecmp(text, "true") == 0 || strcmp(text, "1") == 0)
		return 1;
	if (strcasecmp(text, "false") == 0 || strcmp(text, "0") == 0)
		return 0;
	return -1;
}

bool graph_json_parse_int(const char *text, int64_t *value_r)
{
	char *end;
	double real;

	if (text == NULL || *text == '\0')
		return false;
	*value_r = strtoll(text, &end, 10);
	if (*end == '\0')
		return true;
	real = strtod(text, &end);
	if (*end != '\0' || !(real > -9e18 && real < 9e18))
		return false;
	*value_r = (int64_t)real;
	return true;
}

bool graph_json_int(struct json_object *obj, const char *key, int64_t *value_r)
{
	return graph_json_parse_int(graph_json_string(obj, key), value_r);
}

struct json_object *graph_json_object(struct json_object *obj, const char *key)
{
	struct json_object *value = graph_json_get(obj, key);

	return json_object_is_type(value, json_type_object) ? value : NULL;
}

struct json_object *graph_json_array(struct json_object *obj, const char *key,
				     unsigned int *count_r)
{
	struct json_object *value = graph_json_get(obj, key);
	size_t count;

	*count_r = 0;
	if (!json_object_is_type(value, json_type_array))
		return NULL;
	count = json_object_array_length(value);
	if (count > GRAPH_JSON_MAX_ARRAY)
		return NULL;
	*count_r = (unsigned int)count;
	return value;
}

/* Times */

static bool graph_json_digits(const char **text, unsigned int count, int *value)
{
	const char *p = *text;

	*value = 0;
	while (count-- > 0) {
		if (*p < '0' || *p > '9')
			return false;
		*value = *value * 10 + (*p++ - '0');
	}
	*text = p;
	return true;
}

static bool graph_json_literal(const char **text, char c)
{
	if (**text != c)
		return false;
	(*text)++;
	return true;
}

int64_t graph_json_parse_time(const char *text)
{
	struct tm tm = { .tm_isdst = 0 };
	int sign = 0, hours = 0, minutes = 0;
	int64_t when;

	if (text == NULL ||
	    !graph_json_digits(&text, 4, &tm.tm_year) ||
	    !graph_json_literal(&text, '-') ||
	    !graph_json_digits(&text, 2, &tm.tm_mon) ||
	    !graph_json_literal(&text, '-') ||
	    !graph_json_digits(&text, 2, &tm.tm_mday) ||
	    (*text != 'T' && *text != 't' && *text != ' '))
		return GRAPH_TIME_UNKNOWN;
	text++;
	if (!graph_json_digits(&text, 2, &tm.tm_hour) ||
	    !graph_json_literal(&text, ':') ||
	    !graph_json_digits(&text, 2, &tm.tm_min))
		return GRAPH_TIME_UNKNOWN;
	if (*text == ':') {
		text++;
		if (!graph_json_digits(&text, 2, &tm.tm_sec))
			return GRAPH_TIME_UNKNOWN;
	}
	if (*text == '.') {
		text++;
		while (*text >= '0' && *text <= '9')
			text++;
	}
	if (*text == '+' || *text == '-') {
		sign = *text++ == '+' ? 1 : -1;
		if (!graph_json_digits(&text, 2, &hours))
			return GRAPH_TIME_UNKNOWN;
		if (*text == ':')
			text++;
		if (!graph_json_digits(&text, 2, &minutes))
			return GRAPH_TIME_UNKNOWN;
	} else if (*text == 'Z' || *text == 'z') {
		text++;
	}
	if (*text != '\0' || tm.tm_mon < 1 || tm.tm_mon > 12 ||
	    tm.tm_mday < 1 || tm.tm_mday > 31 || tm.tm_hour > 23 ||
	    tm.tm_min > 59 || tm.tm_sec > 60)
		return GRAPH_TIME_UNKNOWN;
	tm.tm_year -= 1900;
	tm.tm_mon--;
	when = timegm(&tm);
	return when - sign * (hours * 3600 + minutes * 60);
}

void graph_json_add_time(struct msnet_buf *buf, int64_t when)
{
	time_t t = (time_t)when;
	struct tm tm;

	if (gmtime_r(&t, &tm) == NULL)
		memset(&tm, 0, sizeof(tm));
	msnet_buf_printf(buf, "%04d-%02d-%02dT%02d:%02d:%02dZ",
			 tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday,
			 tm.tm_hour, tm.tm_min, tm.tm_sec);
}

/* Writing */

/* Length of the valid UTF-8 sequence at p, 0 if there is none. */
static unsigned int graph_utf8_length(const unsigned char *p)
{
	if (p[0] < 0x80)
		return 1;
	if (p[0] >= 0xc2 && p[0] <= 0xdf)
		return (p[1] & 0xc0) == 0x80 ? 2 : 0;
	if ((p[0] & 0xf0) == 0xe0) {
		if ((p[1] & 0xc0) != 0x80 || (p[2] & 0xc0) != 0x80 ||
		    (p[0] == 0xe0 && p[1] < 0xa0) ||
		    (p[0] == 0xed && p[1] > 0x9f))
			return 0;
		return 3;
	}
	if (p[0] >= 0xf0 && p[0] <= 0xf4) {
		if ((p[1] & 0xc0) != 0x80 || (p[2] & 0xc0) != 0x80 ||
		    (p[3] & 0xc0) != 0x80 ||
		    (p[0] == 0xf0 && p[1] < 0x90) ||
		    (p[0] == 0xf4 && p[1] > 0x8f))
			return 0;
		return 4;
	}
	return 0;
}

void graph_json_add_string(struct msnet_buf *buf, const char *str)
{
	const unsigned char *p = (const unsigned char *)str, *start;
	unsigned int len;

	msnet_buf_append(buf, "\"", 1);
	while (*p != '\0') {
		for (start = p; *p >= ' ' && *p != '"' && *p != '\\'; p += len) {
			len = graph_utf8_length(p);
			if (len == 0)
				break;
		}
		msnet_buf_append(buf, start, (size_t)(p - start));
		if (*p == '\0')
			break;
		if (*p == '"' || *p == '\\')
			msnet_buf_printf(buf, "\\%c", *p);
		else if (*p == '\n')
			msnet_buf_add(buf, "\\n");
		else if (*p == '\r')
			msnet_buf_add(buf, "\\r");
		else if (*p < ' ')
			msnet_buf_printf(buf, "\\u%04x", *p);
		else
			msnet_buf_add(buf, "\xef\xbf\xbd");
		p++;
	}
	msnet_buf_append(buf, "\"", 1);
}

char *graph_json_decode_base64(const char *text, size_t *size_r)
{
	char *out = msnet_malloc(strlen(text) / 4 * 3 + 4);
	unsigned int acc = 0, bits = 0;
	size_t size = 0;
	int value;

	for (; *text != '\0' && *text != '='; text++) {
		if (*text >= 'A' && *text <= 'Z')
			value = *text - 'A';
		else if (*text >= 'a' && *text <= 'z')
			value = *text - 'a' + 26;
		else if (*text >= '0' && *text <= '9')
			value = *text - '0' + 52;
		else if (*text == '+' || *text == '-')
			value = 62;
		else if (*text == '/' || *text == '_')
			value = 63;
		else if (*text == '\r' || *text == '\n')
			continue;
		else {
			free(out);
			return NULL;
		}
		acc = (acc << 6) | (unsigned int)value;
		bits += 6;
		if (bits >= 8) {
			bits -= 8;
			out[size++] = (char)(acc >> bits);
			acc &= (1U << bits) - 1;
		}
	}
	*size_r = size;
	return out;
}
