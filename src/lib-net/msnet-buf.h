#ifndef MSNET_BUF_H
#define MSNET_BUF_H

/* A growing NUL-terminated string for building URLs, bodies and lines. */

#include <stddef.h>

struct msnet_buf {
	char *data;		/* always NUL-terminated once written to */
	size_t used, size;
};

void msnet_buf_append(struct msnet_buf *buf, const void *data, size_t size);
void msnet_buf_add(struct msnet_buf *buf, const char *str);
void msnet_buf_printf(struct msnet_buf *buf, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* Percent-encode all but unreserved characters (RFC 3986 2.3). */
void msnet_buf_add_escaped(struct msnet_buf *buf, const char *str);
/* Hand the string over ("" if nothing was written); buf is empty again. */
char *msnet_buf_steal(struct msnet_buf *buf);
void msnet_buf_free(struct msnet_buf *buf);

/* malloc family that ends the process with a message when out of memory: the
   plain-C twin of Dovecot's i_malloc(). Memory is zeroed. */
void *msnet_malloc(size_t size);
void *msnet_realloc(void *mem, size_t size);
char *msnet_strdup(const char *str);	/* NULL -> NULL */
char *msnet_strndup(const char *str, size_t size);

#endif
