/* Client assertions: what is in them, and a signature that verifies. */

#include "mstoken-assertion.h"
#include "mstoken-pkce.h"
#include "mstest.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static char pem_file[64];
static EVP_PKEY *key;
static X509 *cert;

static void make_certificate(void)
{
	X509_NAME *name;

	key = EVP_RSA_gen(2048);
	cert = X509_new();
	name = X509_get_subject_name(cert);
	ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
	X509_gmtime_adj(X509_getm_notBefore(cert), 0);
	X509_gmtime_adj(X509_getm_notAfter(cert), 86400);
	X509_set_pubkey(cert, key);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
				   (const unsigned char *)"test", -1, -1, 0);
	X509_set_issuer_name(cert, name);
	T_CHECK(X509_sign(cert, key, EVP_sha256()) > 0);
}

static void write_pem(EVP_PKEY *a_key, X509 *a_cert)
{
	FILE *file = fopen(pem_file, "w");

	if (a_cert != NULL)
		T_CHECK(PEM_write_X509(file, a_cert) == 1);
	if (a_key != NULL) {
		T_CHECK(PEM_write_PrivateKey(file, a_key, NULL, NULL, 0, NULL,
					     NULL) == 1);
	}
	fclose(file);
}

/* the nth part between the dots, decoded; heap */
static unsigned char *part(const char *jwt, unsigned int n, size_t *size_r)
{
	while (n-- > 0)
		jwt = strchr(jwt, '.') + 1;
	return mstoken_base64url_decode(jwt, strcspn(jwt, "."), size_r);
}

static void check_signature(const char *jwt)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	EVP_PKEY_CTX *key_ctx;
	size_t size;
	unsigned char *sig = part(jwt, 2, &size);

	T_CHECK(sig != NULL);
	T_CHECK(EVP_DigestVerifyInit(ctx, &key_ctx, EVP_sha256(), NULL,
				     key) == 1);
	EVP_PKEY_CTX_set_rsa_padding(key_ctx, RSA_PKCS1_PSS_PADDING);
	EVP_PKEY_CTX_set_rsa_pss_saltlen(key_ctx, 32);
	T_CHECK(EVP_DigestVerify(ctx, sig, size, (const unsigned char *)jwt,
				 (size_t)(strrchr(jwt, '.') - jwt)) == 1);
	EVP_MD_CTX_free(ctx);
	free(sig);
}

static void test_assertion(void)
{
	unsigned char digest[32], *text;
	char *jwt, *thumbprint, *second;
	const char *error;
	size_t size;

	write_pem(key, cert);
	jwt = mstoken_assertion_create(pem_file, "app", "https://login/token",
				       1000000, &error);
	T_STREQ(error, NULL);
	X509_digest(cert, EVP_sha256(), digest, NULL);
	thumbprint = mstoken_base64url(digest, sizeof(digest));
	text = part(jwt, 0, &size);
	T_CHECK(strstr((char *)text, "\"alg\":\"PS256\"") != NULL);
	T_CHECK(strstr((char *)text, "\"x5t#S256\":\"") != NULL);
	T_CHECK(strstr((char *)text, thumbprint) != NULL);
	free(text);
	text = part(jwt, 1, &size);
	T_CHECK(strstr((char *)text, "\"aud\":\"https://login/token\"") !=
		NULL);
	T_CHECK(strstr((char *)text, "\"iss\":\"app\",\"sub\":\"app\"") !=
		NULL);
	T_CHECK(strstr((char *)text, "\"exp\":1000600") != NULL);
	free(text);
	check_signature(jwt);
	second = mstoken_assertion_create(pem_file, "app", "https://x", 1000000,
					  &error);
	T_CHECK(strcmp(jwt, second) != 0);
	free(second);
	free(thumbprint);
	free(jwt);
}

static void test_bad_files(void)
{
	EVP_PKEY *other = EVP_RSA_gen(2048);
	EVP_PKEY *elliptic = EVP_EC_gen("P-256");
	int64_t expires = 0;
	const char *error;

	T_CHECK(mstoken_assertion_check(pem_file, &expires, &error) == 0);
	T_CHECK(expires > time(NULL) + 86000 && expires < time(NULL) + 87000);
	write_pem(other, cert);
	T_CHECK(mstoken_assertion_check(pem_file, &expires, &error) < 0);
	T_CHECK(strstr(error, "belong") != NULL);
	write_pem(elliptic, cert);
	T_CHECK(mstoken_assertion_check(pem_file, &expires, &error) < 0);
	write_pem(key, NULL);
	T_CHECK(mstoken_assertion_check(pem_file, &expires, &error) < 0);
	write_pem(NULL, cert);
	T_CHECK(mstoken_assertion_create(pem_file, "a", "b", 0, &error) ==
		NULL);
	T_CHECK(strstr(error, "RSA key") != NULL);
	(void)unlink(pem_file);
	T_CHECK(mstoken_assertion_check(pem_file, &expires, &error) < 0);
	EVP_PKEY_free(other);
	EVP_PKEY_free(elliptic);
}

int main(void)
{
	snprintf(pem_file, sizeof(pem_file), "test-assertion.%ld.pem",
		 (long)getpid());
	make_certificate();
	test_assertion();
	test_bad_files();
	X509_free(cert);
	EVP_PKEY_free(key);
	T_RETURN();
}
