#include "mstoken-password.h"
#include "msnet-buf.h"
#include "msnet-secret.h"

#include <crypt.h>
#include <stdlib.h>

#define GROUPS 7
#define GROUP_SIZE 4
#define SALT_SIZE 16

/* SHA512-CRYPT is libcrypt's: Dovecot 2.3 and 2.4 know it on every Debian, which
   cannot be said of ARGON2ID (not in each build) or yescrypt (not in 2.3's
   list). Slow hashes protect words that people choose. Nobody guesses 140 bits,
   and mail programs log in all the time, so as few rounds as it takes. */
#define SCHEME "{SHA512-CRYPT}"
#define SALT_PREFIX "$6$rounds=1000$"

/* n letters of 5 random bits each; no 0, 1, l, o, which look alike */
static void add_random(struct msnet_buf *buf, unsigned int count)
{
	static const char letters[] = "abcdefghijkmnpqrstuvwxyz23456789";
	unsigned char byte;

	while (count-- > 0) {
		msnet_secret_random(&byte, 1);
		msnet_buf_append(buf, &letters[byte % 32], 1);
	}
}

char *mstoken_password_make(void)
{
	struct msnet_buf buf = { 0 };
	unsigned int i;

	for (i = 0; i < GROUPS; i++) {
		if (i > 0)
			msnet_buf_add(&buf, "-");
		add_random(&buf, GROUP_SIZE);
	}
	return msnet_buf_steal(&buf);
}

char *mstoken_password_hash(const char *password)
{
	struct crypt_data *data = msnet_malloc(sizeof(*data));
	struct msnet_buf salt = { 0 }, buf = { 0 };
	const char *hash;

	msnet_buf_add(&salt, SALT_PREFIX);
	add_random(&salt, SALT_SIZE);
	hash = crypt_r(password, salt.data, data);
	if (hash == NULL || *hash == '*')
		abort();
	msnet_buf_printf(&buf, SCHEME "%s", hash);
	msnet_buf_free(&salt);
	msnet_secret_wipe(data, sizeof(*data));
	free(data);
	return msnet_buf_steal(&buf);
}
