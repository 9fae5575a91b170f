#include "mstoken-assertion.h"
#include "mstoken-pkce.h"
#include "msnet-buf.h"
#include "msnet-secret.h"

#include <json-c/json.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ASSERTION_LIFETIME_SECS 600
/* the login host's clock may be behind ours */
#define ASSERTION_SKEW_SECS 60

struct credential {
	X509 *cert;
	EVP_PKEY *key;
};

static void credential_free(struct credential *cred)
{
	X509_free(cred->cert);
	EVP_PKEY_free(cred->key);
}

/* No passphrase is asked for. */
static int no_passphrase(char *buf, int size, int rwflag, void *context)
{
	return -1;
}

/* Returns what is wrong (static), or NULL. */
static const char *
credential_read(const char *pem_file, struct credential *cred_r)
{
	FILE *file = fopen(pem_file, "re");

	memset(cred_r, 0, sizeof(*cred_r));
	if (file == NULL)
		return "the file cannot be read";
	cred_r->cert = PEM_read_X509(file, NULL, no_passphrase, NULL);
	rewind(file);
	cred_r->key = PEM_read_PrivateKey(file, NULL, no_passphrase, NULL);
	(void)fclose(file);
	if (cred_r->cert == NULL)
		return "it has no certificate in PEM";
	if (cred_r->key == NULL || !EVP_PKEY_is_a(cred_r->key, "RSA"))
		return "it has no RSA key in PEM without passphrase";
	if (X509_check_private_key(cred_r->cert, cred_r->key) != 1)
		return "its key does not belong to its certificate";
	return NULL;
}

static void
add_object(struct msnet_buf *buf, json_object *obj)
{
	const char *text = json_object_to_json_string_ext(obj,
		JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
	char *encoded = mstoken_base64url(text, strlen(text));

	msnet_buf_add(buf, encoded);
	free(encoded);
	json_object_put(obj);
}

static void
set_string(json_object *obj, const char *key, const char *value)
{
	json_object_object_add(obj, key, json_object_new_string(value));
}

static void
set_number(json_object *obj, const char *key, int64_t value)
{
	json_object_object_add(obj, key, json_object_new_int64(value));
}

static bool
add_header(struct msnet_buf *buf, const struct credential *cred)
{
	json_object *obj = json_object_new_object();
	unsigned char digest[32];
	char *thumbprint;

	if (X509_digest(cred->cert, EVP_sha256(), digest, NULL) != 1) {
		json_object_put(obj);
		return false;
	}
	thumbprint = mstoken_base64url(digest, sizeof(digest));
	set_string(obj, "alg", "PS256");
	set_string(obj, "typ", "JWT");
	set_string(obj, "x5t#S256", thumbprint);
	free(thumbprint);
	add_object(buf, obj);
	return true;
}

static void
add_claims(struct msnet_buf *buf, const char *client_id, const char *token_url,
	   int64_t now)
{
	json_object *obj = json_object_new_object();
	char *unique = msnet_secret_random_text(16);

	set_string(obj, "aud", token_url);
	set_string(obj, "iss", client_id);
	set_string(obj, "sub", client_id);
	set_string(obj, "jti", unique);
	set_number(obj, "nbf", now - ASSERTION_SKEW_SECS);
	set_number(obj, "iat", now);
	set_number(obj, "exp", now + ASSERTION_LIFETIME_SECS);
	free(unique);
	add_object(buf, obj);
}

/* RSASSA-PSS, SHA-256, a salt as long as the digest (RFC 7518 3.5). */
static bool
add_signature(struct msnet_buf *buf, const struct credential *cred)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	EVP_PKEY_CTX *key_ctx;
	unsigned char *sig = NULL;
	size_t size = 0;
	bool ok = false;
	char *encoded;

	if (ctx != NULL &&
	    EVP_DigestSignInit(ctx, &key_ctx, EVP_sha256(), NULL,
			       cred->key) == 1 &&
	    EVP_PKEY_CTX_set_rsa_padding(key_ctx, RSA_PKCS1_PSS_PADDING) == 1 &&
	    EVP_PKEY_CTX_set_rsa_pss_saltlen(key_ctx,
					     RSA_PSS_SALTLEN_DIGEST) == 1 &&
	    EVP_DigestSign(ctx, NULL, &size, (unsigned char *)buf->data,
			   buf->used) == 1) {
		sig = msnet_malloc(size);
		ok = EVP_DigestSign(ctx, sig, &size,
				    (unsigned char *)buf->data,
				    buf->used) == 1;
	}
	EVP_MD_CTX_free(ctx);
	if (ok) {
		encoded = mstoken_base64url(sig, size);
		msnet_buf_printf(buf, ".%s", encoded);
		free(encoded);
	}
	free(sig);
	return ok;
}

char *mstoken_assertion_create(const char *pem_file, const char *client_id,
			       const char *token_url, int64_t now,
			       const char **error_r)
{
	struct msnet_buf buf = { 0 };
	struct credential cred;

	*error_r = credential_read(pem_file, &cred);
	if (*error_r == NULL) {
		if (add_header(&buf, &cred)) {
			msnet_buf_add(&buf, ".");
			add_claims(&buf, client_id, token_url, now);
		}
		if (buf.data == NULL || !add_signature(&buf, &cred))
			*error_r = "its key cannot sign";
	}
	credential_free(&cred);
	if (*error_r != NULL) {
		msnet_buf_free(&buf);
		return NULL;
	}
	return msnet_buf_steal(&buf);
}

int mstoken_assertion_check(const char *pem_file, int64_t *expires_r,
			    const char **error_r)
{
	struct credential cred;
	struct tm tm;

	*error_r = credential_read(pem_file, &cred);
	if (*error_r == NULL &&
	    ASN1_TIME_to_tm(X509_get0_notAfter(cred.cert), &tm) != 1)
		*error_r = "its certificate has no end";
	if (*error_r == NULL)
		*expires_r = (int64_t)timegm(&tm);
	credential_free(&cred);
	return *error_r == NULL ? 0 : -1;
}
