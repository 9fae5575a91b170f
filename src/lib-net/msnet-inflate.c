#include "msnet-inflate.h"
#include "msnet-buf.h"

#include <stdlib.h>
#define ZLIB_CONST
#include <zlib.h>

#define MSNET_INFLATE_OUT_SIZE (32 * 1024)
/* the largest window, and a gzip header alone */
#define MSNET_INFLATE_BITS (15 + 16)

struct msnet_inflate {
	z_stream z;
	bool usable, ended;
};

struct msnet_inflate *msnet_inflate_create(void)
{
	struct msnet_inflate *inf = msnet_malloc(sizeof(*inf));

	inf->usable = inflateInit2(&inf->z, MSNET_INFLATE_BITS) == Z_OK;
	return inf;
}

void msnet_inflate_destroy(struct msnet_inflate **_inflate)
{
	struct msnet_inflate *inf = *_inflate;

	if (inf == NULL)
		return;
	*_inflate = NULL;
	if (inf->usable)
		(void)inflateEnd(&inf->z);
	free(inf);
}

bool msnet_inflate_feed(struct msnet_inflate *inf, const char *data,
			size_t size, msnet_inflate_sink_t *sink, void *context)
{
	unsigned char out[MSNET_INFLATE_OUT_SIZE];
	z_stream *z = &inf->z;
	size_t got;
	int ret;

	z->next_in = (const unsigned char *)data;
	z->avail_in = (unsigned int)size;
	do {
		/* nothing may follow the end */
		if (!inf->usable || inf->ended)
			return false;
		z->next_out = out;
		z->avail_out = sizeof(out);
		ret = inflate(z, Z_NO_FLUSH);
		/* no progress: all of the input is used up */
		if (ret == Z_BUF_ERROR)
			return true;
		if (ret != Z_OK && ret != Z_STREAM_END)
			return false;
		inf->ended = ret == Z_STREAM_END;
		got = sizeof(out) - z->avail_out;
		if (got > 0 && !sink(context, (const char *)out, got))
			return false;
	} while (z->avail_in > 0 || (z->avail_out == 0 && !inf->ended));
	return true;
}

bool msnet_inflate_ended(const struct msnet_inflate *inf)
{
	return inf->ended;
}
