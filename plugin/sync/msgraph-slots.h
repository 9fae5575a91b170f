#ifndef MSGRAPH_SLOTS_H
#define MSGRAPH_SLOTS_H

/* Numbers by a checksum, eight bytes each: what they stand for is kept
   elsewhere, where who looks one up has to compare it. A zeroed struct is
   empty. */

struct msgraph_slots {
	struct msgraph_slot *slots;
	/* count is a power of two, at least twice what is used */
	unsigned int count, used;
};

/* Room for so many more. */
void msgraph_slots_reserve(struct msgraph_slots *slots, unsigned int more);
/* number is not 0; one sum may have several. */
void msgraph_slots_add(struct msgraph_slots *slots, uint32_t sum,
		       uint32_t number);
/* The next number with this sum, 0 = no more. *pos is 0 at first. */
uint32_t msgraph_slots_next(const struct msgraph_slots *slots, uint32_t sum,
			    unsigned int *pos);
void msgraph_slots_clear(struct msgraph_slots *slots);

#endif
