/* The format is described in zstd's contrib/seekable_format. The digest stands in
   a skippable frame of its own, which has an entry in the table, too. */

#include "lib.h"
#include "array.h"
#include "byteorder.h"
#include "hex-binary.h"
#include "istream-private.h"
#include "read-full.h"
#include "sha2.h"
#include "write-full.h"
#include "dovecot-compat.h"
#include "msgraph-body-file.h"

#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#define FRAME_SIZE (128*1024)
#define FRAME_LEVEL 3
/* 128 kB each: far above what a message can be */
#define FRAME_COUNT_MAX (1024*1024)

#define SKIPPABLE_HEADER_SIZE 8
#define DIGEST_MAGIC 0x184D2A50
#define DIGEST_FRAME_SIZE (SKIPPABLE_HEADER_SIZE + SHA256_RESULTLEN)
#define TABLE_MAGIC 0x184D2A5E
#define TABLE_ENTRY_SIZE 8
#define TABLE_FOOTER_MAGIC 0x8F92EAB1
#define TABLE_FOOTER_SIZE 9
/* read at once: the digest and the table of all but large messages */
#define TAIL_SIZE 512

/*
 * Writing
 */

/* Frames are written over what has been read: one frame is read ahead, since a
   frame can be some bytes longer than what is in it. */
struct body_writer {
	int fd;
	uoff_t read_offset, write_offset;
	bool read_all;
	ZSTD_CCtx *zstd;
	unsigned char *plain[2], *packed;
	size_t plain_size, packed_size;
	struct sha256_ctx sha;
	buffer_t *table;
};

static void table_add(buffer_t *table, size_t packed, size_t plain)
{
	unsigned char *entry = buffer_append_space_unsafe(table,
							  TABLE_ENTRY_SIZE);

	cpu32_to_le_unaligned(packed, entry);
	cpu32_to_le_unaligned(plain, entry + 4);
}

static void append_le32(buffer_t *buf, uint32_t value)
{
	cpu32_to_le_unaligned(value, buffer_append_space_unsafe(buf, 4));
}

static int writer_write(struct body_writer *w, const void *data, size_t size,
			const char **error_r)
{
	if (pwrite_full(w->fd, data, size, w->write_offset) < 0) {
		*error_r = t_strdup_printf("write() failed: %m");
		return -1;
	}
	w->write_offset += size;
	return 0;
}

static int writer_add_frame(struct body_writer *w, const unsigned char *plain,
			    size_t plain_size, const char **error_r)
{
	size_t size;

	sha256_loop(&w->sha, plain, plain_size);
	size = ZSTD_compress2(w->zstd, w->packed, w->packed_size, plain,
			      plain_size);
	if (ZSTD_isError(size) != 0) {
		*error_r = t_strdup_printf("zstd: %s", ZSTD_getErrorName(size));
		return -1;
	}
	if (w->write_offset + size > w->read_offset && !w->read_all) {
		*error_r = "too large to be compressed";
		return -1;
	}
	table_add(w->table, size, plain_size);
	return writer_write(w, w->packed, size, error_r);
}

static int writer_finish(struct body_writer *w, const char **digest_r,
			 const char **error_r)
{
	unsigned char digest[SHA256_RESULTLEN];
	buffer_t *buf = t_buffer_create(TAIL_SIZE + w->table->used);

	sha256_result(&w->sha, digest);
	*digest_r = binary_to_hex(digest, sizeof(digest));
	append_le32(buf, DIGEST_MAGIC);
	append_le32(buf, sizeof(digest));
	buffer_append(buf, digest, sizeof(digest));
	table_add(w->table, DIGEST_FRAME_SIZE, 0);

	append_le32(buf, TABLE_MAGIC);
	append_le32(buf, w->table->used + TABLE_FOOTER_SIZE);
	buffer_append_buf(buf, w->table, 0, SIZE_MAX);
	append_le32(buf, w->table->used / TABLE_ENTRY_SIZE);
	buffer_append_c(buf, 0);
	append_le32(buf, TABLE_FOOTER_MAGIC);
	if (writer_write(w, buf->data, buf->used, error_r) < 0)
		return -1;
	if (ftruncate(w->fd, w->write_offset) < 0) {
		*error_r = t_strdup_printf("ftruncate() failed: %m");
		return -1;
	}
	return 0;
}

static ssize_t writer_read(struct body_writer *w, unsigned char *plain,
			   const char **error_r)
{
	size_t got = 0;
	ssize_t ret;

	/* what is written may be beyond the former end */
	if (w->read_all)
		return 0;
	do {
		ret = pread(w->fd, plain + got, w->plain_size - got,
			    w->read_offset);
		if (ret < 0) {
			*error_r = t_strdup_printf("read() failed: %m");
			return -1;
		}
		got += ret;
		w->read_offset += ret;
	} while (ret > 0 && got < w->plain_size);
	w->read_all = ret == 0;
	return got;
}

static int writer_run(struct body_writer *w, const char **error_r)
{
	unsigned int i = 0;
	ssize_t size, ahead;

	size = writer_read(w, w->plain[0], error_r);
	while (size > 0) {
		ahead = writer_read(w, w->plain[1 - i], error_r);
		if (ahead < 0 ||
		    writer_add_frame(w, w->plain[i], size, error_r) < 0)
			return -1;
		size = ahead;
		i = 1 - i;
	}
	return size < 0 ? -1 : 0;
}

int msgraph_body_file_pack(int fd, const char **digest_r, const char **error_r)
{
	struct body_writer w = { .fd = fd };
	struct stat st;
	int ret;

	if (fstat(fd, &st) < 0) {
		*error_r = t_strdup_printf("fstat() failed: %m");
		return -1;
	}
	w.zstd = ZSTD_createCCtx();
	if (w.zstd == NULL)
		i_fatal_status(FATAL_OUTOFMEM, "ZSTD_createCCtx() failed");
	(void)ZSTD_CCtx_setParameter(w.zstd, ZSTD_c_compressionLevel,
				     FRAME_LEVEL);
	(void)ZSTD_CCtx_setParameter(w.zstd, ZSTD_c_checksumFlag, 1);
	w.plain_size = st.st_size < FRAME_SIZE ? st.st_size + 1 : FRAME_SIZE;
	w.packed_size = ZSTD_compressBound(w.plain_size);
	w.plain[0] = i_malloc(w.plain_size);
	w.plain[1] = i_malloc(w.plain_size);
	w.packed = i_malloc(w.packed_size);
	w.table = buffer_create_dynamic(default_pool, 256);
	sha256_init(&w.sha);

	ret = writer_run(&w, error_r);
	if (ret == 0)
		ret = writer_finish(&w, digest_r, error_r);

	buffer_free(&w.table);
	i_free(w.packed);
	i_free(w.plain[0]);
	i_free(w.plain[1]);
	(void)ZSTD_freeCCtx(w.zstd);
	return ret;
}

/*
 * The table
 */

struct body_frame {
	/* where the frame and its part of the message begin */
	off_t offset;
	uoff_t v_offset;
	uint32_t packed_size, plain_size;
};
ARRAY_DEFINE_TYPE(body_frame, struct body_frame);

struct body_table {
	const unsigned char *entries;
	unsigned int count;
	off_t file_size;
};

/* Returns the size of the whole table that ends at `end`, 0 = there is none. */
static size_t table_check_footer(const unsigned char *end, size_t size,
				 unsigned int *count_r)
{
	const unsigned char *footer = end - TABLE_FOOTER_SIZE;

	if (size < TABLE_FOOTER_SIZE ||
	    le32_to_cpu_unaligned(footer + 5) != TABLE_FOOTER_MAGIC ||
	    footer[4] != 0)
		return 0;
	*count_r = le32_to_cpu_unaligned(footer);
	if (*count_r == 0 || *count_r > FRAME_COUNT_MAX)
		return 0;
	return SKIPPABLE_HEADER_SIZE + TABLE_FOOTER_SIZE +
		(size_t)*count_r * TABLE_ENTRY_SIZE;
}

/* The entries are in the data stack. */
static int read_table(int fd, struct body_table *table_r)
{
	unsigned char *data;
	size_t size, want;
	struct stat st;
	int ret;

	i_zero(table_r);
	if (fstat(fd, &st) < 0)
		return -1;
	table_r->file_size = st.st_size;
	want = st.st_size < TAIL_SIZE ? st.st_size : TAIL_SIZE;
	do {
		size = want;
		data = t_malloc_no0(size + 1);
		ret = pread_full(fd, data, size, st.st_size - size);
		if (ret <= 0)
			return ret;
		want = table_check_footer(data + size, size, &table_r->count);
		if (want == 0 ||
		    want + DIGEST_FRAME_SIZE > (uoff_t)st.st_size)
			return 0;
	} while (want > size);
	data += size - want;
	table_r->entries = data + SKIPPABLE_HEADER_SIZE;
	return le32_to_cpu_unaligned(data) == TABLE_MAGIC ? 1 : 0;
}

/* frames may be NULL. *digest_offset_r: of the frame with the digest */
static int read_frames(int fd, ARRAY_TYPE(body_frame) *frames, uoff_t *size_r,
		       off_t *digest_offset_r)
{
	struct body_frame frame = { .offset = 0 };
	const unsigned char *entry;
	struct body_table table;
	unsigned int i;
	int ret;

	ret = read_table(fd, &table);
	if (ret <= 0)
		return ret;
	/* the last one is the digest's */
	for (i = 0; i + 1 < table.count; i++) {
		entry = table.entries + i * TABLE_ENTRY_SIZE;
		frame.packed_size = le32_to_cpu_unaligned(entry);
		frame.plain_size = le32_to_cpu_unaligned(entry + 4);
		if (frame.plain_size > FRAME_SIZE || frame.plain_size == 0 ||
		    (i + 2 < table.count && frame.plain_size != FRAME_SIZE) ||
		    frame.packed_size > ZSTD_compressBound(FRAME_SIZE) ||
		    frame.packed_size > table.file_size - frame.offset)
			return 0;
		if (frames != NULL)
			array_push_back(frames, &frame);
		frame.offset += frame.packed_size;
		frame.v_offset += frame.plain_size;
	}
	*size_r = frame.v_offset;
	*digest_offset_r = frame.offset;
	return 1;
}

int msgraph_body_file_size(int fd, uoff_t *size_r)
{
	off_t offset;
	int ret;

	T_BEGIN {
		ret = read_frames(fd, NULL, size_r, &offset);
	} T_END;
	return ret;
}

int msgraph_body_file_digest(int fd, const char **digest_r)
{
	unsigned char frame[DIGEST_FRAME_SIZE];
	uoff_t size;
	off_t offset;
	int ret;

	T_BEGIN {
		ret = read_frames(fd, NULL, &size, &offset);
	} T_END;
	if (ret > 0)
		ret = pread_full(fd, frame, sizeof(frame), offset);
	if (ret <= 0)
		return ret;
	if (le32_to_cpu_unaligned(frame) != DIGEST_MAGIC)
		return 0;
	*digest_r = binary_to_hex(frame + SKIPPABLE_HEADER_SIZE,
				  SHA256_RESULTLEN);
	return 1;
}

/*
 * Reading
 */

struct body_istream {
	struct istream_private istream;

	int fd;
	uoff_t size;
	ARRAY_TYPE(body_frame) frames;

	/* the frame that is unpacked now, and its bytes */
	ZSTD_DCtx *zstd;
	unsigned int frame;
	unsigned char *plain;
};

static void body_istream_close(struct iostream_private *iostream,
			       bool close_parent ATTR_UNUSED)
{
	struct body_istream *body = container_of(iostream, struct body_istream,
						 istream.iostream);

	i_close_fd(&body->fd);
	if (array_is_created(&body->frames))
		array_free(&body->frames);
	(void)ZSTD_freeDCtx(body->zstd);
	body->zstd = NULL;
	i_free(body->plain);
}

static int body_istream_unpack(struct body_istream *body, unsigned int idx)
{
	const struct body_frame *frame = array_idx(&body->frames, idx);
	unsigned char *packed;
	size_t size;
	int ret;

	if (body->plain != NULL && body->frame == idx)
		return 0;
	if (body->zstd == NULL)
		body->zstd = ZSTD_createDCtx();
	i_free(body->plain);
	body->plain = i_malloc(frame->plain_size);
	body->frame = idx;
	packed = i_malloc(frame->packed_size);
	ret = pread_full(body->fd, packed, frame->packed_size, frame->offset);
	if (ret < 0) {
		body->istream.istream.stream_errno = errno;
		io_stream_set_error(&body->istream.iostream,
				    "pread() failed: %m");
	} else {
		size = ret == 0 ? 0 :
			ZSTD_decompressDCtx(body->zstd, body->plain,
					    frame->plain_size, packed,
					    frame->packed_size);
		if (size == frame->plain_size) {
			i_free(packed);
			return 0;
		}
		body->istream.istream.stream_errno = EIO;
		io_stream_set_error(&body->istream.iostream,
			"the copy of the message is damaged: %s",
			ZSTD_isError(size) != 0 ? ZSTD_getErrorName(size) :
			"wrong size");
	}
	i_free(packed);
	i_free(body->plain);
	return -1;
}

static ssize_t body_istream_read(struct istream_private *stream)
{
	struct body_istream *body = container_of(stream, struct body_istream,
						 istream);
	uoff_t offset = stream->istream.v_offset + (stream->pos - stream->skip);
	const struct body_frame *frame;
	unsigned int idx = offset / FRAME_SIZE;
	size_t size;

	if (offset >= body->size) {
		stream->istream.eof = TRUE;
		return -1;
	}
	if (!i_stream_try_alloc(stream, 1, &size))
		return -2;
	if (body_istream_unpack(body, idx) < 0)
		return -1;
	frame = array_idx(&body->frames, idx);
	size = I_MIN(size, frame->v_offset + frame->plain_size - offset);
	memcpy(stream->w_buffer + stream->pos,
	       body->plain + (offset - frame->v_offset), size);
	stream->pos += size;
	return size;
}

static void body_istream_seek(struct istream_private *stream, uoff_t v_offset,
			      bool mark ATTR_UNUSED)
{
	stream->istream.v_offset = v_offset;
	stream->skip = stream->pos = stream->high_pos = 0;
}

static int body_istream_stat(struct istream_private *stream,
			     bool exact ATTR_UNUSED)
{
	struct body_istream *body = container_of(stream, struct body_istream,
						 istream);

	stream->statbuf.st_size = body->size;
	return 0;
}

int msgraph_body_file_open(int *fd, struct istream **input_r, uoff_t *size_r)
{
	ARRAY_TYPE(body_frame) frames;
	struct body_istream *body;
	off_t offset;
	int ret;

	i_array_init(&frames, 4);
	T_BEGIN {
		ret = read_frames(*fd, &frames, size_r, &offset);
	} T_END;
	if (ret <= 0) {
		array_free(&frames);
		return ret;
	}
	body = i_new(struct body_istream, 1);
	body->fd = *fd;
	*fd = -1;
	body->size = *size_r;
	body->frames = frames;
	body->istream.iostream.close = body_istream_close;
	body->istream.max_buffer_size = IO_BLOCK_SIZE;
	body->istream.read = body_istream_read;
	body->istream.seek = body_istream_seek;
	body->istream.stat = body_istream_stat;
	body->istream.istream.readable_fd = FALSE;
	body->istream.istream.blocking = TRUE;
	body->istream.istream.seekable = TRUE;
	*input_r = msgraph_compat_i_stream_create(&body->istream);
	return 1;
}
