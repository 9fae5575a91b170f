#ifndef MSGRAPH_BODIES_PRIVATE_H
#define MSGRAPH_BODIES_PRIVATE_H

#include "msgraph-bodies.h"

#define BODY_SUFFIX ".zst"
#define BODY_PINNED_SUFFIX ".own.zst"
#define BODY_PLAIN_SUFFIX ""
#define BODY_PLAIN_PINNED_SUFFIX ".own"
#define BODY_EVICTED_SUFFIX ".was"
#define BODY_DRAFT_SUFFIX ".draft"
#define BODY_DAMAGED_SUFFIX ".damaged"

struct msgraph_bodies {
	char *dir;
	uoff_t max_size;
	struct event *event;

	/* bytes put by this process since it last looked at the whole; the
	   first put looks at once */
	uoff_t put_since_scan;
	bool scanned;
};

/* Digest of a message in hex (data stack), NULL if it cannot be read. */
const char *msgraph_body_digest(const char *path, bool packed);

/* Least recently used copies go until a tenth of the room is free. Nobody who
   reads one waits for it or is disturbed. */
void msgraph_bodies_make_room(struct msgraph_bodies *bodies);

#endif
