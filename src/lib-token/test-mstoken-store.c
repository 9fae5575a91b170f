/* Sealing and the SQLite store, on files in the working directory. */

#include "mstoken-seal.h"
#include "mstoken-store.h"
#include "msnet-secret.h"
#include "mstest.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char key_file[64], db_file[64];

static void test_seal(void)
{
	struct mstoken_seal *seal, *again;
	char *error = NULL, *sealed, *text, *second;
	size_t i;

	seal = mstoken_seal_open(key_file, &error);
	T_CHECK(seal != NULL);
	again = mstoken_seal_open(key_file, &error);
	sealed = mstoken_seal_text(seal, "refresh token", "a@b");
	second = mstoken_seal_text(seal, "refresh token", "a@b");
	T_CHECK(strcmp(sealed, second) != 0);
	T_CHECK(strstr(sealed, "refresh") == NULL);
	text = mstoken_unseal_text(again, sealed, "a@b");
	T_STREQ(text, "refresh token");
	msnet_secret_free(&text);
	T_CHECK(mstoken_unseal_text(seal, sealed, "c@d") == NULL);
	for (i = 0; sealed[i] != '\0'; i++) {
		char old = sealed[i];

		sealed[i] = old == 'A' ? 'B' : 'A';
		text = mstoken_unseal_text(seal, sealed, "a@b");
		T_CHECK(text == NULL);
		msnet_secret_free(&text);
		sealed[i] = old;
	}
	T_CHECK(mstoken_unseal_text(seal, "", "a@b") == NULL);
	free(sealed);
	free(second);
	mstoken_seal_close(&seal);
	mstoken_seal_close(&again);

	T_CHECK(chmod(key_file, 0644) == 0);
	T_CHECK(mstoken_seal_open(key_file, &error) == NULL);
	T_CHECK(error != NULL && strstr(error, "chmod") != NULL);
	free(error);
	T_CHECK(chmod(key_file, 0600) == 0);
}

static int file_contains(const char *path, const char *needle)
{
	static char buf[1 << 20];
	int fd = open(path, O_RDONLY);
	ssize_t ret = fd == -1 ? 0 : read(fd, buf, sizeof(buf));

	if (fd != -1)
		close(fd);
	return ret > 0 && memmem(buf, (size_t)ret, needle,
				 strlen(needle)) != NULL;
}

static void test_accounts(void)
{
	char address[] = "Alice@Example.com", tid[] = "T", oid[] = "O",
		other[] = "X", token[] = "very-secret-token", name[] = "alice";
	struct mstoken_account account = {
		.address = address, .tid = tid, .oid = oid, .username = name,
		.refresh_token = token
	}, got, *list;
	struct mstoken_store *store;
	struct mstoken_seal *seal;
	unsigned int count;
	char *error = NULL;
	struct stat st;

	seal = mstoken_seal_open(key_file, &error);
	store = mstoken_store_open(db_file, seal, "client", &error);
	T_CHECK(store != NULL);
	T_CHECK(stat(db_file, &st) == 0 && (st.st_mode & 0777) == 0600);
	T_CHECK(mstoken_store_get(store, "alice@example.com", &got) == 0);
	T_CHECK(mstoken_store_link(store, &account) == 1);
	T_CHECK(mstoken_store_get(store, "alice@EXAMPLE.com", &got) == 1);
	T_STREQ(got.refresh_token, "very-secret-token");
	T_CHECK(got.state == MSTOKEN_STATE_OK && got.version == 1);
	mstoken_account_deinit(&got);

	/* pinned to tid and oid */
	account.oid = other;
	T_CHECK(mstoken_store_link(store, &account) == 0);
	account.oid = oid;

	/* a newer token is never overwritten */
	T_CHECK(mstoken_store_set_token(store, "alice@example.com", 1, "T",
					"second-token") == 1);
	T_CHECK(mstoken_store_set_token(store, "alice@example.com", 1, "T",
					"late-token") == 0);
	T_CHECK(mstoken_store_set_state(store, "alice@example.com", 2,
			MSTOKEN_STATE_NEEDS_SIGN_IN, "sign in") == 1);
	/* a verdict on a token that has been replaced */
	T_CHECK(mstoken_store_set_state(store, "alice@example.com", 1,
			MSTOKEN_STATE_REVOKED, "late") == 0);
	mstoken_store_close(&store);

	T_CHECK(!file_contains(db_file, "secret-token"));
	T_CHECK(!file_contains(db_file, "second-token"));

	store = mstoken_store_open(db_file, seal, "client", &error);
	T_CHECK(mstoken_store_get(store, "alice@example.com", &got) == 1);
	T_STREQ(got.refresh_token, "second-token");
	T_STREQ(got.state_text, "sign in");
	T_CHECK(got.state == MSTOKEN_STATE_NEEDS_SIGN_IN);
	mstoken_account_deinit(&got);
	T_CHECK(mstoken_store_list(store, &list, &count) == 1 && count == 1);
	T_STREQ(list[0].refresh_token, "");
	mstoken_accounts_free(&list, count);
	mstoken_store_close(&store);

	/* another client id: another sealing context */
	store = mstoken_store_open(db_file, seal, "other", &error);
	T_CHECK(mstoken_store_get(store, "alice@example.com", &got) == 1);
	T_STREQ(got.refresh_token, "");
	mstoken_account_deinit(&got);
	mstoken_store_set_client_id(store, "client");
	T_CHECK(mstoken_store_get(store, "alice@example.com", &got) == 1);
	T_STREQ(got.refresh_token, "second-token");
	mstoken_account_deinit(&got);
	T_CHECK(mstoken_store_delete(store, "alice@example.com") == 1);
	T_CHECK(mstoken_store_delete(store, "alice@example.com") == 0);
	mstoken_store_close(&store);
	mstoken_seal_close(&seal);
}

static void test_invitations(void)
{
	struct mstoken_store *store;
	struct mstoken_seal *seal;
	char *error = NULL, *address = NULL;

	seal = mstoken_seal_open(key_file, &error);
	store = mstoken_store_open(db_file, seal, "client", &error);
	T_CHECK(mstoken_store_invite(store, "s3cret", "a@b", 9999999999) == 1);
	T_CHECK(mstoken_store_find_invitation(store, "other", 1000,
					      &address) == 0);
	T_CHECK(mstoken_store_find_invitation(store, "s3cret", 10000000000,
					      &address) == 0);
	T_CHECK(mstoken_store_find_invitation(store, "s3cret", 1000,
					      &address) == 1);
	T_STREQ(address, "a@b");
	free(address);
	T_CHECK(mstoken_store_use_invitation(store, "s3cret") == 1);
	T_CHECK(mstoken_store_use_invitation(store, "s3cret") == 0);
	mstoken_store_close(&store);
	T_CHECK(!file_contains(db_file, "s3cret"));
	mstoken_seal_close(&seal);
}

int main(void)
{
	char path[80];

	snprintf(key_file, sizeof(key_file), "test-store.%ld.key",
		 (long)getpid());
	snprintf(db_file, sizeof(db_file), "test-store.%ld.db",
		 (long)getpid());
	test_seal();
	test_accounts();
	test_invitations();
	(void)unlink(key_file);
	(void)unlink(db_file);
	snprintf(path, sizeof(path), "%s-wal", db_file);
	(void)unlink(path);
	snprintf(path, sizeof(path), "%s-shm", db_file);
	(void)unlink(path);
	T_RETURN();
}
