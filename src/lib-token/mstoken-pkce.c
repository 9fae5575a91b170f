#include "mstoken-pkce.h"
#include "msnet-buf.h"
#include "msnet-secret.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

char *mstoken_base64url(const void *data, size_t size)
{
	char *text = msnet_malloc((size + 2) / 3 * 4 + 1), *p;

	EVP_EncodeBlock((unsigned char *)text, data, (int)size);
	for (p = text; *p != '\0'; p++) {
		if (*p == '+')
			*p = '-';
		else if (*p == '/')
			*p = '_';
		else if (*p == '=') {
			*p = '\0';
			break;
		}
	}
	return text;
}

unsigned char *mstoken_base64url_decode(const char *text, size_t text_size,
					size_t *size_r)
{
	unsigned char *data;
	char *padded, *canonical;
	size_t i, padding;
	int ret;

	while (text_size > 0 && text[text_size-1] == '=')
		text_size--;
	if (text_size % 4 == 1 || text_size > 1024 * 1024)
		return NULL;
	padding = (4 - text_size % 4) % 4;
	padded = msnet_malloc(text_size + padding + 1);
	for (i = 0; i < text_size; i++) {
		padded[i] = text[i] == '-' ? '+' :
			text[i] == '_' ? '/' : text[i];
	}
	memset(padded + text_size, '=', padding);
	data = msnet_malloc((text_size + padding) / 4 * 3 + 1);
	ret = EVP_DecodeBlock(data, (unsigned char *)padded,
			      (int)(text_size + padding));
	free(padded);
	if (ret < 0) {
		free(data);
		return NULL;
	}
	*size_r = (size_t)ret - padding;
	data[*size_r] = '\0';
	/* one text for one value: unused bits of the last character must be
	   zero (RFC 4648 3.5) */
	canonical = mstoken_base64url(data, *size_r);
	if (strncmp(canonical, text, text_size) != 0) {
		free(data);
		data = NULL;
	}
	free(canonical);
	return data;
}

char *mstoken_pkce_verifier(void)
{
	/* 32 bytes give the 43 characters that RFC 7636 4.1 recommends */
	return msnet_secret_random_text(32);
}

char *mstoken_pkce_challenge(const char *verifier)
{
	unsigned char digest[32];

	if (EVP_Digest(verifier, strlen(verifier), digest, NULL,
		       EVP_sha256(), NULL) != 1)
		abort();
	return mstoken_base64url(digest, sizeof(digest));
}
