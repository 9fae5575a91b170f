#include "lib.h"
#include "array.h"
#include "str.h"
#include "mail-types.h"
#include "msgraph-flags.h"

/* bytes of a keyword; 255 characters escaped are fewer. Dovecot's log cannot hold
   one of 64 kB. */
#define KEYWORD_MAX 4096

/* what an IMAP atom cannot have (RFC 3501 9: atom-specials), and what we use
   ourselves; 8-bit bytes are not allowed either */
static bool keyword_needs_escape(unsigned char c)
{
	return c <= ' ' || c >= 0x7f || strchr("(){%*\"\\]_", c) != NULL;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

static bool is_escape(const char *p, unsigned char *byte_r)
{
	int hi, lo;

	if (p[0] != '=' || (hi = hex_digit(p[1])) < 0 ||
	    (lo = hex_digit(p[2])) < 0)
		return FALSE;
	*byte_r = hi * 16 + lo;
	return TRUE;
}

/* An escape that we would have made. */
static bool is_our_escape(const char *p, unsigned char *byte_r)
{
	return is_escape(p, byte_r) && *byte_r != ' ' &&
		(keyword_needs_escape(*byte_r) || *byte_r == '=');
}

const char *msgraph_keyword_from_category(const char *category)
{
	string_t *str = t_str_new(64);
	unsigned char byte;
	const char *p;

	for (p = category; *p != '\0'; p++) {
		if (*p == ' ')
			str_append_c(str, '_');
		else if (keyword_needs_escape(*p) ||
			 (*p == '=' && is_our_escape(p, &byte)))
			str_printfa(str, "=%02X", (unsigned char)*p);
		else
			str_append_c(str, *p);
	}
	return str_c(str);
}

const char *msgraph_category_from_keyword(const char *keyword)
{
	string_t *str = t_str_new(64);
	unsigned char byte;
	const char *p;

	for (p = keyword; *p != '\0'; p++) {
		if (*p == '_')
			str_append_c(str, ' ');
		else if (is_our_escape(p, &byte) && byte != '\0') {
			str_append_c(str, byte);
			p += 2;
		} else {
			str_append_c(str, *p);
		}
	}
	return str_c(str);
}

void msgraph_flags_from_row(const struct graph_message *msg,
			    struct msgraph_flag_state *state_r)
{
	ARRAY_TYPE(const_string) keywords;
	const char *const *p, *name;

	i_zero(state_r);
	if (msg->is_read >= 0) {
		state_r->known |= MAIL_SEEN;
		if (msg->is_read > 0)
			state_r->flags |= MAIL_SEEN;
	}
	if (msg->flag != GRAPH_FLAG_UNKNOWN) {
		state_r->known |= MAIL_FLAGGED;
		if (msg->flag == GRAPH_FLAG_FLAGGED)
			state_r->flags |= MAIL_FLAGGED;
	}
	if (msg->is_draft >= 0) {
		state_r->known |= MAIL_DRAFT;
		if (msg->is_draft > 0)
			state_r->flags |= MAIL_DRAFT;
	}
	if (msg->has_properties) {
		state_r->known |= MAIL_ANSWERED | MAIL_DELETED;
		if (msg->verb == GRAPH_VERB_REPLIED ||
		    msg->verb == GRAPH_VERB_REPLIED_ALL)
			state_r->flags |= MAIL_ANSWERED;
		if (msg->imap_deleted > 0)
			state_r->flags |= MAIL_DELETED;
		state_r->forwarded_known = TRUE;
		state_r->forwarded = msg->verb == GRAPH_VERB_FORWARDED;
	}
	if (msg->has_categories) {
		t_array_init(&keywords, 8);
		for (p = msg->categories; *p != NULL; p++) {
			name = msgraph_keyword_from_category(*p);
			if (*name != '\0' && strlen(name) <= KEYWORD_MAX)
				array_push_back(&keywords, &name);
		}
		array_append_zero(&keywords);
		state_r->categories_known = TRUE;
		state_r->keywords = array_front(&keywords);
	}
}

static enum graph_verb verb_of(enum mail_flags flags, bool forwarded)
{
	/* the service keeps one of them: the reply */
	if ((flags & MAIL_ANSWERED) != 0)
		return GRAPH_VERB_REPLIED;
	return forwarded ? GRAPH_VERB_FORWARDED : GRAPH_VERB_NONE;
}

bool msgraph_flags_to_patch(enum mail_flags changed, enum mail_flags flags,
			    bool keywords_changed,
			    const char *const *keywords,
			    struct graph_patch *patch_r)
{
	static const struct graph_patch init = GRAPH_PATCH_INIT;
	ARRAY_TYPE(const_string) categories;
	const char *const *p, *name;
	bool forwarded = FALSE;

	*patch_r = init;
	t_array_init(&categories, 8);
	for (p = keywords; p != NULL && *p != NULL; p++) {
		if (strcasecmp(*p, MSGRAPH_KEYWORD_FORWARDED) == 0) {
			forwarded = TRUE;
			continue;
		}
		name = msgraph_category_from_keyword(*p);
		array_push_back(&categories, &name);
	}
	array_append_zero(&categories);

	changed &= MSGRAPH_FLAGS_WRITABLE;
	if ((changed & MAIL_SEEN) != 0)
		patch_r->is_read = (flags & MAIL_SEEN) != 0 ? 1 : 0;
	if ((changed & MAIL_FLAGGED) != 0) {
		patch_r->flag = (flags & MAIL_FLAGGED) != 0 ?
			GRAPH_FLAG_FLAGGED : GRAPH_FLAG_NOT_FLAGGED;
	}
	if ((changed & MAIL_DELETED) != 0)
		patch_r->imap_deleted = (flags & MAIL_DELETED) != 0 ? 1 : 0;
	if ((changed & MAIL_ANSWERED) != 0 || keywords_changed)
		patch_r->verb = verb_of(flags, forwarded);
	if (keywords_changed)
		patch_r->categories = array_front(&categories);
	return changed != 0 || keywords_changed;
}

const char *const *
msgraph_categories_merge(pool_t pool, const char *const *current,
			 const char *const *keywords,
			 const char *const *touched)
{
	ARRAY_TYPE(const_string) result, have;
	const char *keyword, *name;

	p_array_init(&result, pool, 8);
	t_array_init(&have, 8);
	for (; *current != NULL; current++) {
		keyword = msgraph_keyword_from_category(*current);
		if (str_array_icase_find(touched, keyword) &&
		    !str_array_icase_find(keywords, keyword))
			continue;
		name = p_strdup(pool, *current);
		array_push_back(&result, &name);
		array_push_back(&have, &keyword);
	}
	array_append_zero(&have);
	for (; *touched != NULL; touched++) {
		if (strcasecmp(*touched, MSGRAPH_KEYWORD_FORWARDED) == 0 ||
		    !str_array_icase_find(keywords, *touched) ||
		    str_array_icase_find(array_front(&have), *touched))
			continue;
		name = p_strdup(pool, msgraph_category_from_keyword(*touched));
		array_push_back(&result, &name);
	}
	array_append_zero(&result);
	return array_front(&result);
}
