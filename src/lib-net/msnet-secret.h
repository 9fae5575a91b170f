#ifndef MSNET_SECRET_H
#define MSNET_SECRET_H

/* Strings that are wiped before their memory is given back. */

#include <stdbool.h>
#include <stddef.h>

/* Wipe and free a NUL-terminated heap string; sets *str NULL. NULL is fine. */
void msnet_secret_free(char **str);
/* Overwrite memory; not optimised away. */
void msnet_secret_wipe(void *data, size_t size);
/* Constant time for strings of equal length. */
bool msnet_secret_equals(const char *a, const char *b);
/* n cryptographically random bytes; aborts the process if there is no
   randomness. */
void msnet_secret_random(void *data, size_t size);
/* Fresh heap string of n random bytes in base64url without padding. */
char *msnet_secret_random_text(size_t bytes);

#endif
