#include "mstoken-seal.h"
#include "mstoken-pkce.h"
#include "msnet-buf.h"
#include "msnet-secret.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SEAL_KEY_SIZE 32
#define SEAL_NONCE_SIZE 12
#define SEAL_TAG_SIZE 16
#define SEAL_KEY_ID_SIZE 8
#define SEAL_VERSION "1"
/* longer than any token that the login host gives */
#define SEAL_TEXT_MAX (64 * 1024)

struct mstoken_seal {
	unsigned char key[SEAL_KEY_SIZE];
	char key_id[SEAL_KEY_ID_SIZE + 1];
};

static char *seal_error(const char *path, const char *what)
{
	struct msnet_buf buf = { 0 };

	msnet_buf_printf(&buf, "key_file %s: %s", path, what);
	return msnet_buf_steal(&buf);
}

/* O_EXCL: of two processes that start at once one makes the key. */
static int seal_create_key(const char *path)
{
	unsigned char key[SEAL_KEY_SIZE];
	char text[SEAL_KEY_SIZE * 2 + 2];
	size_t i;
	int fd, ret = 0;

	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd == -1)
		return errno == EEXIST ? 0 : -1;
	msnet_secret_random(key, sizeof(key));
	for (i = 0; i < sizeof(key); i++)
		snprintf(text + i * 2, 3, "%02x", key[i]);
	text[sizeof(text) - 2] = '\n';
	if (write(fd, text, sizeof(text) - 1) != (ssize_t)sizeof(text) - 1 ||
	    fsync(fd) < 0)
		ret = -1;
	if (close(fd) < 0)
		ret = -1;
	msnet_secret_wipe(key, sizeof(key));
	msnet_secret_wipe(text, sizeof(text));
	if (ret < 0)
		(void)unlink(path);
	return ret;
}

static int seal_parse_key(struct mstoken_seal *seal, const char *text)
{
	static const char digits[] = "0123456789abcdef";
	const char *hi, *lo;
	size_t i;

	for (i = 0; i < SEAL_KEY_SIZE; i++) {
		if (text[i*2] == '\0' || text[i*2 + 1] == '\0' ||
		    (hi = strchr(digits, text[i*2])) == NULL ||
		    (lo = strchr(digits, text[i*2 + 1])) == NULL)
			return -1;
		seal->key[i] = (unsigned char)((hi - digits) * 16 +
					       (lo - digits));
	}
	return text[i*2] == '\n' || text[i*2] == '\0' ? 0 : -1;
}

/* Returns a static reason, or NULL. */
static const char *seal_read_key(struct mstoken_seal *seal, const char *path)
{
	char text[SEAL_KEY_SIZE * 2 + 2] = "";
	struct stat st;
	const char *error = NULL;
	int fd;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd == -1)
		return strerror(errno);
	if (fstat(fd, &st) < 0)
		error = strerror(errno);
	else if ((st.st_mode & 077) != 0)
		error = "others may read it: chmod 600";
	else if (read(fd, text, sizeof(text) - 1) < 0)
		error = strerror(errno);
	else if (seal_parse_key(seal, text) < 0)
		error = "it must hold 64 lower-case hex digits";
	(void)close(fd);
	msnet_secret_wipe(text, sizeof(text));
	return error;
}

struct mstoken_seal *mstoken_seal_open(const char *key_file, char **error_r)
{
	struct mstoken_seal *seal;
	unsigned char digest[32];
	const char *error;
	size_t i;

	if (access(key_file, F_OK) < 0 && errno == ENOENT &&
	    seal_create_key(key_file) < 0) {
		*error_r = seal_error(key_file, strerror(errno));
		return NULL;
	}
	seal = msnet_malloc(sizeof(*seal));
	error = seal_read_key(seal, key_file);
	if (error != NULL) {
		*error_r = seal_error(key_file, error);
		mstoken_seal_close(&seal);
		return NULL;
	}
	if (EVP_Digest(seal->key, SEAL_KEY_SIZE, digest, NULL,
		       EVP_sha256(), NULL) != 1)
		abort();
	for (i = 0; i < SEAL_KEY_ID_SIZE / 2; i++)
		snprintf(seal->key_id + i * 2, 3, "%02x", digest[i]);
	return seal;
}

void mstoken_seal_close(struct mstoken_seal **_seal)
{
	if (*_seal == NULL)
		return;
	msnet_secret_wipe(*_seal, sizeof(**_seal));
	free(*_seal);
	*_seal = NULL;
}

/* One pass of AES-256-GCM either way; data is nonce, text, tag. Returns -1 when
   the tag does not fit. */
static int
seal_crypt(const struct mstoken_seal *seal, bool encrypt,
	   const unsigned char *nonce, const unsigned char *in, int size,
	   const char *context, unsigned char *out, unsigned char *tag)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	int len, ret = -1;

	if (ctx != NULL &&
	    EVP_CipherInit_ex(ctx, EVP_aes_256_gcm(), NULL, seal->key, nonce,
			      encrypt ? 1 : 0) == 1 &&
	    EVP_CipherUpdate(ctx, NULL, &len, (const unsigned char *)context,
			     (int)strlen(context)) == 1 &&
	    EVP_CipherUpdate(ctx, out, &len, in, size) == 1 &&
	    (encrypt ||
	     EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_SET_TAG, SEAL_TAG_SIZE,
				 tag) == 1) &&
	    EVP_CipherFinal_ex(ctx, out + len, &len) == 1 &&
	    (!encrypt ||
	     EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_GET_TAG, SEAL_TAG_SIZE,
				 tag) == 1))
		ret = 0;
	EVP_CIPHER_CTX_free(ctx);
	return ret;
}

char *mstoken_seal_text(const struct mstoken_seal *seal, const char *text,
			const char *context)
{
	size_t size = strlen(text);
	size_t total = SEAL_NONCE_SIZE + size + SEAL_TAG_SIZE;
	unsigned char *data = msnet_malloc(total);
	struct msnet_buf buf = { 0 };
	char *encoded;

	msnet_secret_random(data, SEAL_NONCE_SIZE);
	if (seal_crypt(seal, true, data, (const unsigned char *)text,
		       (int)size, context, data + SEAL_NONCE_SIZE,
		       data + SEAL_NONCE_SIZE + size) < 0)
		abort();
	encoded = mstoken_base64url(data, total);
	msnet_buf_printf(&buf, SEAL_VERSION ":%s:%s", seal->key_id, encoded);
	free(encoded);
	free(data);
	return msnet_buf_steal(&buf);
}

char *mstoken_unseal_text(const struct mstoken_seal *seal, const char *sealed,
			  const char *context)
{
	static const size_t prefix = 2 + SEAL_KEY_ID_SIZE + 1;
	unsigned char *data;
	size_t size, text_size;
	char *text = NULL;

	if (strlen(sealed) < prefix || strlen(sealed) > SEAL_TEXT_MAX * 2 ||
	    strncmp(sealed, SEAL_VERSION ":", 2) != 0 ||
	    strncmp(sealed + 2, seal->key_id, SEAL_KEY_ID_SIZE) != 0 ||
	    sealed[prefix - 1] != ':')
		return NULL;
	data = mstoken_base64url_decode(sealed + prefix,
					strlen(sealed + prefix), &size);
	if (data == NULL)
		return NULL;
	if (size >= SEAL_NONCE_SIZE + SEAL_TAG_SIZE) {
		text_size = size - SEAL_NONCE_SIZE - SEAL_TAG_SIZE;
		text = msnet_malloc(text_size + 1);
		if (seal_crypt(seal, false, data, data + SEAL_NONCE_SIZE,
			       (int)text_size, context, (unsigned char *)text,
			       data + SEAL_NONCE_SIZE + text_size) < 0)
			msnet_secret_free(&text);
	}
	free(data);
	return text;
}
