/* The configuration reader: what it takes, what it refuses and with which
   words. */

#include "oauthd-config.h"
#include "oauthd-expiry.h"
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
	T_STREQ(config.registrations[0].client_id, "app");
	T_STREQ(config.registrations[0].client_secret, "s3cret value");
	T_STREQ(config.redirect_uri, "https://mail.example"
		"/api/v2/core/user_authorization_callback");
	T_STREQ(config.registrations[0].tenant, "common");
	T_STREQ(config.registrations[0].graph_url, "https://graph.microsoft.com");
	T_CHECK(config.broker_mode == 0600);
	T_CHECK(config.invitation_lifetime == 120);
	T_CHECK(strstr(config.registrations[0].scope, "Mail.Send") == NULL);

	write_file(secret_path, "rotated\n");
	T_CHECK(oauthd_config_reload_secret(&config, &error) == 0);
	T_STREQ(config.registrations[0].client_secret, "rotated");
	(void)unlink(secret_path);
	T_CHECK(oauthd_config_reload_secret(&config, &error) < 0);
	T_STREQ(config.registrations[0].client_secret, "rotated");
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
		{ GOOD "admin_path = x\n", "start with /" },
		{ GOOD "self_service = yes\n", "allowed_domains" },
		{ GOOD "cloud = mars\n", "usgov-dod" },
		{ GOOD "client_secret_expires = soon\n", "2027-12-31" },
		{ GOOD "client_secret_next_file = /nonexistent/x\n",
		  "client_secret_next_file" },
		{ GOOD "app_only = yes\n", "tenant" },
		{ GOOD "app_only = yes\ntenant = t.example\n",
		  "client_certificate_file" },
		{ GOOD "domains = a.example\n", "[registration NAME]" },
		{ GOOD "[other]\n", "[registration NAME]" },
		{ GOOD "[registration]\n", "of letters" },
		{ GOOD "[registration a b]\n", "of letters" },
		{ GOOD "[registration a\n", "[registration NAME]" },
		{ GOOD "[registration a]\nclient_id = x\n[registration a]\n",
		  "two registrations" },
		{ GOOD "[registration a]\nlisten = 1:2\n", "before the first" },
		{ GOOD "[registration a]\ndomains = x.example\n",
		  "[registration a]: client_id" },
		{ GOOD "[registration a]\nclient_id = x\ndomains = u@x\n",
		  "without @" },
		{ GOOD "[registration a]\nclient_id = x\ndomains = x.example\n"
		  "[registration b]\nclient_id = y\n"
		  "domains = y.example, X.example\n",
		  "X.example is in [registration a] and in [registration b]" },
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

static const char *name_for(const struct oauthd_config *config,
			    const char *address)
{
	const struct oauthd_registration *reg =
		oauthd_config_registration_for(config, address);

	return reg == NULL ? NULL : reg->name;
}

static void test_registrations(void)
{
	struct oauthd_config config;
	struct oauthd_registration *reg;
	char *error = NULL;

	write_file(conf_path, GOOD "tenant = t.example\nfeatures = read\n"
		   "login_url = https://login.proxy\n"
		   "[registration sales]\n"
		   "client_id = s\ndomains = a.example, b.example\n"
		   "[ registration gov ]\n");
	T_CHECK(oauthd_config_read(conf_path, &config, &error) < 0);
	free(error);
	error = NULL;
	write_file(conf_path, GOOD "tenant = t.example\nfeatures = read\n"
		   "login_url = https://login.proxy\n"
		   "[registration sales]\n"
		   "client_id = s\ndomains = a.example, b.example\n\n"
		   "[registration gov]\nclient_id = g\ncloud = usgov-dod\n"
		   "domains = gov.example\ntenant = gov.example\n"
		   "client_secret_expires = 2027-01-31\n");
	T_CHECK(oauthd_config_read(conf_path, &config, &error) == 0);
	T_STREQ(error, NULL);
	T_CHECK(config.registration_count == 3);
	T_STREQ(name_for(&config, "x@B.example"), "sales");
	T_STREQ(name_for(&config, "x@gov.example"), "gov");
	T_STREQ(name_for(&config, "x@sub.gov.example"), "");
	T_STREQ(name_for(&config, "x"), "");

	reg = oauthd_config_find_registration(&config, "sales");
	T_STREQ(reg->tenant, "t.example");
	T_STREQ(reg->login_url, "https://login.proxy");
	T_STREQ(reg->graph_url, "https://graph.microsoft.com");
	T_CHECK(strstr(reg->scope, "Mail.Send") == NULL);
	T_CHECK(strstr(reg->scope, "https://") == NULL);
	/* another cloud has its own hosts, and its own names of permissions */
	reg = oauthd_config_find_registration(&config, "gov");
	T_STREQ(reg->login_url, "https://login.microsoftonline.us");
	T_STREQ(reg->graph_url, "https://dod-graph.microsoft.us");
	T_CHECK(strstr(reg->scope, " https://dod-graph.microsoft.us/"
		       "Mail.ReadWrite") != NULL);
	T_CHECK(strncmp(reg->scope, "openid profile email ", 21) == 0);
	T_CHECK(reg->client_secret_expires == 1801353600);
	T_CHECK(oauthd_config_find_registration(&config, "none") == NULL);
	oauthd_config_deinit(&config);

	/* sections only: no other domain is served */
	write_file(conf_path, "public_url = https://m\n[registration a]\n"
		   "client_id = x\ndomains = a.example\n");
	T_CHECK(oauthd_config_read(conf_path, &config, &error) == 0);
	T_STREQ(name_for(&config, "x@a.example"), "a");
	T_CHECK(name_for(&config, "x@b.example") == NULL);
	oauthd_config_deinit(&config);
}

static void test_app_only_and_next(void)
{
	struct oauthd_registration *reg;
	struct oauthd_config config;
	char text[512], *error = NULL;

	write_file(secret_path, "first\n");
	write_file(lexzur_path, "second\n");
	snprintf(text, sizeof(text), GOOD "client_secret_file = %s\n"
		 "client_secret_next_file = %s\ntenant = t.example\n"
		 "cloud = china\napp_only = yes\n", secret_path, lexzur_path);
	write_file(conf_path, text);
	T_CHECK(oauthd_config_read(conf_path, &config, &error) == 0);
	reg = &config.registrations[0];
	T_STREQ(reg->client_secret, "first");
	T_STREQ(reg->client_secret_next, "second");
	T_STREQ(reg->scope, "https://microsoftgraph.chinacloudapi.cn/.default");
	reg->next_in_use = true;
	T_CHECK(!oauthd_config_secret_has_changed(&config));
	(void)unlink(lexzur_path);
	write_file(lexzur_path, "third\n");
	T_CHECK(oauthd_config_secret_has_changed(&config));
	T_CHECK(oauthd_config_reload_secret(&config, &error) == 0);
	T_STREQ(reg->client_secret_next, "third");
	T_CHECK(!reg->next_in_use);
	oauthd_config_deinit(&config);
}

/* As msgraphctl reads it, which may not read the files that it names. */
static void test_settings_only(void)
{
	struct oauthd_config config;
	char *error = NULL;

	write_file(conf_path, "public_url = https://mail.example\n"
		   "lexzur_integrations = /nonexistent/x\n");
	T_CHECK(oauthd_config_read_settings(conf_path, &config, &error) == 0);
	T_CHECK(oauthd_config_registration_for(&config, "a@b") ==
		&config.registrations[0]);
	oauthd_config_deinit(&config);
}

static void test_expiry(void)
{
	static const struct {
		double days;
		unsigned int stage;
	} tests[] = {
		{ 31, 0 }, { 30.5, 0 }, { 30, 1 }, { 8, 1 }, { 7, 2 },
		{ 1.5, 2 }, { 1, 3 }, { 0.1, 3 }, { 0, 4 }, { -100, 4 },
	};
	const int64_t now = 1700000000;
	char name[32];
	size_t i;

	for (i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
		int64_t end = now + (int64_t)(tests[i].days * 86400);

		snprintf(name, sizeof(name), "%.1f days", tests[i].days);
		T_CHECK_CASE(name, oauthd_expiry_stage(end, now) ==
			     tests[i].stage);
		T_CHECK_CASE(name, oauthd_expiry_days(end, now) -
			     tests[i].days < 0.01);
	}
}

static void test_expiry_due(void)
{
	static const struct {
		unsigned int old_stage, stage;
		int64_t warned_ago;
		bool due;
	} tests[] = {
		{ 0, 0, 1700000000, false }, { 0, 1, 1700000000, true },
		{ 1, 1, 20 * 86400, false }, { 1, 2, 60, true },
		{ 2, 2, 5 * 86400, false }, { 2, 3, 60, true },
		{ 3, 3, 86399, false }, { 3, 3, 86400, true },
		{ 3, 4, 60, true }, { 4, 4, 86399, false },
		{ 4, 4, 86400, true },
		/* there is a new one */
		{ 4, 0, 86400, false }, { 3, 1, 86400, false },
	};
	char name[64];
	size_t i;

	for (i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
		snprintf(name, sizeof(name), "%u to %u after %lld",
			 tests[i].old_stage, tests[i].stage,
			 (long long)tests[i].warned_ago);
		T_CHECK_CASE(name, oauthd_expiry_is_due(tests[i].old_stage,
			tests[i].stage, tests[i].warned_ago) == tests[i].due);
	}
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
	T_STREQ(config.registrations[0].client_id, "lex");
	T_STREQ(config.registrations[0].client_secret, "zur");

	/* a settings page of LEXZUR has written it anew */
	T_CHECK(!oauthd_config_secret_has_changed(&config));
	(void)unlink(lexzur_path);
	T_CHECK(oauthd_config_secret_has_changed(&config));
	T_CHECK(oauthd_config_reload_secret(&config, &error) < 0);
	free(error);
	error = NULL;
	T_STREQ(config.registrations[0].client_secret, "zur");
	T_CHECK(!oauthd_config_secret_has_changed(&config));
	write_file(lexzur_path, "{\"MS-OfficeMail-365\": {\"clientId\": "
		   "\"lex2\", \"clientSecret\": \"zur2\"}}");
	T_CHECK(oauthd_config_secret_has_changed(&config));
	T_CHECK(oauthd_config_reload_secret(&config, &error) == 0);
	T_STREQ(config.registrations[0].client_id, "lex2");
	T_STREQ(config.registrations[0].client_secret, "zur2");
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
	test_registrations();
	test_app_only_and_next();
	test_settings_only();
	test_expiry();
	test_expiry_due();
	test_lexzur();
	(void)unlink(conf_path);
	(void)unlink(secret_path);
	(void)unlink(lexzur_path);
	T_RETURN();
}
