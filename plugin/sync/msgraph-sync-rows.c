/* What a pull knows of a message, most of which lies in the spool. */

#include "lib.h"
#include "array.h"
#include "crc32.h"
#include "graph-batch.h"
#include "msgraph-sync-private.h"

#include <unistd.h>

/* of a record, with some room: its id */
#define PULL_ID_SIZE 256

/* The first bytes of its record, on the data stack. */
static void *pull_read_some(const struct msgraph_pull *pull,
			    const struct msgraph_pulled *row, size_t size)
{
	void *data = t_malloc_no0(size);
	ssize_t ret = pread(pull->spool_fd, data, size, row->offset);

	if (ret == (ssize_t)size)
		return data;
	if (ret >= 0)
		errno = EIO;
	return NULL;
}

const char *msgraph_pull_id(const struct msgraph_pull *pull,
			    const struct msgraph_pulled *row)
{
	size_t size = I_MIN(row->size, PULL_ID_SIZE);
	const char *id;
	void *data;

	data = pull_read_some(pull, row, size);
	if (data == NULL)
		return NULL;
	id = msgraph_row_packed_id(data, size);
	if (id == NULL && size < row->size) {
		data = pull_read_some(pull, row, row->size);
		if (data == NULL)
			return NULL;
		id = msgraph_row_packed_id(data, row->size);
	}
	if (id == NULL)
		errno = EIO;
	return id;
}

int msgraph_pull_find(const struct msgraph_pull *pull, const char *id,
		      struct msgraph_pulled **row_r)
{
	uint32_t n, sum = crc32_str(id);
	const char *row_id;
	unsigned int pos = 0;
	int ret = 0;

	*row_r = NULL;
	while (ret == 0 &&
	       (n = msgraph_slots_next(&pull->by_id, sum, &pos)) != 0) T_BEGIN {
		*row_r = array_idx_modifiable(&pull->rows, n - 1);
		row_id = msgraph_pull_id(pull, *row_r);
		ret = row_id == NULL ? -1 : strcmp(row_id, id) == 0 ? 1 : 0;
	} T_END;
	if (ret <= 0)
		*row_r = NULL;
	return ret;
}

int msgraph_pull_read(const struct msgraph_pull *pull,
		      const struct msgraph_pulled *row,
		      struct msgraph_row *said_r)
{
	void *data;

	if (!row->said)
		return 0;
	data = pull_read_some(pull, row, row->size);
	if (data == NULL)
		return -1;
	if (msgraph_row_unpack(data, row->size, said_r))
		return 1;
	errno = EIO;
	return -1;
}

bool msgraph_pull_asked(const struct msgraph_sync_env *env,
			const struct msgraph_pull *pull,
			const struct msgraph_pulled *row,
			struct msgraph_row *said_r)
{
	const struct graph_message *msg;
	unsigned int n;

	if (pull->asked == NULL)
		return FALSE;
	n = pull->asked_rows[array_ptr_to_idx(&pull->rows, row)];
	msg = n == 0 ? NULL :
		graph_batch_result(pull->asked, n - 1)->message;
	if (msg == NULL)
		return FALSE;
	msgraph_row_init(said_r, msg, env->folder_id);
	return TRUE;
}
