/* A delta page of 1000 rows is some megabytes of text, and a tree of it takes
   several times that. So the page is only cut into rows here, by a scanner that
   knows strings and nesting; each row is then parsed on its own. */

#include "graph-json.h"
#include "msnet-buf.h"

#include <json-c/json.h>

#include <stdlib.h>
#include <string.h>

struct graph_scanner {
	const char *text;
	size_t pos, size;
};

static void graph_scan_space(struct graph_scanner *s)
{
	while (s->pos < s->size &&
	       (s->text[s->pos] == ' ' || s->text[s->pos] == '\t' ||
		s->text[s->pos] == '\r' || s->text[s->pos] == '\n'))
		s->pos++;
}

static bool graph_scan_char(struct graph_scanner *s, char c)
{
	graph_scan_space(s);
	if (s->pos >= s->size || s->text[s->pos] != c)
		return false;
	s->pos++;
	return true;
}

static char graph_scan_peek(struct graph_scanner *s)
{
	graph_scan_space(s);
	return s->pos < s->size ? s->text[s->pos] : '\0';
}

/* The next request waits for the whole page to be scanned, and most of it are
   strings: so they are not looked at character by character. */
static bool graph_scan_string(struct graph_scanner *s)
{
	const char *start, *end, *p;

	if (!graph_scan_char(s, '"'))
		return false;
	start = s->text + s->pos;
	do {
		end = memchr(s->text + s->pos, '"', s->size - s->pos);
		if (end == NULL)
			return false;
		s->pos = (size_t)(end - s->text) + 1;
		/* an odd number of backslashes: the quote is escaped */
		for (p = end; p > start && p[-1] == '\\'; p--)
			;
	} while ((end - p) % 2 != 0);
	return (size_t)(end - start) < GRAPH_JSON_MAX_STRING;
}

/* Step over a value of any type; what lies inside an object or array is only
   looked at for strings and brackets. */
static bool graph_scan_value(struct graph_scanner *s)
{
	unsigned int depth = 0;
	size_t start;
	char c;

	do {
		c = graph_scan_peek(s);
		if (c == '"') {
			if (!graph_scan_string(s))
				return false;
		} else if (c == '{' || c == '[') {
			if (++depth > GRAPH_JSON_MAX_DEPTH)
				return false;
			s->pos++;
		} else if (c == '}' || c == ']') {
			if (depth == 0)
				return false;
			depth--;
			s->pos++;
		} else if (c == ',' || c == ':') {
			if (depth == 0)
				return false;
			s->pos++;
		} else if (c == '\0') {
			return false;
		} else {
			start = s->pos;
			while (s->pos < s->size && s->text[s->pos] > ' ' &&
			       strchr("\"{}[],:", s->text[s->pos]) == NULL)
				s->pos++;
			/* a control character, or no ASCII */
			if (s->pos == start || (s->pos < s->size &&
			    (signed char)s->text[s->pos] < 0))
				return false;
		}
	} while (depth > 0);
	return true;
}

static bool graph_scan_rows(struct graph_scanner *s,
			    struct graph_json_page *page)
{
	unsigned int allocated = 0;
	size_t start;

	/* a second "value" key would be a trick: the last one counts */
	page->row_count = 0;
	if (!graph_scan_char(s, '['))
		return false;
	if (graph_scan_char(s, ']'))
		return true;
	do {
		graph_scan_space(s);
		start = s->pos;
		if (!graph_scan_value(s) ||
		    page->row_count >= GRAPH_JSON_MAX_ARRAY)
			return false;
		if (page->row_count == allocated || page->rows == NULL) {
			allocated = page->row_count == 0 ? 64 :
				page->row_count * 2;
			page->rows = msnet_realloc(page->rows,
				sizeof(*page->rows) * allocated);
		}
		page->rows[page->row_count].offset = start;
		page->rows[page->row_count++].size = s->pos - start;
	} while (graph_scan_char(s, ','));
	return graph_scan_char(s, ']');
}

/* The link as a heap string; *link_r stays NULL for null. */
static bool graph_scan_link(struct graph_scanner *s, char **link_r)
{
	struct msnet_buf wrapped = { .data = NULL };
	struct json_object *obj;
	const char *text;
	size_t start;

	graph_scan_space(s);
	start = s->pos;
	if (!graph_scan_value(s))
		return false;
	if (s->text[start] != '"')
		return true;
	msnet_buf_add(&wrapped, "{\"l\":");
	msnet_buf_append(&wrapped, s->text + start, s->pos - start);
	msnet_buf_add(&wrapped, "}");
	obj = graph_json_parse(wrapped.data, wrapped.used);
	msnet_buf_free(&wrapped);
	text = graph_json_string(obj, "l");
	if (text != NULL) {
		free(*link_r);
		*link_r = msnet_strdup(text);
	}
	json_object_put(obj);
	return text != NULL;
}

static bool graph_scan_member(struct graph_scanner *s,
			      struct graph_json_page *page, bool *have_value)
{
	const char *key;
	size_t start, len;

	graph_scan_space(s);
	start = s->pos + 1;
	if (!graph_scan_string(s))
		return false;
	key = s->text + start;
	len = s->pos - 1 - start;
	if (!graph_scan_char(s, ':'))
		return false;
	if (len == 5 && memcmp(key, "value", 5) == 0) {
		*have_value = true;
		return graph_scan_rows(s, page);
	}
	if (len == 15 && memcmp(key, "@odata.nextLink", 15) == 0)
		return graph_scan_link(s, &page->next_link);
	if (len == 16 && memcmp(key, "@odata.deltaLink", 16) == 0)
		return graph_scan_link(s, &page->delta_link);
	return graph_scan_value(s);
}

int graph_json_split_page(const char *text, size_t size,
			  struct graph_json_page *page_r)
{
	struct graph_scanner s = { .text = text, .pos = 0, .size = size };
	bool ok, have_value = false;

	memset(page_r, 0, sizeof(*page_r));
	ok = graph_scan_char(&s, '{');
	if (ok && !graph_scan_char(&s, '}')) {
		do {
			ok = graph_scan_member(&s, page_r, &have_value);
		} while (ok && graph_scan_char(&s, ','));
		ok = ok && graph_scan_char(&s, '}');
	}
	if (!ok || !have_value) {
		graph_json_page_deinit(page_r);
		return -1;
	}
	return 0;
}

void graph_json_page_deinit(struct graph_json_page *page)
{
	free(page->rows);
	free(page->next_link);
	free(page->delta_link);
	memset(page, 0, sizeof(*page));
}
