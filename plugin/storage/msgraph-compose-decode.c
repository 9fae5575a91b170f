/* Transfer encodings, leniently: what cannot be decoded is skipped, never an
   error, as mail readers do. */

#include "lib.h"
#include "buffer.h"
#include "istream.h"
#include "write-full.h"
#include "qp-decoder.h"
#include "msgraph-compose-private.h"

enum compose_cte {
	COMPOSE_CTE_NONE,
	COMPOSE_CTE_BASE64,
	COMPOSE_CTE_QP
};

struct compose_base64 {
	uint32_t bits;
	unsigned int count;
	bool end;
};

static enum compose_cte compose_cte_parse(const char *cte)
{
	if (cte == NULL)
		return COMPOSE_CTE_NONE;
	if (strcasecmp(cte, "base64") == 0)
		return COMPOSE_CTE_BASE64;
	if (strcasecmp(cte, "quoted-printable") == 0)
		return COMPOSE_CTE_QP;
	return COMPOSE_CTE_NONE;
}

static int compose_base64_value(unsigned char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '+')
		return 62;
	return c == '/' ? 63 : -1;
}

/* Characters outside the alphabet are skipped (RFC 2045 6.8). */
static void
compose_base64_more(struct compose_base64 *ctx, const unsigned char *data,
		    size_t size, buffer_t *dest)
{
	size_t i;
	int value;

	for (i = 0; i < size && !ctx->end; i++) {
		if (data[i] == '=' && ctx->count >= 2) {
			ctx->end = TRUE;
			break;
		}
		value = compose_base64_value(data[i]);
		if (value < 0)
			continue;
		ctx->bits = (ctx->bits << 6) | (uint32_t)value;
		if (++ctx->count < 4)
			continue;
		buffer_append_c(dest, (ctx->bits >> 16) & 0xff);
		buffer_append_c(dest, (ctx->bits >> 8) & 0xff);
		buffer_append_c(dest, ctx->bits & 0xff);
		ctx->bits = 0;
		ctx->count = 0;
	}
}

static void compose_base64_finish(struct compose_base64 *ctx, buffer_t *dest)
{
	if (ctx->count == 2) {
		buffer_append_c(dest, (ctx->bits >> 4) & 0xff);
	} else if (ctx->count == 3) {
		buffer_append_c(dest, (ctx->bits >> 10) & 0xff);
		buffer_append_c(dest, (ctx->bits >> 2) & 0xff);
	}
}

int msgraph_compose_write(struct msgraph_compose *c, const void *data,
			  size_t size)
{
	if (size == 0)
		return 0;
	if (pwrite_full(c->fd, data, size, c->fd_size) < 0) {
		c->error = t_strdup_printf("write() failed: %m");
		return -1;
	}
	c->fd_size += size;
	return 0;
}

static int
compose_decode_stream(struct msgraph_compose *c, uoff_t left,
		      enum compose_cte cte, struct qp_decoder *qp,
		      buffer_t *buf)
{
	struct compose_base64 base64;
	const unsigned char *data;
	const char *error;
	size_t size, pos;
	int ret = 0;

	i_zero(&base64);
	while (ret == 0 && left > 0 &&
	       i_stream_read_more(c->input, &data, &size) > 0) {
		if (size > left)
			size = left;
		buffer_set_used_size(buf, 0);
		switch (cte) {
		case COMPOSE_CTE_NONE:
			ret = msgraph_compose_write(c, data, size);
			break;
		case COMPOSE_CTE_BASE64:
			compose_base64_more(&base64, data, size, buf);
			break;
		case COMPOSE_CTE_QP:
			(void)qp_decoder_more(qp, data, size, &pos, &error);
			break;
		}
		if (ret == 0)
			ret = msgraph_compose_write(c, buf->data, buf->used);
		i_stream_skip(c->input, size);
		left -= size;
	}
	buffer_set_used_size(buf, 0);
	if (cte == COMPOSE_CTE_BASE64)
		compose_base64_finish(&base64, buf);
	else if (cte == COMPOSE_CTE_QP)
		(void)qp_decoder_finish(qp, &error);
	return ret < 0 ? -1 : msgraph_compose_write(c, buf->data, buf->used);
}

int msgraph_compose_decode_region(struct msgraph_compose *c, uoff_t start,
				  uoff_t size, const char *cte_name,
				  uoff_t *offset_r, uoff_t *size_r)
{
	enum compose_cte cte = compose_cte_parse(cte_name);
	struct qp_decoder *qp = NULL;
	buffer_t *buf;
	int ret;

	*offset_r = c->fd_size;
	buf = buffer_create_dynamic(default_pool, 16384);
	if (cte == COMPOSE_CTE_QP)
		qp = qp_decoder_init(buf);
	i_stream_seek(c->input, start);
	ret = compose_decode_stream(c, size, cte, qp, buf);
	if (qp != NULL)
		qp_decoder_deinit(&qp);
	buffer_free(&buf);
	if (ret == 0 && c->input->stream_errno != 0) {
		c->error = t_strdup_printf("read(%s) failed: %s",
			i_stream_get_name(c->input),
			i_stream_get_error(c->input));
		ret = -1;
	}
	*size_r = c->fd_size - *offset_r;
	return ret;
}
