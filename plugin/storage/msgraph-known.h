#ifndef MSGRAPH_KNOWN_H
#define MSGRAPH_KNOWN_H

/* PURE: what a NOTIFY client was told of the folders and what they are now make
   what it is to be told. */

#include "mailbox-list-notify.h"

/* As STATUS tells them; all 0 = not known. */
struct msgraph_known_counts {
	uint32_t uidvalidity, uidnext, messages, unseen;
	uint64_t modseq;
};

struct msgraph_known_name {
	const char *id, *name;
};
ARRAY_DEFINE_TYPE(msgraph_known_name, struct msgraph_known_name);

struct msgraph_known_change {
	enum mailbox_list_notify_event events;
	const char *name, *old_name;
};
ARRAY_DEFINE_TYPE(msgraph_known_change, struct msgraph_known_change);

enum mailbox_list_notify_event
msgraph_known_events(const struct msgraph_known_counts *old,
		     const struct msgraph_known_counts *now);

/* Both are sorted by id. What is gone comes first, then what has another name,
   in such an order that the new name is free when the client hears of it (if
   there is one: two may have changed places), then what is new. Strings are the
   caller's. */
void msgraph_known_names(const ARRAY_TYPE(msgraph_known_name) *old,
			 const ARRAY_TYPE(msgraph_known_name) *now,
			 ARRAY_TYPE(msgraph_known_change) *changes);

/* Both are sorted. */
void msgraph_known_subscriptions(const ARRAY_TYPE(const_string) *old,
				 const ARRAY_TYPE(const_string) *now,
				 ARRAY_TYPE(msgraph_known_change) *changes);

#endif
