#ifndef MSTOKEN_PASSWORD_H
#define MSTOKEN_PASSWORD_H

/* App passwords: made here, kept as hashes that Dovecot can check. */

/* A fresh one of 140 random bits, in groups that can be read out and typed.
   Heap, wipe it. */
char *mstoken_password_make(void);
/* Its hash with Dovecot's scheme in front. Heap. */
char *mstoken_password_hash(const char *password);

#endif
