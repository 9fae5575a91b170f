/* In which order new messages get their UIDs: the oldest first; of one second by
   their ids, so that the order is the same each time. */

#include "lib.h"
#include "array.h"
#include "msgraph-sync-private.h"

struct same_second {
	const char *id;
	const struct msgraph_pulled *row;
};

static int received_cmp(const struct msgraph_pulled *const *a,
			const struct msgraph_pulled *const *b)
{
	return (*a)->received < (*b)->received ? -1 :
		(*a)->received > (*b)->received ? 1 : 0;
}

static int id_cmp(const struct same_second *a, const struct same_second *b)
{
	return strcmp(a->id, b->id);
}

static int order_same_second(const struct msgraph_pull *pull,
			     const struct msgraph_pulled **rows,
			     unsigned int count)
{
	ARRAY(struct same_second) all;
	struct same_second *same;
	unsigned int i;

	t_array_init(&all, count);
	for (i = 0; i < count; i++) {
		same = array_append_space(&all);
		same->row = rows[i];
		same->id = msgraph_pull_id(pull, rows[i]);
		if (same->id == NULL)
			return -1;
	}
	array_sort(&all, id_cmp);
	i = 0;
	array_foreach_modifiable(&all, same)
		rows[i++] = same->row;
	return 0;
}

int msgraph_order_rows(const struct msgraph_pull *pull,
		       ARRAY_TYPE(msgraph_pulled_ptr) *array)
{
	const struct msgraph_pulled **rows;
	unsigned int first, end, count;
	int ret = 0;

	array_sort(array, received_cmp);
	rows = array_get_modifiable(array, &count);
	for (first = 0; first < count && ret == 0; first = end) {
		for (end = first + 1; end < count &&
		     rows[end]->received == rows[first]->received; end++)
			;
		if (end - first > 1) T_BEGIN {
			ret = order_same_second(pull, rows + first,
						end - first);
		} T_END;
	}
	return ret;
}
