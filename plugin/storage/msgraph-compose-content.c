/* Content-Type, Content-Disposition and the like of one part. lib-mail's own
   reader of these changed its signature within 2.3; its parsers below it did
   not. */

#include "lib.h"
#include "array.h"
#include "str.h"
#include "hex-dec.h"
#include "strnum.h"
#include "rfc822-parser.h"
#include "msgraph-compose-private.h"

#include <ctype.h>

/* Parameters of one field that are looked at */
#define COMPOSE_MAX_PARAMS 100

/* A parameter, or a piece of one (RFC 2231 3): name, name*, name*1, name*1* */
struct compose_piece {
	const char *name, *value;
	/* -1 = it is whole */
	int number;
	/* %hh, and in the first one the charset (RFC 2231 4) */
	bool extended;
};
ARRAY_DEFINE_TYPE(compose_piece, struct compose_piece);

static bool compose_piece_init(struct compose_piece *piece, const char *key,
			       const char *value)
{
	const char *star = strchr(key, '*');
	size_t len = strlen(key);

	piece->value = t_strdup(value);
	piece->number = -1;
	piece->extended = star != NULL && key[len - 1] == '*';
	piece->name = star == NULL ? key : t_strdup_until(key, star);
	if (star == NULL || star == key + len - 1)
		return TRUE;
	star = t_strdup_until(star + 1, key + len - (piece->extended ? 1 : 0));
	return str_to_int(star, &piece->number) == 0 && piece->number >= 0;
}

static void compose_read_pieces(struct rfc822_parser_context *parser,
				ARRAY_TYPE(compose_piece) *pieces)
{
	string_t *value = t_str_new(64);
	struct compose_piece piece;
	const char *key;
	int ret;

	while ((ret = rfc822_parse_content_param(parser, &key, value)) != 0 &&
	       array_count(pieces) < COMPOSE_MAX_PARAMS) {
		if (ret > 0 && compose_piece_init(&piece, key, str_c(value)))
			array_push_back(pieces, &piece);
		if (ret > 0)
			continue;
		/* try to go on anyway */
		if (parser->data >= parser->end)
			break;
		parser->data++;
	}
}

static const struct compose_piece *
compose_find_piece(const ARRAY_TYPE(compose_piece) *pieces, const char *name,
		   int number)
{
	const struct compose_piece *piece;

	array_foreach(pieces, piece) {
		if (piece->number == number &&
		    strcasecmp(piece->name, name) == 0)
			return piece;
	}
	return NULL;
}

/* All pieces of it, as one that is extended if the first one is. */
static const char *
compose_join_pieces(const ARRAY_TYPE(compose_piece) *pieces,
		    const struct compose_piece *first)
{
	const struct compose_piece *piece = first;
	string_t *value = t_str_new(128);
	const char *p;
	int number;

	for (number = 0; piece != NULL; number++) {
		for (p = piece->value; *p != '\0'; p++) {
			str_append_c(value, *p);
			if (*p == '%' && first->extended && !piece->extended)
				str_append(value, "25");
		}
		piece = compose_find_piece(pieces, first->name, number + 1);
	}
	return str_c(value);
}

/* lib-mail's own reader of RFC 2231 forgets the charset in 2.4. */
static void
compose_params(pool_t pool, struct rfc822_parser_context *parser,
	       const struct message_part_param **params_r,
	       unsigned int *count_r)
{
	ARRAY_TYPE(compose_piece) pieces;
	const struct compose_piece *piece;
	struct message_part_param *params;

	t_array_init(&pieces, 8);
	compose_read_pieces(parser, &pieces);
	if (array_is_empty(&pieces))
		return;
	params = p_new(pool, struct message_part_param, array_count(&pieces));
	*params_r = params;
	*count_r = 0;
	array_foreach(&pieces, piece) {
		if (piece->number > 0)
			continue;
		params[*count_r].name = p_strconcat(pool, piece->name,
			piece->extended ? "*" : "", NULL);
		params[(*count_r)++].value = p_strdup(pool,
			piece->number < 0 ? piece->value :
			compose_join_pieces(&pieces, piece));
	}
}

static void
compose_content_type(pool_t pool, struct message_part_data *data,
		     struct rfc822_parser_context *parser)
{
	string_t *str = t_str_new(64);
	const char *value, *slash;
	int ret;

	ret = rfc822_parse_content_type(parser, str);
	value = str_c(str);
	slash = strchr(value, '/');
	if (slash == NULL || slash == value || slash[1] == '\0')
		return;
	data->content_type = p_strdup_until(pool, value, slash);
	data->content_subtype = p_strdup(pool, slash + 1);
	if (ret >= 0)
		compose_params(pool, parser, &data->content_type_params,
			       &data->content_type_params_count);
}

static void
compose_content_disposition(pool_t pool, struct message_part_data *data,
			    struct rfc822_parser_context *parser)
{
	string_t *str = t_str_new(64);

	(void)rfc822_parse_mime_token(parser, str);
	data->content_disposition = p_strdup(pool, str_c(str));
	compose_params(pool, parser, &data->content_disposition_params,
		       &data->content_disposition_params_count);
}

void msgraph_compose_content_header(struct msgraph_compose *c,
				    struct message_part *part,
				    const struct message_header_line *hdr)
{
	const char *name = hdr->name + strlen("Content-");
	struct rfc822_parser_context parser;
	struct message_part_data *data;
	string_t *str;

	if (part->data == NULL)
		part->data = p_new(c->pool, struct message_part_data, 1);
	data = part->data;

	rfc822_parser_init(&parser, hdr->full_value, hdr->full_value_len,
			   NULL);
	rfc822_skip_lwsp(&parser);
	if (strcasecmp(name, "Type") == 0) {
		if (data->content_type == NULL)
			compose_content_type(c->pool, data, &parser);
	} else if (strcasecmp(name, "Disposition") == 0) {
		if (data->content_disposition == NULL)
			compose_content_disposition(c->pool, data, &parser);
	} else if (strcasecmp(name, "Transfer-Encoding") == 0) {
		str = t_str_new(32);
		(void)rfc822_parse_mime_token(&parser, str);
		data->content_transfer_encoding =
			p_strdup(c->pool, str_c(str));
	} else if (strcasecmp(name, "ID") == 0) {
		data->content_id = message_header_strdup(c->pool,
			hdr->full_value, hdr->full_value_len);
	}
	rfc822_parser_deinit(&parser);
}

/* RFC 2231: charset'language'text with %hh */
static const char *compose_decode_extended(const char *value)
{
	const char *lang = strchr(value, '\''), *text, *charset;
	string_t *raw, *utf8;
	unsigned int i;

	if (lang == NULL || (text = strchr(lang + 1, '\'')) == NULL)
		return value;
	charset = t_strdup_until(value, lang);
	raw = t_str_new(128);
	for (text++; *text != '\0'; text++) {
		if (*text == '%' && i_isxdigit(text[1]) &&
		    i_isxdigit(text[2])) {
			i = hex2dec((const unsigned char *)text + 1, 2);
			if (i != 0)
				str_append_c(raw, i);
			text += 2;
		} else {
			str_append_c(raw, *text);
		}
	}
	utf8 = t_str_new(128);
	msgraph_compose_to_utf8(*charset == '\0' ? "UTF-8" : charset,
				str_data(raw), str_len(raw), FALSE, utf8);
	return str_c(utf8);
}

const char *msgraph_compose_param(const struct message_part_param *params,
				  unsigned int count, const char *name)
{
	const char *extended = t_strconcat(name, "*", NULL);
	const char *plain = NULL;
	unsigned int i;

	for (i = 0; i < count; i++) {
		if (params[i].value == NULL)
			continue;
		if (strcasecmp(params[i].name, extended) == 0)
			return compose_decode_extended(params[i].value);
		if (plain == NULL && strcasecmp(params[i].name, name) == 0)
			plain = params[i].value;
	}
	/* against RFC 2047 5, but common */
	return plain == NULL ? NULL :
		msgraph_compose_decode(pool_datastack_create(),
				       (const unsigned char *)plain,
				       strlen(plain));
}
