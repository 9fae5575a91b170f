#include "lib.h"
#include "array.h"
#include "msgraph-known.h"

enum mailbox_list_notify_event
msgraph_known_events(const struct msgraph_known_counts *old,
		     const struct msgraph_known_counts *now)
{
	enum mailbox_list_notify_event events = 0;

	if (old->uidvalidity != now->uidvalidity)
		events |= MAILBOX_LIST_NOTIFY_UIDVALIDITY;
	/* as many may have come as have gone */
	else if (old->messages + (now->uidnext - old->uidnext) > now->messages)
		events |= MAILBOX_LIST_NOTIFY_EXPUNGES;
	if (old->uidnext != now->uidnext)
		events |= MAILBOX_LIST_NOTIFY_APPENDS;
	if (old->unseen != now->unseen)
		events |= MAILBOX_LIST_NOTIFY_SEEN_CHANGES;
	if (old->modseq != now->modseq)
		events |= MAILBOX_LIST_NOTIFY_MODSEQ_CHANGES;
	return events;
}

static void
changes_add(ARRAY_TYPE(msgraph_known_change) *changes,
	    enum mailbox_list_notify_event event, const char *name,
	    const char *old_name)
{
	struct msgraph_known_change *change = array_append_space(changes);

	change->events = event;
	change->name = name;
	change->old_name = old_name;
}

/* Another folder that waits still has the name that this one gets. */
static bool
rename_must_wait(const ARRAY_TYPE(msgraph_known_change) *renames,
		 const struct msgraph_known_change *change)
{
	const struct msgraph_known_change *other;

	array_foreach(renames, other) {
		if (other != change &&
		    strcmp(other->old_name, change->name) == 0)
			return TRUE;
	}
	return FALSE;
}

static void
renames_add(ARRAY_TYPE(msgraph_known_change) *renames,
	    ARRAY_TYPE(msgraph_known_change) *changes)
{
	unsigned int i;

	while (array_count(renames) > 0) {
		for (i = 0; i < array_count(renames); i++) {
			if (!rename_must_wait(renames, array_idx(renames, i)))
				break;
		}
		if (i == array_count(renames))
			i = 0;
		array_push_back(changes, array_idx(renames, i));
		array_delete(renames, i, 1);
	}
}

void msgraph_known_names(const ARRAY_TYPE(msgraph_known_name) *old,
			 const ARRAY_TYPE(msgraph_known_name) *now,
			 ARRAY_TYPE(msgraph_known_change) *changes)
{
	const struct msgraph_known_name *o, *n;
	ARRAY_TYPE(msgraph_known_change) renames, created;
	unsigned int i = 0, j = 0, old_count, now_count;
	int ret;

	t_array_init(&renames, 4);
	t_array_init(&created, 4);
	o = array_get(old, &old_count);
	n = array_get(now, &now_count);
	while (i < old_count || j < now_count) {
		ret = i == old_count ? 1 : j == now_count ? -1 :
			strcmp(o[i].id, n[j].id);
		if (ret < 0) {
			changes_add(changes, MAILBOX_LIST_NOTIFY_DELETE,
				    o[i].name, NULL);
		} else if (ret > 0) {
			changes_add(&created, MAILBOX_LIST_NOTIFY_CREATE,
				    n[j].name, NULL);
		} else if (strcmp(o[i].name, n[j].name) != 0) {
			changes_add(&renames, MAILBOX_LIST_NOTIFY_RENAME,
				    n[j].name, o[i].name);
		}
		if (ret <= 0)
			i++;
		if (ret >= 0)
			j++;
	}
	renames_add(&renames, changes);
	array_append_array(changes, &created);
}

void msgraph_known_subscriptions(const ARRAY_TYPE(const_string) *old,
				 const ARRAY_TYPE(const_string) *now,
				 ARRAY_TYPE(msgraph_known_change) *changes)
{
	const char *const *o, *const *n;
	unsigned int i = 0, j = 0, old_count, now_count;
	int ret;

	o = array_get(old, &old_count);
	n = array_get(now, &now_count);
	while (i < old_count || j < now_count) {
		ret = i == old_count ? 1 : j == now_count ? -1 :
			strcmp(o[i], n[j]);
		if (ret < 0) {
			changes_add(changes, MAILBOX_LIST_NOTIFY_UNSUBSCRIBE,
				    o[i], NULL);
		} else if (ret > 0) {
			changes_add(changes, MAILBOX_LIST_NOTIFY_SUBSCRIBE,
				    n[j], NULL);
		}
		if (ret <= 0)
			i++;
		if (ret >= 0)
			j++;
	}
}
