#ifndef MSTOKEN_SEAL_H
#define MSTOKEN_SEAL_H

/* Secrets at rest: AES-256-GCM under keys that lie outside the database. Sealed
   text is "1:<key id>:<base64url of nonce, ciphertext, tag>". Thread-safe. */

#include <stdbool.h>

struct mstoken_seal;

/* Read the key file (mstoken-keyfile.h). Returns NULL and a heap text. */
struct mstoken_seal *mstoken_seal_open(const char *key_file, char **error_r);
void mstoken_seal_close(struct mstoken_seal **seal);
/* Read the key file again. Returns -1 and a heap text: the old keys stay. */
int mstoken_seal_reload(struct mstoken_seal *seal, char **error_r);

/* The id of the newest key; heap. */
char *mstoken_seal_newest_id(struct mstoken_seal *seal);

/* Seals with the newest key of the file as it is now. context binds the text to its place: it must be
   the same when it is opened again. Heap. */
char *mstoken_seal_text(struct mstoken_seal *seal, const char *text,
			const char *context);
/* Returns the text (heap, wipe it) or NULL: no such key, even in the file as it
   is now; another context; or somebody changed it. */
char *mstoken_unseal_text(struct mstoken_seal *seal, const char *sealed,
			  const char *context);

/* The id (heap) of the key that this was sealed with, if we do not have it. */
char *mstoken_seal_missing_key(struct mstoken_seal *seal, const char *sealed);
/* Was it sealed with the newest key? */
bool mstoken_seal_is_newest(struct mstoken_seal *seal, const char *sealed);

#endif
