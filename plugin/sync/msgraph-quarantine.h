#ifndef MSGRAPH_QUARANTINE_H
#define MSGRAPH_QUARANTINE_H

/* Messages of one folder that Graph names and cannot give, or not change: a row
   that says too little of a new message while the message itself cannot be read,
   a body that cannot be downloaded, a local change that ends in a 500. They are
   not asked for each time, but with pauses that grow, so that they hold up
   neither the folder nor a client that tries again and again. Kept in a text file beside the index, which all processes
   share; if it is lost, they are tried at once. */

#include <time.h>

struct event;
struct graph_failure;
struct msgraph_quarantine;

enum msgraph_quarantine_kind {
	MSGRAPH_QUARANTINE_ROW = 0,
	MSGRAPH_QUARANTINE_BODY,
	MSGRAPH_QUARANTINE_CHANGE
};

struct msgraph_quarantined {
	const char *id;
	enum msgraph_quarantine_kind kind;
	/* seconds: since when, and when to try again */
	time_t since, next;
	unsigned int tries;
	/* a word: Graph's code, or the HTTP status */
	const char *reason;
};

struct msgraph_quarantine *
msgraph_quarantine_init(const char *dir, struct event *event);
void msgraph_quarantine_deinit(struct msgraph_quarantine **quarantine);

/* NULL = it is not there. Valid until the next call. One stat if nothing has
   changed. */
const struct msgraph_quarantined *
msgraph_quarantine_find(struct msgraph_quarantine *quarantine, const char *id,
			enum msgraph_quarantine_kind kind);
unsigned int msgraph_quarantine_count(struct msgraph_quarantine *quarantine);
/* 0..count-1; the same holds. */
const struct msgraph_quarantined *
msgraph_quarantine_get(struct msgraph_quarantine *quarantine, unsigned int i);
/* It has failed (again). */
void msgraph_quarantine_failed(struct msgraph_quarantine *quarantine,
			       const char *id,
			       enum msgraph_quarantine_kind kind,
			       const struct graph_failure *fail);
/* It was had, or is gone. Fine if it was not there. */
void msgraph_quarantine_remove(struct msgraph_quarantine *quarantine,
			       const char *id,
			       enum msgraph_quarantine_kind kind);

/* PURE: the failure is about this message, and asking again at once would be of
   no use. */
bool msgraph_quarantine_is_for(const struct graph_failure *fail);
/* PURE: seconds until the next try of a row or body after so many (from 1). */
unsigned int msgraph_quarantine_pause(unsigned int tries);
/* PURE: the same of a change that has failed for so many seconds. */
unsigned int msgraph_quarantine_change_pause(unsigned int age);
/* PURE: the pauses of a body do not grow any more, which takes half a day. */
bool msgraph_quarantine_is_lasting(unsigned int tries);

#endif
