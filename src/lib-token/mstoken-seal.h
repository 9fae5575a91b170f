#ifndef MSTOKEN_SEAL_H
#define MSTOKEN_SEAL_H

/* Secrets at rest: AES-256-GCM under a key that lies outside the database.
   Sealed text is "1:<key id>:<base64url of nonce, ciphertext, tag>". */

struct mstoken_seal;

/* Read the key file (64 hex digits, mode 0600); it is made with a fresh key if
   it does not exist. Returns NULL and a heap text. */
struct mstoken_seal *mstoken_seal_open(const char *key_file, char **error_r);
void mstoken_seal_close(struct mstoken_seal **seal);

/* context binds the text to its place: it must be the same when it is opened
   again. Heap. */
char *mstoken_seal_text(const struct mstoken_seal *seal, const char *text,
			const char *context);
/* Returns the text (heap, wipe it) or NULL: another key, another context, or
   somebody changed it. */
char *mstoken_unseal_text(const struct mstoken_seal *seal, const char *sealed,
			  const char *context);

#endif
