#include "msnet-secret.h"
#include "msnet-buf.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void msnet_secret_wipe(void *data, size_t size)
{
	if (data != NULL && size > 0)
		OPENSSL_cleanse(data, size);
}

void msnet_secret_free(char **str)
{
	if (*str == NULL)
		return;
	msnet_secret_wipe(*str, strlen(*str));
	free(*str);
	*str = NULL;
}

bool msnet_secret_equals(const char *a, const char *b)
{
	size_t len = strlen(a);

	return len == strlen(b) && CRYPTO_memcmp(a, b, len) == 0;
}

void msnet_secret_random(void *data, size_t size)
{
	unsigned char *p = data;

	while (size > 0) {
		int part = size > INT_MAX ? INT_MAX : (int)size;

		if (RAND_bytes(p, part) != 1) {
			static const char text[] = "msgraph: no randomness\n";

			fwrite(text, 1, sizeof(text) - 1, stderr);
			abort();
		}
		p += part;
		size -= (size_t)part;
	}
}

char *msnet_secret_random_text(size_t bytes)
{
	static const char alphabet[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZ"
		"abcdefghijklmnopqrstuvwxyz0123456789-_";
	unsigned char *raw = msnet_malloc(bytes);
	char *text = msnet_malloc((bytes + 2) / 3 * 4 + 1), *out = text;
	unsigned int acc = 0, bits = 0;
	size_t i;

	msnet_secret_random(raw, bytes);
	for (i = 0; i < bytes; i++) {
		acc = (acc << 8) | raw[i];
		bits += 8;
		while (bits >= 6) {
			bits -= 6;
			*out++ = alphabet[(acc >> bits) & 63];
		}
	}
	if (bits > 0)
		*out++ = alphabet[(acc << (6 - bits)) & 63];
	*out = '\0';
	msnet_secret_wipe(raw, bytes);
	free(raw);
	return text;
}
