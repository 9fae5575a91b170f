#include "lib.h"
#include "array.h"
#include "base64.h"
#include "buffer.h"
#include "crc32.h"
#include "guid.h"
#include "hash.h"
#include "hex-binary.h"
#include "istream.h"
#include "sha2.h"
#include "str.h"
#include "mail-index.h"
#include "msgraph-idmap.h"
#include "msgraph-slots.h"

#include <fcntl.h>
#include <unistd.h>

/* bytes of a size estimate that setting flags does not explain */
#define EDITED_SIZE_MIN 8192

#define MSGRAPH_EXT_NAME "msgraph"
#define MSGRAPH_SIDE_FNAME "msgraph.ids"
#define MSGRAPH_HDR_VERSION 2
/* links are a few kB; the index can hold 64 kB */
#define MSGRAPH_LINK_MAX 60000

enum id_form {
	ID_FORM_NONE = 0,
	ID_FORM_BASE64,		/* base64url without padding, decoded */
	ID_FORM_TEXT,		/* the characters themselves */
	ID_FORM_HASH		/* SHA-256; characters in the side file */
};

struct msgraph_hdr {
	uint32_t version;
	uint32_t generation;
	uint32_t pushes;
	uint32_t id_changes;
	uint32_t link_size;
	/* link follows */
};

struct msgraph_idmap {
	struct mail_index *index;
	char *dir;
	uint32_t ext_id;

	/* UIDs of all records up to scanned_uid, by the checksum of their id;
	   the id itself is looked up in the record */
	struct msgraph_slots slots;
	uint32_t scanned_uid;
	uint32_t uid_validity, id_changes;

	/* the side file, while many are added to it; else -1 */
	int side_fd;
	bool gathering;
	/* hash in hex -> id, from the side file */
	HASH_TABLE(char *, char *) side;
	pool_t side_pool;
};

struct msgraph_idmap *msgraph_idmap_init(struct mail_index *index,
					 const char *dir)
{
	struct msgraph_idmap *idmap = i_new(struct msgraph_idmap, 1);

	idmap->index = index;
	idmap->dir = i_strdup(dir);
	idmap->side_fd = -1;
	idmap->ext_id = mail_index_ext_register(index, MSGRAPH_EXT_NAME,
		sizeof(struct msgraph_hdr), sizeof(struct msgraph_rec),
		sizeof(uint32_t));
	return idmap;
}

static void idmap_forget(struct msgraph_idmap *idmap)
{
	msgraph_slots_clear(&idmap->slots);
	idmap->scanned_uid = 0;
}

static void idmap_forget_side(struct msgraph_idmap *idmap)
{
	if (hash_table_is_created(idmap->side)) {
		hash_table_destroy(&idmap->side);
		pool_unref(&idmap->side_pool);
	}
}

void msgraph_idmap_deinit(struct msgraph_idmap **_idmap)
{
	struct msgraph_idmap *idmap = *_idmap;

	if (idmap == NULL)
		return;
	*_idmap = NULL;
	idmap_forget(idmap);
	idmap_forget_side(idmap);
	i_close_fd(&idmap->side_fd);
	i_free(idmap->dir);
	i_free(idmap);
}

void msgraph_id_guid128(const char *id, guid_128_t guid_r)
{
	unsigned char digest[SHA256_RESULTLEN];

	sha256_get_digest(id, strlen(id), digest);
	memcpy(guid_r, digest, GUID_128_SIZE);
}

/*
 * The side file
 */

static const char *idmap_side_path(struct msgraph_idmap *idmap)
{
	return t_strconcat(idmap->dir, "/"MSGRAPH_SIDE_FNAME, NULL);
}

static int idmap_read_side(struct msgraph_idmap *idmap, const char **error_r)
{
	const char *path = idmap_side_path(idmap), *line, *id;
	struct istream *input;
	int ret = 0;

	idmap_forget_side(idmap);
	idmap->side_pool = pool_alloconly_create("msgraph ids", 4096);
	hash_table_create(&idmap->side, idmap->side_pool, 0, str_hash, strcmp);
	input = i_stream_create_file(path, 16384);
	while ((line = i_stream_read_next_line(input)) != NULL) {
		id = strchr(line, ' ');
		if (id == NULL)
			continue;
		hash_table_update(idmap->side,
			p_strdup_until(idmap->side_pool, line, id),
			p_strdup(idmap->side_pool, id + 1));
	}
	if (input->stream_errno != 0 && input->stream_errno != ENOENT) {
		*error_r = t_strdup_printf("read(%s) failed: %s", path,
					   i_stream_get_error(input));
		ret = -1;
	}
	i_stream_unref(&input);
	return ret;
}

void msgraph_idmap_gather(struct msgraph_idmap *idmap)
{
	idmap->gathering = TRUE;
}

int msgraph_idmap_gathered(struct msgraph_idmap *idmap, const char **error_r)
{
	int ret = 0;

	idmap->gathering = FALSE;
	if (idmap->side_fd != -1 && fdatasync(idmap->side_fd) < 0) {
		*error_r = t_strdup_printf("fdatasync(%s) failed: %m",
					   idmap_side_path(idmap));
		ret = -1;
	}
	i_close_fd(&idmap->side_fd);
	return ret;
}

/* Appended and on the disk before the index names the hash. */
static int idmap_write_side(struct msgraph_idmap *idmap, const char *hash,
			    const char *id, const char **error_r)
{
	const char *path = idmap_side_path(idmap);
	const char *line = t_strdup_printf("%s %s\n", hash, id);
	int ret = 0;

	if (idmap->side_fd == -1)
		idmap->side_fd = open(path, O_WRONLY | O_APPEND | O_CREAT |
				      O_CLOEXEC, 0600);
	if (idmap->side_fd == -1 ||
	    write(idmap->side_fd, line, strlen(line)) != (ssize_t)strlen(line)) {
		*error_r = t_strdup_printf("write(%s) failed: %m", path);
		ret = -1;
	}
	if (!idmap->gathering &&
	    msgraph_idmap_gathered(idmap, error_r) < 0)
		ret = -1;
	if (ret == 0 && hash_table_is_created(idmap->side)) {
		hash_table_update(idmap->side,
				  p_strdup(idmap->side_pool, hash),
				  p_strdup(idmap->side_pool, id));
	}
	return ret;
}

/*
 * Records
 */

static const char *id_from_base64(const struct msgraph_rec *rec)
{
	buffer_t *buf = t_buffer_create(MAX_BASE64_ENCODED_SIZE(rec->length)
					+ 1);

	base64url_encode(BASE64_ENCODE_FLAG_NO_PADDING, 0, rec->data,
			 rec->length, buf);
	return str_c(buf);
}

static int id_decode(struct msgraph_idmap *idmap,
		     const struct msgraph_rec *rec, const char **id_r,
		     const char **error_r)
{
	const char *hash;

	if (rec->length > sizeof(rec->data))
		return 0;
	switch (rec->form) {
	case ID_FORM_BASE64:
		*id_r = id_from_base64(rec);
		return 1;
	case ID_FORM_TEXT:
		*id_r = t_strndup(rec->data, rec->length);
		return 1;
	case ID_FORM_HASH:
		hash = binary_to_hex(rec->data, rec->length);
		if (!hash_table_is_created(idmap->side) ||
		    hash_table_lookup(idmap->side, hash) == NULL) {
			if (idmap_read_side(idmap, error_r) < 0)
				return -1;
		}
		*id_r = t_strdup(hash_table_lookup(idmap->side, hash));
		return *id_r == NULL ? 0 : 1;
	default:
		return 0;
	}
}

static bool id_encode_base64(const char *id, struct msgraph_rec *rec)
{
	size_t len = strlen(id);
	buffer_t *buf = t_buffer_create(len);

	if (base64url_decode(BASE64_DECODE_FLAG_NO_PADDING, id, len, buf) < 0 ||
	    buf->used > sizeof(rec->data) || buf->used == 0)
		return FALSE;
	rec->form = ID_FORM_BASE64;
	rec->length = buf->used;
	memcpy(rec->data, buf->data, buf->used);
	/* some texts decode but come out otherwise */
	return strcmp(id_from_base64(rec), id) == 0;
}

/* The form, the length and the data of the record. */
static void id_encode(const char *id, struct msgraph_rec *rec)
{
	size_t len = strlen(id);

	if (id_encode_base64(id, rec))
		return;
	memset(rec->data, 0, sizeof(rec->data));
	if (len <= sizeof(rec->data)) {
		rec->form = ID_FORM_TEXT;
		rec->length = len;
		memcpy(rec->data, id, len);
	} else {
		rec->form = ID_FORM_HASH;
		rec->length = SHA256_RESULTLEN;
		sha256_get_digest(id, len, rec->data);
	}
}

/* The same for a record that is to be written. */
static int idmap_encode(struct msgraph_idmap *idmap, const char *id,
			struct msgraph_rec *rec, const char **error_r)
{
	id_encode(id, rec);
	if (rec->form != ID_FORM_HASH)
		return 0;
	return idmap_write_side(idmap, binary_to_hex(rec->data, rec->length),
				id, error_r);
}

static bool
idmap_get_rec(struct msgraph_idmap *idmap, struct mail_index_view *view,
	      uint32_t seq, struct msgraph_rec *rec_r)
{
	const void *data;
	bool expunged;

	mail_index_lookup_ext(view, seq, idmap->ext_id, &data, &expunged);
	if (data != NULL)
		memcpy(rec_r, data, sizeof(*rec_r));
	return data != NULL;
}

int msgraph_idmap_get(struct msgraph_idmap *idmap, struct mail_index_view *view,
		      uint32_t seq, const char **id_r,
		      struct msgraph_rec *rec_r, const char **error_r)
{
	struct msgraph_rec rec;

	if (!idmap_get_rec(idmap, view, seq, &rec))
		return 0;
	if (rec_r != NULL)
		*rec_r = rec;
	return id_decode(idmap, &rec, id_r, error_r);
}

/* Attachments and the end of a long text show in the size only, which flags and
   categories change a little. */
bool msgraph_rec_is_edited(const struct msgraph_rec *rec, uint32_t content,
			   uint32_t size)
{
	if (rec->content == 0 || content == 0)
		return FALSE;
	if (rec->content != content)
		return TRUE;
	if ((rec->flags & MSGRAPH_REC_PINNED) != 0 &&
	    (rec->flags & MSGRAPH_REC_SIZED) == 0)
		return FALSE;
	return size > 0 &&
		(size > rec->size_estimate ? size - rec->size_estimate :
		 rec->size_estimate - size) > EDITED_SIZE_MIN;
}

static const struct msgraph_hdr *
idmap_get_hdr(struct msgraph_idmap *idmap, struct mail_index_view *view,
	      size_t *size_r)
{
	const struct msgraph_hdr *hdr;
	const void *data;

	mail_index_get_header_ext(view, idmap->ext_id, &data, size_r);
	hdr = data;
	return *size_r < sizeof(*hdr) || hdr->version != MSGRAPH_HDR_VERSION ?
		NULL : hdr;
}

/*
 * From id to UID
 */

static void idmap_scan(struct msgraph_idmap *idmap,
		       struct mail_index_view *view)
{
	const struct mail_index_header *hdr = mail_index_get_header(view);
	const struct msgraph_hdr *own;
	struct msgraph_rec rec;
	uint32_t seq, seq2, uid, id_changes;
	size_t size;

	own = idmap_get_hdr(idmap, view, &size);
	id_changes = own == NULL ? 0 : own->id_changes;
	if (idmap->uid_validity != hdr->uid_validity ||
	    idmap->id_changes != id_changes) {
		idmap_forget(idmap);
		idmap->uid_validity = hdr->uid_validity;
		idmap->id_changes = id_changes;
	}
	if (!mail_index_lookup_seq_range(view, idmap->scanned_uid + 1,
					 (uint32_t)-1, &seq, &seq2))
		return;
	msgraph_slots_reserve(&idmap->slots, seq2 - seq + 1);
	for (; seq <= seq2; seq++) {
		mail_index_lookup_uid(view, seq, &uid);
		if (idmap_get_rec(idmap, view, seq, &rec) &&
		    rec.form != ID_FORM_NONE &&
		    rec.length <= sizeof(rec.data)) {
			msgraph_slots_add(&idmap->slots,
					  crc32_data(rec.data, rec.length),
					  uid);
		}
		idmap->scanned_uid = uid;
	}
}

static bool idmap_match(struct msgraph_idmap *idmap,
			struct mail_index_view *view, uint32_t uid,
			const struct msgraph_rec *wanted, uint32_t *seq_r)
{
	struct msgraph_rec rec;

	return mail_index_lookup_seq(view, uid, seq_r) &&
		idmap_get_rec(idmap, view, *seq_r, &rec) &&
		rec.form == wanted->form && rec.length == wanted->length &&
		memcmp(rec.data, wanted->data, rec.length) == 0;
}

uint32_t msgraph_idmap_find(struct msgraph_idmap *idmap,
			    struct mail_index_view *view, const char *id)
{
	struct msgraph_rec wanted;
	uint32_t sum, uid, seq, best = 0;
	unsigned int pos = 0;

	idmap_scan(idmap, view);
	i_zero(&wanted);
	T_BEGIN {
		id_encode(id, &wanted);
	} T_END;
	sum = crc32_data(wanted.data, wanted.length);
	while ((uid = msgraph_slots_next(&idmap->slots, sum, &pos)) != 0) {
		/* of two records of one id the newer one counts */
		if (idmap_match(idmap, view, uid, &wanted, &seq) &&
		    seq > best)
			best = seq;
	}
	return best;
}

int msgraph_idmap_set(struct msgraph_idmap *idmap,
		      struct mail_index_transaction *trans, uint32_t seq,
		      const char *id, uint32_t size_estimate, uint8_t flags,
		      uint32_t content, const char **error_r)
{
	struct msgraph_rec rec;

	i_zero(&rec);
	rec.size_estimate = size_estimate;
	rec.flags = flags;
	rec.content = content;
	if (idmap_encode(idmap, id, &rec, error_r) < 0)
		return -1;
	mail_index_update_ext(trans, seq, idmap->ext_id, &rec, NULL);
	return 0;
}

int msgraph_idmap_set_id(struct msgraph_idmap *idmap,
			 struct mail_index_view *view,
			 struct mail_index_transaction *trans, uint32_t seq,
			 const char *id, const char **error_r)
{
	struct msgraph_rec rec;

	if (!idmap_get_rec(idmap, view, seq, &rec))
		i_zero(&rec);
	memset(rec.data, 0, sizeof(rec.data));
	if (idmap_encode(idmap, id, &rec, error_r) < 0)
		return -1;
	mail_index_update_ext(trans, seq, idmap->ext_id, &rec, NULL);
	return 0;
}

void msgraph_idmap_set_flags(struct msgraph_idmap *idmap,
			     struct mail_index_view *view,
			     struct mail_index_transaction *trans,
			     uint32_t seq, uint8_t flags)
{
	struct msgraph_rec rec;

	if (!idmap_get_rec(idmap, view, seq, &rec))
		return;
	rec.flags = flags;
	mail_index_update_ext(trans, seq, idmap->ext_id, &rec, NULL);
}

void msgraph_idmap_set_content(struct msgraph_idmap *idmap,
			       struct mail_index_view *view,
			       struct mail_index_transaction *trans,
			       uint32_t seq, uint32_t content)
{
	struct msgraph_rec rec;

	if (!idmap_get_rec(idmap, view, seq, &rec))
		return;
	rec.content = content;
	mail_index_update_ext(trans, seq, idmap->ext_id, &rec, NULL);
}

/*
 * The folder's state
 */

void msgraph_idmap_get_state(struct msgraph_idmap *idmap,
			     struct mail_index_view *view,
			     struct msgraph_folder_state *state_r)
{
	const struct msgraph_hdr *hdr;
	size_t size;

	i_zero(state_r);
	hdr = idmap_get_hdr(idmap, view, &size);
	if (hdr == NULL)
		return;
	state_r->generation = hdr->generation;
	state_r->id_changes = hdr->id_changes;
	state_r->pushes = hdr->pushes;
	if (hdr->link_size > 0 && hdr->link_size <= size - sizeof(*hdr))
		state_r->link = t_strndup(hdr + 1, hdr->link_size);
}

void msgraph_idmap_set_state(struct msgraph_idmap *idmap,
			     struct mail_index_view *view,
			     struct mail_index_transaction *trans,
			     const struct msgraph_folder_state *state)
{
	size_t link_size = state->link == NULL ? 0 : strlen(state->link);
	buffer_t *buf = t_buffer_create(sizeof(struct msgraph_hdr) + link_size);
	struct msgraph_hdr hdr;
	const void *data;
	size_t size;

	if (link_size > MSGRAPH_LINK_MAX)
		link_size = 0;	/* the next pull lists everything */
	i_zero(&hdr);
	hdr.version = MSGRAPH_HDR_VERSION;
	hdr.generation = state->generation;
	hdr.pushes = state->pushes;
	hdr.id_changes = state->id_changes;
	hdr.link_size = link_size;
	buffer_append(buf, &hdr, sizeof(hdr));
	if (link_size > 0)
		buffer_append(buf, state->link, link_size);
	mail_index_get_header_ext(view, idmap->ext_id, &data, &size);
	if (buf->used > size) {
		/* with room, so that it is not resized each time */
		mail_index_ext_resize(trans, idmap->ext_id,
			(buf->used + 511) / 512 * 512,
			sizeof(struct msgraph_rec), sizeof(uint32_t));
	}
	mail_index_update_header_ext(trans, idmap->ext_id, 0, buf->data,
				     buf->used);
}

void msgraph_idmap_count_push(struct msgraph_idmap *idmap,
			      struct mail_index_view *view,
			      struct mail_index_transaction *trans)
{
	const struct msgraph_hdr *hdr;
	uint32_t pushes;
	size_t size;

	hdr = idmap_get_hdr(idmap, view, &size);
	if (hdr == NULL)
		return;
	pushes = hdr->pushes + 1;
	mail_index_update_header_ext(trans, idmap->ext_id,
				     offsetof(struct msgraph_hdr, pushes),
				     &pushes, sizeof(pushes));
}
