/* Open addressing. */

#include "lib.h"
#include "msgraph-slots.h"

#define SLOTS_MIN 64

struct msgraph_slot {
	uint32_t sum;
	uint32_t number;	/* 0 = free */
};

static void slots_put(struct msgraph_slots *slots, uint32_t sum,
		      uint32_t number)
{
	unsigned int i = sum & (slots->count - 1);

	while (slots->slots[i].number != 0)
		i = (i + 1) & (slots->count - 1);
	slots->slots[i].sum = sum;
	slots->slots[i].number = number;
	slots->used++;
}

void msgraph_slots_reserve(struct msgraph_slots *slots, unsigned int more)
{
	struct msgraph_slot *old = slots->slots;
	unsigned int i, old_count = slots->count;

	if ((slots->used + more) * 2 <= old_count)
		return;
	slots->count = nearest_power(I_MAX((slots->used + more) * 2,
					   SLOTS_MIN));
	slots->slots = i_new(struct msgraph_slot, slots->count);
	slots->used = 0;
	for (i = 0; i < old_count; i++) {
		if (old[i].number != 0)
			slots_put(slots, old[i].sum, old[i].number);
	}
	i_free(old);
}

void msgraph_slots_add(struct msgraph_slots *slots, uint32_t sum,
		       uint32_t number)
{
	i_assert(number != 0);
	msgraph_slots_reserve(slots, 1);
	slots_put(slots, sum, number);
}

uint32_t msgraph_slots_next(const struct msgraph_slots *slots, uint32_t sum,
			    unsigned int *pos)
{
	const struct msgraph_slot *slot;

	if (slots->count == 0)
		return 0;
	for (;;) {
		slot = &slots->slots[(sum + *pos) & (slots->count - 1)];
		if (slot->number == 0)
			return 0;
		(*pos)++;
		if (slot->sum == sum)
			return slot->number;
	}
}

void msgraph_slots_clear(struct msgraph_slots *slots)
{
	i_free(slots->slots);
	slots->count = slots->used = 0;
}
