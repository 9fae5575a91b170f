#ifndef MSTOKEN_STORE_PRIVATE_H
#define MSTOKEN_STORE_PRIVATE_H

/* What the files of the store share. */

#include "mstoken-store.h"

#include <pthread.h>

/* The client id of an app registration. */
struct store_client {
	struct store_client *next;
	char *registration, *client_id;
};

struct mstoken_store {
	struct mstoken_db *db;
	struct mstoken_seal *seal;
	pthread_mutex_t mutex;		/* guards clients */
	struct store_client *clients;
};

/* A number as a parameter of SQL. */
struct store_number {
	char text[24];
};
struct store_number store_number(int64_t value);

/* What a token is bound to. Heap. The two kinds are no substitute for each
   other. */
char *store_seal_context(struct mstoken_store *store, const char *registration,
			 const char *address, const char *tid, bool access);

/* The address as it is in the database: ASCII letters small. Heap. */
char *store_address(const char *address);

#endif
