#include "graph-property.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct graph_word {
	const char *start;
	size_t len;
};

static bool graph_word_next(const char **pos, struct graph_word *word_r)
{
	const char *p = *pos;

	while (*p == ' ')
		p++;
	word_r->start = p;
	while (*p != '\0' && *p != ' ')
		p++;
	word_r->len = (size_t)(p - word_r->start);
	*pos = p;
	return word_r->len > 0;
}

static bool graph_word_number(const struct graph_word *word,
			      unsigned long *value_r)
{
	char *end;

	if (word->len < 3 || word->len > 10 || word->start[0] != '0' ||
	    (word->start[1] != 'x' && word->start[1] != 'X') ||
	    !isxdigit((unsigned char)word->start[2]))
		return false;
	*value_r = strtoul(word->start, &end, 16);
	/* a 32-bit tag: the lower half is the type */
	if (word->len > 6 && *value_r > 0xffff)
		*value_r >>= 16;
	return end == word->start + word->len;
}

bool graph_property_id_equals(const char *a, const char *b)
{
	struct graph_word x, y;
	unsigned long number_x, number_y;
	bool have_x, have_y;

	for (;;) {
		have_x = graph_word_next(&a, &x);
		have_y = graph_word_next(&b, &y);
		if (!have_x || !have_y)
			return have_x == have_y;
		if (graph_word_number(&x, &number_x) &&
		    graph_word_number(&y, &number_y)) {
			if (number_x != number_y)
				return false;
		} else if (x.len != y.len ||
			   strncasecmp(x.start, y.start, x.len) != 0) {
			return false;
		}
	}
}
