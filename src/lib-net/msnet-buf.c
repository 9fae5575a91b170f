#include "msnet-buf.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MSNET_BUF_MIN 128

static void __attribute__((noreturn)) msnet_out_of_memory(void)
{
	static const char text[] = "msgraph: out of memory\n";

	fwrite(text, 1, sizeof(text) - 1, stderr);
	abort();
}

void *msnet_malloc(size_t size)
{
	void *mem = calloc(1, size == 0 ? 1 : size);

	if (mem == NULL)
		msnet_out_of_memory();
	return mem;
}

void *msnet_realloc(void *mem, size_t size)
{
	void *ret = realloc(mem, size == 0 ? 1 : size);

	if (ret == NULL)
		msnet_out_of_memory();
	return ret;
}

char *msnet_strndup(const char *str, size_t size)
{
	size_t len = strnlen(str, size);
	char *ret = msnet_malloc(len + 1);

	memcpy(ret, str, len);
	return ret;
}

char *msnet_strdup(const char *str)
{
	return str == NULL ? NULL : msnet_strndup(str, strlen(str));
}

static void msnet_buf_reserve(struct msnet_buf *buf, size_t size)
{
	size_t want;

	if (size > SIZE_MAX / 4 || buf->used > SIZE_MAX / 4)
		msnet_out_of_memory();
	want = buf->used + size + 1;
	if (want <= buf->size)
		return;
	if (want < buf->size * 2)
		want = buf->size * 2;
	if (want < MSNET_BUF_MIN)
		want = MSNET_BUF_MIN;
	buf->data = msnet_realloc(buf->data, want);
	buf->size = want;
}

void msnet_buf_append(struct msnet_buf *buf, const void *data, size_t size)
{
	msnet_buf_reserve(buf, size);
	if (size > 0)
		memcpy(buf->data + buf->used, data, size);
	buf->used += size;
	/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): is reserved */
	buf->data[buf->used] = '\0';
}

void msnet_buf_add(struct msnet_buf *buf, const char *str)
{
	msnet_buf_append(buf, str, strlen(str));
}

void msnet_buf_printf(struct msnet_buf *buf, const char *fmt, ...)
{
	va_list args;
	int len;

	va_start(args, fmt);
	len = vsnprintf(NULL, 0, fmt, args);
	va_end(args);
	if (len < 0)
		return;
	msnet_buf_reserve(buf, (size_t)len);
	va_start(args, fmt);
	vsnprintf(buf->data + buf->used, (size_t)len + 1, fmt, args);
	va_end(args);
	buf->used += (size_t)len;
}

void msnet_buf_add_escaped(struct msnet_buf *buf, const char *str)
{
	static const char hex[] = "0123456789ABCDEF";
	const unsigned char *p;
	char out[3];

	for (p = (const unsigned char *)str; *p != '\0'; p++) {
		if ((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') ||
		    (*p >= '0' && *p <= '9') ||
		    *p == '-' || *p == '.' || *p == '_' || *p == '~') {
			msnet_buf_append(buf, p, 1);
		} else {
			out[0] = '%';
			out[1] = hex[*p >> 4];
			out[2] = hex[*p & 15];
			msnet_buf_append(buf, out, 3);
		}
	}
	if (buf->data == NULL)
		msnet_buf_append(buf, "", 0);
}

char *msnet_buf_steal(struct msnet_buf *buf)
{
	char *ret = buf->data != NULL ? buf->data : msnet_strdup("");

	memset(buf, 0, sizeof(*buf));
	return ret;
}

void msnet_buf_free(struct msnet_buf *buf)
{
	free(buf->data);
	memset(buf, 0, sizeof(*buf));
}
