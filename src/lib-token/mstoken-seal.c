#include "mstoken-seal.h"
#include "mstoken-keyfile.h"
#include "mstoken-pkce.h"
#include "msnet-buf.h"
#include "msnet-secret.h"

#include <openssl/evp.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define SEAL_NONCE_SIZE 12
#define SEAL_TAG_SIZE 16
#define SEAL_VERSION "1"
/* "1:<key id>:" */
#define SEAL_PREFIX_SIZE (2 + MSTOKEN_KEY_ID_SIZE + 1)
/* longer than any token that the login host gives */
#define SEAL_TEXT_MAX (64 * 1024)

struct mstoken_seal {
	char *key_file;
	pthread_rwlock_t lock;
	/* the newest is the last */
	struct mstoken_key keys[MSTOKEN_KEYS_MAX];
	int count;
	/* the file when it was read */
	struct timespec mtime;
	ino_t inode;
};

struct mstoken_seal *mstoken_seal_open(const char *key_file, char **error_r)
{
	struct mstoken_seal *seal = msnet_malloc(sizeof(*seal));

	seal->key_file = msnet_strdup(key_file);
	pthread_rwlock_init(&seal->lock, NULL);
	if (mstoken_seal_reload(seal, error_r) < 0)
		mstoken_seal_close(&seal);
	return seal;
}

int mstoken_seal_reload(struct mstoken_seal *seal, char **error_r)
{
	struct mstoken_key keys[MSTOKEN_KEYS_MAX];
	struct stat st;
	bool known;
	int count;

	/* before reading: what is written meanwhile is seen at the next look */
	known = stat(seal->key_file, &st) == 0;
	count = mstoken_keyfile_read(seal->key_file, keys, error_r);
	pthread_rwlock_wrlock(&seal->lock);
	if (count > 0) {
		memcpy(seal->keys, keys, sizeof(keys));
		seal->count = count;
	}
	if (known) {
		seal->mtime = st.st_mtim;
		seal->inode = st.st_ino;
	}
	pthread_rwlock_unlock(&seal->lock);
	msnet_secret_wipe(keys, sizeof(keys));
	return count < 0 ? -1 : 0;
}

void mstoken_seal_close(struct mstoken_seal **_seal)
{
	struct mstoken_seal *seal = *_seal;

	if (seal == NULL)
		return;
	*_seal = NULL;
	pthread_rwlock_destroy(&seal->lock);
	free(seal->key_file);
	msnet_secret_wipe(seal, sizeof(*seal));
	free(seal);
}

/* A file that cannot be used is looked at again when it has changed again. */
static void seal_reload_if_changed(struct mstoken_seal *seal)
{
	char *error = NULL;
	struct stat st;
	bool changed;

	if (stat(seal->key_file, &st) < 0)
		return;
	pthread_rwlock_rdlock(&seal->lock);
	changed = st.st_mtim.tv_sec != seal->mtime.tv_sec ||
		st.st_mtim.tv_nsec != seal->mtime.tv_nsec ||
		st.st_ino != seal->inode;
	pthread_rwlock_unlock(&seal->lock);
	if (changed && mstoken_seal_reload(seal, &error) < 0)
		free(error);
}

/* A copy of the key with which this was sealed (wipe it). */
static bool
seal_find_key(struct mstoken_seal *seal, const char *sealed,
	      struct mstoken_key *key_r)
{
	bool found = false;
	int i;

	pthread_rwlock_rdlock(&seal->lock);
	for (i = 0; i < seal->count && !found; i++) {
		if (strncmp(sealed + 2, seal->keys[i].id,
			    MSTOKEN_KEY_ID_SIZE) == 0) {
			*key_r = seal->keys[i];
			found = true;
		}
	}
	pthread_rwlock_unlock(&seal->lock);
	return found;
}

/* Another daemon may use a key that was given to us after we had started. */
static bool
seal_find_key_anew(struct mstoken_seal *seal, const char *sealed,
		   struct mstoken_key *key_r)
{
	if (seal_find_key(seal, sealed, key_r))
		return true;
	seal_reload_if_changed(seal);
	return seal_find_key(seal, sealed, key_r);
}

static bool seal_is_wellformed(const char *sealed)
{
	return strlen(sealed) >= SEAL_PREFIX_SIZE &&
		strlen(sealed) <= SEAL_TEXT_MAX * 2 &&
		strncmp(sealed, SEAL_VERSION ":", 2) == 0 &&
		sealed[SEAL_PREFIX_SIZE - 1] == ':';
}

char *mstoken_seal_missing_key(struct mstoken_seal *seal, const char *sealed)
{
	struct mstoken_key key;

	if (!seal_is_wellformed(sealed))
		return NULL;
	if (!seal_find_key(seal, sealed, &key))
		return msnet_strndup(sealed + 2, MSTOKEN_KEY_ID_SIZE);
	msnet_secret_wipe(&key, sizeof(key));
	return NULL;
}

char *mstoken_seal_newest_id(struct mstoken_seal *seal)
{
	char *id;

	pthread_rwlock_rdlock(&seal->lock);
	id = msnet_strdup(seal->keys[seal->count - 1].id);
	pthread_rwlock_unlock(&seal->lock);
	return id;
}

bool mstoken_seal_is_newest(struct mstoken_seal *seal, const char *sealed)
{
	bool newest;

	pthread_rwlock_rdlock(&seal->lock);
	newest = seal_is_wellformed(sealed) &&
		strncmp(sealed + 2, seal->keys[seal->count - 1].id,
			MSTOKEN_KEY_ID_SIZE) == 0;
	pthread_rwlock_unlock(&seal->lock);
	return newest;
}

/* One pass of AES-256-GCM either way; data is nonce, text, tag. Returns -1 when
   the tag does not fit. */
static int
seal_crypt(const struct mstoken_key *key, bool encrypt,
	   const unsigned char *nonce, const unsigned char *in, int size,
	   const char *context, unsigned char *out, unsigned char *tag)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	int len, ret = -1;

	if (ctx != NULL &&
	    EVP_CipherInit_ex(ctx, EVP_aes_256_gcm(), NULL, key->key, nonce,
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

char *mstoken_seal_text(struct mstoken_seal *seal, const char *text,
			const char *context)
{
	size_t size = strlen(text);
	size_t total = SEAL_NONCE_SIZE + size + SEAL_TAG_SIZE;
	unsigned char *data = msnet_malloc(total);
	struct msnet_buf buf = { 0 };
	struct mstoken_key key;
	char *encoded;

	seal_reload_if_changed(seal);
	pthread_rwlock_rdlock(&seal->lock);
	key = seal->keys[seal->count - 1];
	pthread_rwlock_unlock(&seal->lock);
	msnet_secret_random(data, SEAL_NONCE_SIZE);
	if (seal_crypt(&key, true, data, (const unsigned char *)text,
		       (int)size, context, data + SEAL_NONCE_SIZE,
		       data + SEAL_NONCE_SIZE + size) < 0)
		abort();
	encoded = mstoken_base64url(data, total);
	msnet_buf_printf(&buf, SEAL_VERSION ":%s:%s", key.id, encoded);
	msnet_secret_wipe(&key, sizeof(key));
	free(encoded);
	free(data);
	return msnet_buf_steal(&buf);
}

char *mstoken_unseal_text(struct mstoken_seal *seal, const char *sealed,
			  const char *context)
{
	struct mstoken_key key;
	unsigned char *data;
	size_t size, text_size;
	char *text = NULL;

	if (!seal_is_wellformed(sealed) ||
	    !seal_find_key_anew(seal, sealed, &key))
		return NULL;
	data = mstoken_base64url_decode(sealed + SEAL_PREFIX_SIZE,
					strlen(sealed + SEAL_PREFIX_SIZE),
					&size);
	if (data != NULL && size >= SEAL_NONCE_SIZE + SEAL_TAG_SIZE) {
		text_size = size - SEAL_NONCE_SIZE - SEAL_TAG_SIZE;
		text = msnet_malloc(text_size + 1);
		if (seal_crypt(&key, false, data, data + SEAL_NONCE_SIZE,
			       (int)text_size, context, (unsigned char *)text,
			       data + SEAL_NONCE_SIZE + text_size) < 0)
			msnet_secret_free(&text);
	}
	msnet_secret_wipe(&key, sizeof(key));
	free(data);
	return text;
}
