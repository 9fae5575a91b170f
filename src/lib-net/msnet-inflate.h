#ifndef MSNET_INFLATE_H
#define MSNET_INFLATE_H

/* Content-Encoding: gzip as it comes in. libcurl takes a stream that ends early
   for a whole one, so its own decoding is not used.
   https://www.rfc-editor.org/rfc/rfc9110#section-8.4.1.3 */

#include <stdbool.h>
#include <stddef.h>

struct msnet_inflate;

/* Takes what has been decoded; false = enough. */
typedef bool msnet_inflate_sink_t(void *context, const char *data,
				  size_t size);

struct msnet_inflate *msnet_inflate_create(void);
void msnet_inflate_destroy(struct msnet_inflate **inflate);
/* Returns false if sink() did, or if this is no gzip. */
bool msnet_inflate_feed(struct msnet_inflate *inflate, const char *data,
			size_t size, msnet_inflate_sink_t *sink, void *context);
/* The whole stream was there, and its checksum is right. */
bool msnet_inflate_ended(const struct msnet_inflate *inflate);

#endif
