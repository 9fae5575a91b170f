#ifndef MSTOKEN_KEYFILE_H
#define MSTOKEN_KEYFILE_H

/* The file with the sealing keys: 64 hex digits a line, the newest last; empty
   lines and those that start with # do not count. */

#include <stdbool.h>

#define MSTOKEN_KEY_SIZE 32
#define MSTOKEN_KEY_ID_SIZE 8
#define MSTOKEN_KEYS_MAX 32

struct mstoken_key {
	unsigned char key[MSTOKEN_KEY_SIZE];
	/* the start of the key's SHA-256 in hex */
	char id[MSTOKEN_KEY_ID_SIZE + 1];
};

/* Read the keys; a file that does not exist is made (mode 0600) with a fresh
   one. Returns how many there are, or -1 and a heap text. Wipe the keys. */
int mstoken_keyfile_read(const char *path,
			 struct mstoken_key keys_r[MSTOKEN_KEYS_MAX],
			 char **error_r);

#endif
