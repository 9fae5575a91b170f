#include "mstoken-keyfile.h"
#include "msnet-buf.h"
#include "msnet-secret.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEY_LINE_MAX 256

static char *keyfile_error(const char *path, const char *what)
{
	struct msnet_buf buf = { 0 };

	msnet_buf_printf(&buf, "key_file %s: %s", path, what);
	return msnet_buf_steal(&buf);
}

/* O_EXCL: of two processes that start at once one makes the key. */
static int keyfile_create(const char *path)
{
	unsigned char key[MSTOKEN_KEY_SIZE];
	char text[MSTOKEN_KEY_SIZE * 2 + 2];
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

static int key_parse(struct mstoken_key *key, const char *text)
{
	static const char digits[] = "0123456789abcdef";
	unsigned char digest[32];
	const char *hi, *lo;
	size_t i;

	for (i = 0; i < MSTOKEN_KEY_SIZE; i++) {
		if (text[i*2] == '\0' || text[i*2 + 1] == '\0' ||
		    (hi = strchr(digits, text[i*2])) == NULL ||
		    (lo = strchr(digits, text[i*2 + 1])) == NULL)
			return -1;
		key->key[i] = (unsigned char)((hi - digits) * 16 +
					      (lo - digits));
	}
	if (text[i*2] != '\0')
		return -1;
	if (EVP_Digest(key->key, MSTOKEN_KEY_SIZE, digest, NULL, EVP_sha256(),
		       NULL) != 1)
		abort();
	for (i = 0; i < MSTOKEN_KEY_ID_SIZE / 2; i++)
		snprintf(key->id + i * 2, 3, "%02x", digest[i]);
	return 0;
}

/* Others must not read it. A file of root that we may read is one that the
   admin or systemd has given to us: there the group is us. */
static bool keyfile_is_private(const struct stat *st)
{
	bool given = st->st_uid == 0 && geteuid() != 0;

	return (st->st_mode & (given ? 027 : 077)) == 0;
}

/* Returns how many, or -1 and a static reason. */
static int
keyfile_parse(FILE *file, struct mstoken_key *keys, const char **error_r)
{
	char line[KEY_LINE_MAX];
	int count = 0;

	while (fgets(line, sizeof(line), file) != NULL) {
		line[strcspn(line, "\r\n")] = '\0';
		if (line[0] == '\0' || line[0] == '#')
			continue;
		if (count == MSTOKEN_KEYS_MAX) {
			*error_r = "it holds more than 32 keys";
			count = -1;
		} else if (key_parse(&keys[count], line) < 0) {
			*error_r = "each line must be 64 lower-case hex digits";
			count = -1;
		} else {
			count++;
		}
		if (count < 0)
			break;
	}
	if (count == 0) {
		*error_r = "it holds no key";
		count = -1;
	}
	msnet_secret_wipe(line, sizeof(line));
	return count;
}

int mstoken_keyfile_read(const char *path,
			 struct mstoken_key keys_r[MSTOKEN_KEYS_MAX],
			 char **error_r)
{
	const char *error = NULL;
	char buffer[4096];
	struct stat st;
	FILE *file;
	int count = -1;

	memset(keys_r, 0, sizeof(*keys_r) * MSTOKEN_KEYS_MAX);
	if (access(path, F_OK) < 0 && errno == ENOENT &&
	    keyfile_create(path) < 0) {
		*error_r = keyfile_error(path, strerror(errno));
		return -1;
	}
	file = fopen(path, "re");
	if (file == NULL) {
		*error_r = keyfile_error(path, strerror(errno));
		return -1;
	}
	/* a buffer of ours can be wiped */
	(void)setvbuf(file, buffer, _IOFBF, sizeof(buffer));
	if (fstat(fileno(file), &st) < 0)
		error = strerror(errno);
	else if (!keyfile_is_private(&st))
		error = "others may read it: chmod 600";
	else
		count = keyfile_parse(file, keys_r, &error);
	(void)fclose(file);
	msnet_secret_wipe(buffer, sizeof(buffer));
	if (count < 0)
		*error_r = keyfile_error(path, error);
	return count;
}
