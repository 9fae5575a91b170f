#ifndef GRAPH_JSON_H
#define GRAPH_JSON_H

/* Lenient typed getters over json-c, a splitter for long pages and a writer
   for JSON strings. All that comes from outside is limited here. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json_object;
struct msnet_buf;

#define GRAPH_JSON_MAX_DEPTH 40
/* one string; subjects, header values and ids are far below */
#define GRAPH_JSON_MAX_STRING (8U * 1024 * 1024)
#define GRAPH_JSON_MAX_ARRAY 100000U

/* Parse a whole text; NULL if it is no JSON object or breaks a limit. Free
   with json_object_put(). */
struct json_object *graph_json_parse(const char *text, size_t size);

/* The member, or NULL if absent or null. Member names are compared exactly. */
struct json_object *graph_json_get(struct json_object *obj, const char *key);
bool graph_json_has(struct json_object *obj, const char *key);
/* Strings; numbers and booleans are given in their text form. NULL if absent,
   null or of another type. Belongs to the object. */
const char *graph_json_string(struct json_object *obj, const char *key);
const char *graph_json_text(struct json_object *value);
/* 1, 0, or -1 if absent or no truth value. "true" and 1 are taken too. */
int graph_json_bool(struct json_object *obj, const char *key);
/* Numbers, also as strings. */
bool graph_json_int(struct json_object *obj, const char *key, int64_t *value_r);
bool graph_json_parse_int(const char *text, int64_t *value_r);
struct json_object *graph_json_object(struct json_object *obj,
				      const char *key);
/* The array and its length, or NULL. */
struct json_object *graph_json_array(struct json_object *obj, const char *key,
				     unsigned int *count_r);

/* ISO 8601 in UTC or with an offset, as Graph writes it; fractions of seconds
   are dropped. Returns GRAPH_TIME_UNKNOWN if it is no such text. */
int64_t graph_json_parse_time(const char *text);
void graph_json_add_time(struct msnet_buf *buf, int64_t when);

struct graph_json_slice {
	size_t offset, size;
};

/* The outer shape of an OData page, found without building a tree. */
struct graph_json_page {
	struct graph_json_slice *rows;
	unsigned int row_count;
	char *next_link, *delta_link;	/* heap or NULL */
};

/* Returns -1 if the text is no page or breaks a limit. */
int graph_json_split_page(const char *text, size_t size,
			  struct graph_json_page *page_r);
void graph_json_page_deinit(struct graph_json_page *page);

/* Add a JSON string with its quotes. Bytes that are no UTF-8 become U+FFFD. */
void graph_json_add_string(struct msnet_buf *buf, const char *str);
/* Decode standard base64; line breaks are skipped. NULL if it is none. Heap. */
char *graph_json_decode_base64(const char *text, size_t *size_r);

#endif
