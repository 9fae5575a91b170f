/* The configuration reader: what it takes, what it refuses and with which
   words. */

#include "oauthd-config.h"
#include "mstest.h"

#include <stdlib.h>
#include <unistd.h>

static char conf_path[64], secret_path[64], lexzur_path[64];

static void write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	if (file == NULL || fputs(text, file) < 0 || fclose(file) != 0)
		abort();
}

#define GOOD "client_id = app\npublic_url = https://mail.example/\n"

static void test_good(void)
{
	struct oauthd_config config;
	char text[512], *error = NULL;

	snprintf(text, sizeof(text), "# comment\n\n" GOOD
		 "  client_secret_file=%s\nbroker_mode = 0600\n"
		 "features = read\ninvitation_lifetime = 120", secret_path);
	write_file(conf_path, text);
	write_file(secret_path, "  s3cret value \nsecond line\n");
	T_CHECK(oauthd_config_read(conf_path, &config, &error) == 0);
	T_STREQ(error, NULL);
	T_STREQ(config.client_id, "app");
	T_STREQ(config.client_secret, "s3cret value");
	T_STREQ(config.redirect_uri, "https://mail.example"
		"/api/v2/core/user_authorization_callback");
	T_STREQ(config.tenant, "common");
	T_STREQ(config.graph_url, "https://graph.microsoft.com");
	T_CHECK(config.broker_mode == 0600);
	T_CHECK(config.invitation_lifetime == 120);
	T_CHECK(strstr(config.scope, "Mail.Send") == NULL);

	write_file(secret_path, "rotated\n");
	T_CHECK(oauthd_config_reload_secret(&config, &error) == 0);
	T_STREQ(config.client_secret, "rotated");
	(void)unlink(secret_path);
	T_CHECK(oauthd_config_reload_secret(&config, &error) < 0);
	T_STREQ(config.client_secret, "rotated");
	free(error);
	oauthd_config_deinit(&config);
}

static void test_bad(void)
{
	static const struct {
		const char *text, *want;
	} tests[] = {
		{ "client_id = app\n", "public_url" },
		{ "public_url = https://a\n", "client_id" },
		{ GOOD "nonsense\n", "line 3" },
		{ GOOD "tennant = x\n", "no such setting" },
		{ GOOD "graph_url = http://graph\n", "https://" },
		{ GOOD "login_url =\n", "https://" },
		{ GOOD "tenant =\n", "empty" },
		{ GOOD "app_passwords = maybe\n", "yes or no" },
		{ GOOD "store_mode = rw\n", "file mode" },
		{ GOOD "client_secret = marker\n", "client_secret: no such" },
		{ GOOD "marker\n", "key = value" },
		{ GOOD "public_url = http://mail.example\n", "https://" },
		{ GOOD "public_url = http://127.0.0.1.evil\n", "https://" },
		{ GOOD "broker_mode = 999\n", "0660" },
		{ GOOD "invitation_lifetime = 5\n", "seconds" },
		{ GOOD "features = read calendar\n", "features" },
		{ GOOD "callback_path = x\n", "start with /" },
		{ GOOD "client_secret_file = /nonexistent/x\n",
		  "client_secret_file" },
		{ GOOD "client_certificate_file = /nonexistent/x\n",
		  "client_certificate_file" },
		{ GOOD "lexzur_integrations = /nonexistent/x\n",
		  "lexzur_integrations" },
	};
	struct oauthd_config config;
	char *error;
	size_t i;

	for (i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
		error = NULL;
		write_file(conf_path, tests[i].text);
		T_CHECK_CASE(tests[i].text, oauthd_config_read(conf_path,
					&config, &error) < 0);
		T_CHECK_CASE(tests[i].text, error != NULL &&
			     strstr(error, tests[i].want) != NULL &&
			     strstr(error, "marker") == NULL &&
			     strchr(error, '\n') == NULL);
		free(error);
	}
	T_CHECK(oauthd_config_read("/nonexistent/x", &config, &error) < 0);
	free(error);
}

static void test_lexzur(void)
{
	struct oauthd_config config;
	char text[256], *error = NULL;

	write_file(lexzur_path, "{\"MS-OfficeMail-365\": {\"clientId\": "
		   "\"lex\", \"clientSecret\": \"zur\"}}");
	snprintf(text, sizeof(text), "public_url = http://127.0.0.1:8080\n"
		 "lexzur_integrations = %s\n", lexzur_path);
	write_file(conf_path, text);
	T_CHECK(oauthd_config_read(conf_path, &config, &error) == 0);
	T_STREQ(config.client_id, "lex");
	T_STREQ(config.client_secret, "zur");

	/* a settings page of LEXZUR has written it anew */
	T_CHECK(!oauthd_config_secret_has_changed(&config));
	(void)unlink(lexzur_path);
	T_CHECK(oauthd_config_secret_has_changed(&config));
	T_CHECK(oauthd_config_reload_secret(&config, &error) < 0);
	free(error);
	error = NULL;
	T_STREQ(config.client_secret, "zur");
	T_CHECK(!oauthd_config_secret_has_changed(&config));
	write_file(lexzur_path, "{\"MS-OfficeMail-365\": {\"clientId\": "
		   "\"lex2\", \"clientSecret\": \"zur2\"}}");
	T_CHECK(oauthd_config_secret_has_changed(&config));
	T_CHECK(oauthd_config_reload_secret(&config, &error) == 0);
	T_STREQ(config.client_id, "lex2");
	T_STREQ(config.client_secret, "zur2");
	oauthd_config_deinit(&config);
	write_file(lexzur_path, "{\"MS-OfficeMail-365\": {\"clientId\": "
		   "\"\", \"clientSecret\": \"\"}}");
	T_CHECK(oauthd_config_read(conf_path, &config, &error) < 0);
	free(error);
	write_file(lexzur_path, "{\"other\": {}}");
	T_CHECK(oauthd_config_read(conf_path, &config, &error) < 0);
	T_CHECK(strstr(error, "MS-OfficeMail-365") != NULL);
	free(error);
}

int main(void)
{
	snprintf(conf_path, sizeof(conf_path), "test-conf.%ld", (long)getpid());
	snprintf(secret_path, sizeof(secret_path), "test-secret.%ld",
		 (long)getpid());
	snprintf(lexzur_path, sizeof(lexzur_path), "test-lexzur.%ld",
		 (long)getpid());
	test_good();
	test_bad();
	test_lexzur();
	(void)unlink(conf_path);
	(void)unlink(secret_path);
	(void)unlink(lexzur_path);
	T_RETURN();
}
