#ifndef MSGRAPH_FLAGS_H
#define MSGRAPH_FLAGS_H

/* PURE: what a Graph message's properties are as IMAP flags and keywords, and
   the way back. One table; no I/O.

   \Seen isRead, \Flagged flag.flagStatus == flagged, \Answered 0x1081 in
   {102,103}, $Forwarded 0x1081 == 104, \Deleted PidLidImapDeleted, \Draft
   isDraft (read-only), keywords = categories. */

#include "mail-types.h"
#include "graph-batch.h"

#define MSGRAPH_FLAGS_WRITABLE \
	(MAIL_SEEN | MAIL_FLAGGED | MAIL_ANSWERED | MAIL_DELETED)
#define MSGRAPH_KEYWORD_FORWARDED "$Forwarded"

/* What a row says. Only bits in known_r are said; keywords_r (data stack,
   NULL-terminated, sorted) is NULL when the row says nothing of them.
   $Forwarded is part of the keywords, so they are complete only when both
   categories and properties are known: *forwarded_known_r and
   *categories_known_r tell. */
struct msgraph_flag_state {
	enum mail_flags flags, known;
	bool categories_known, forwarded_known, forwarded;
	/* keyword names made of categories, without $Forwarded */
	const char *const *keywords;
};
void msgraph_flags_from_row(const struct graph_message *msg,
			    struct msgraph_flag_state *state_r);

/* Absolute values to send for the fields that a local change touched.
   keywords = all keywords of the message as they shall be; strings in *patch_r
   are on the data stack. Returns FALSE if nothing is to be sent. */
bool msgraph_flags_to_patch(enum mail_flags changed, enum mail_flags flags,
			    bool keywords_changed,
			    const char *const *keywords,
			    struct graph_patch *patch_r);

/* The categories that a message shall have after the keywords in touched were
   set or removed: those in keywords it has now. Others stay as they are at
   Graph, also two that are the same keyword because they differ by case only.
   All are NULL-terminated; the result is from pool, its strings too. */
const char *const *
msgraph_categories_merge(pool_t pool, const char *const *current,
			 const char *const *keywords,
			 const char *const *touched);

/* Category name <-> IMAP keyword (an atom). Reversible: space is "_", other
   bytes that an atom cannot have, and those two escapes themselves, are =XX.
   Data stack. */
const char *msgraph_keyword_from_category(const char *category);
const char *msgraph_category_from_keyword(const char *keyword);

#endif
