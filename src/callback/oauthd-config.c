#include "oauthd-config.h"
#include "msnet-buf.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CONFIG_LINE_MAX 4096
#define REGISTRATION_NAME_MAX 64
#define REGISTRATION_NAME_CHARS \
	"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_."

enum key_type {
	KEY_STRING, KEY_FILE, KEY_URL, KEY_PUBLIC_URL, KEY_OCTAL, KEY_SECS,
	KEY_BOOL, KEY_DATE
};

static const struct config_key {
	const char *name;
	enum key_type type;
	/* a field of struct oauthd_registration, not of oauthd_config */
	bool registration;
	size_t offset;
	const char *value;		/* default */
	bool required;
} keys[] = {
#define REG(name, type) \
	{ #name, type, true, offsetof(struct oauthd_registration, name), \
	  NULL, false }
	REG(client_id, KEY_STRING),
	REG(client_secret_file, KEY_FILE),
	REG(client_secret_next_file, KEY_FILE),
	REG(client_secret_expires, KEY_DATE),
	REG(client_certificate_file, KEY_FILE),
	REG(lexzur_integrations, KEY_STRING),
	REG(tenant, KEY_STRING),
	REG(cloud, KEY_STRING),
	REG(login_url, KEY_URL),
	REG(graph_url, KEY_URL),
	REG(features, KEY_STRING),
	REG(domains, KEY_STRING),
	REG(app_only, KEY_BOOL),
	REG(continuous_access, KEY_BOOL),
#undef REG
#define KEY(name, type, value, required) \
	{ #name, type, false, offsetof(struct oauthd_config, name), value, \
	  required }
	KEY(ca_file, KEY_STRING, NULL, false),
	KEY(public_url, KEY_PUBLIC_URL, NULL, true),
	KEY(callback_path, KEY_STRING,
	    "/api/v2/core/user_authorization_callback", false),
	KEY(listen, KEY_STRING, "127.0.0.1:8365", false),
	KEY(metrics_listen, KEY_STRING, NULL, false),
	KEY(broker, KEY_STRING, "/run/msgraph/broker.sock", false),
	KEY(broker_users, KEY_STRING, NULL, false),
	KEY(broker_mode, KEY_OCTAL, "0660", false),
	KEY(store, KEY_STRING, "/var/lib/msgraph/accounts.sqlite", false),
	KEY(store_mode, KEY_OCTAL, "0600", false),
	KEY(store_password_file, KEY_FILE, NULL, false),
	KEY(key_file, KEY_FILE, "/etc/msgraph/seal.key", false),
	KEY(invitation_lifetime, KEY_SECS, "86400", false),
	KEY(imap_server, KEY_STRING, NULL, false),
	KEY(smtp_server, KEY_STRING, NULL, false),
	KEY(admin_password_file, KEY_FILE, NULL, false),
	KEY(admin_path, KEY_STRING, "/admin", false),
	KEY(self_service, KEY_BOOL, "no", false),
	KEY(allowed_domains, KEY_STRING, NULL, false),
	KEY(app_passwords, KEY_BOOL, "no", false),
#undef KEY
};
#define KEY_COUNT (sizeof(keys) / sizeof(keys[0]))

/* what a running daemon cannot change */
static const char *const fixed_keys[] = {
	"listen", "metrics_listen", "broker", "broker_users", "broker_mode",
	"store", "store_mode", "store_password_file", "key_file"
};

static const struct config_key *config_key_find(const char *name)
{
	size_t i;

	for (i = 0; i < KEY_COUNT; i++) {
		if (strcmp(keys[i].name, name) == 0)
			return &keys[i];
	}
	return NULL;
}

static bool url_is_loopback(const char *url)
{
	static const char *const prefixes[] = {
		"http://127.0.0.1", "http://localhost", "http://[::1]"
	};
	size_t i, len;

	for (i = 0; i < 3; i++) {
		len = strlen(prefixes[i]);
		if (strncmp(url, prefixes[i], len) == 0 &&
		    (url[len] == '\0' || url[len] == ':' || url[len] == '/'))
			return true;
	}
	return false;
}

/* A file name, or the name of a credential that the service manager has put into
   its directory: "LoadCredential=NAME:PATH" in the unit. Heap. */
static char *config_file_name(const char *value)
{
	const char *dir = getenv("CREDENTIALS_DIRECTORY");
	struct msnet_buf buf = { 0 };

	if (value[0] == '/' || dir == NULL)
		return msnet_strdup(value);
	msnet_buf_printf(&buf, "%s/%s", dir, value);
	return msnet_buf_steal(&buf);
}

/* Of the section that is being read, for a key of registrations. */
static void *
config_field(struct oauthd_config *config, const struct config_key *key)
{
	char *base = key->registration ? (char *)&config->registrations[
		config->registration_count - 1] : (char *)config;

	return base + key->offset;
}

static bool parse_date(const char *value, int64_t *time_r)
{
	struct tm tm;
	const char *end;

	memset(&tm, 0, sizeof(tm));
	end = strptime(value, "%Y-%m-%d", &tm);
	if (end == NULL || *end != '\0')
		return false;
	*time_r = (int64_t)timegm(&tm);
	return true;
}

/* Returns what is wrong with the value (static), or NULL. */
static const char *
config_set(struct oauthd_config *config, const struct config_key *key,
	   const char *value)
{
	void *field = config_field(config, key);
	char **str = field, *end;
	unsigned long number;
	size_t len = strlen(value);

	switch (key->type) {
	case KEY_URL:
		if (strncmp(value, "https://", 8) != 0)
			return "must start with https://";
		break;
	case KEY_PUBLIC_URL:
		if (strncmp(value, "https://", 8) != 0 &&
		    !url_is_loopback(value))
			return "must start with https:// (http:// only for "
				"127.0.0.1 and localhost)";
		break;
	case KEY_OCTAL:
	case KEY_SECS:
		errno = 0;
		number = strtoul(value, &end, key->type == KEY_OCTAL ? 8 : 10);
		if (errno != 0 || end == value || *end != '\0' ||
		    (key->type == KEY_OCTAL && number > 0777) ||
		    (key->type == KEY_SECS &&
		     (number < 60 || number > 31*86400)))
			return key->type == KEY_OCTAL ?
				"must be a file mode such as 0660" :
				"must be a number of seconds from 60 to "
				"2678400";
		*(unsigned int *)field = (unsigned int)number;
		return NULL;
	case KEY_BOOL:
		if (strcmp(value, "yes") != 0 && strcmp(value, "no") != 0)
			return "must be yes or no";
		*(bool *)field = strcmp(value, "yes") == 0;
		return NULL;
	case KEY_DATE:
		return parse_date(value, field) ? NULL :
			"must be a date such as 2027-12-31";
	case KEY_STRING:
	case KEY_FILE:
		break;
	}
	if (len == 0)
		return "is empty";
	free(*str);
	if (key->type == KEY_FILE) {
		*str = config_file_name(value);
		return NULL;
	}
	while (key->type != KEY_STRING && value[len-1] == '/')
		len--;
	*str = msnet_strndup(value, len);
	return NULL;
}

static struct oauthd_registration *
config_add_registration(struct oauthd_config *config, const char *name)
{
	struct oauthd_registration *reg;

	config->registrations = msnet_realloc(config->registrations,
		(config->registration_count + 1) * sizeof(*reg));
	reg = &config->registrations[config->registration_count++];
	memset(reg, 0, sizeof(*reg));
	reg->name = msnet_strdup(name);
	return reg;
}

/* "[registration NAME]". Returns what is wrong with it (static), or NULL. */
static const char *config_section(struct oauthd_config *config, char *line)
{
	static const char word[] = "registration";
	size_t len = strlen(line);
	char *name;

	if (line[len - 1] != ']' ||
	    strncmp(line + 1, word, sizeof(word) - 1) != 0)
		return "a section must be: [registration NAME]";
	line[len - 1] = '\0';
	name = oauthd_config_trim(line + sizeof(word));
	len = strlen(name);
	if (len == 0 || len > REGISTRATION_NAME_MAX ||
	    strspn(name, REGISTRATION_NAME_CHARS) != len)
		return "the name of a registration must be of letters, digits, "
			"\"-\", \"_\" and \".\"";
	if (oauthd_config_find_registration(config, name) != NULL)
		return "there are two registrations of this name";
	(void)config_add_registration(config, name);
	return NULL;
}

/* Returns what is wrong with the line (static), or NULL. */
static const char *config_line(struct oauthd_config *config, char *line)
{
	char *name = oauthd_config_trim(line), *value;
	const struct config_key *key;

	if (*name == '\0' || *name == '#')
		return NULL;
	if (*name == '[')
		return config_section(config, name);
	value = strchr(name, '=');
	if (value == NULL)
		return "must be: key = value";
	*value++ = '\0';
	name = oauthd_config_trim(name);
	value = oauthd_config_trim(value);
	key = config_key_find(name);
	if (key == NULL)
		return "no such setting";
	if (!key->registration && config->registration_count > 1)
		return "this setting belongs before the first [registration]";
	if (strcmp(name, "domains") == 0 && config->registration_count == 1)
		return "this setting belongs in a [registration NAME]; what is "
			"before the first one serves all other domains";
	return config_set(config, key, value);
}

static int
config_read_lines(const char *path, struct oauthd_config *config,
		  char **error_r)
{
	char line[CONFIG_LINE_MAX], place[32], *copy;
	const char *error = NULL;
	unsigned int number = 0;
	FILE *file = fopen(path, "re");

	if (file == NULL) {
		*error_r = oauthd_config_error(path, "", strerror(errno));
		return -1;
	}
	while (error == NULL && fgets(line, sizeof(line), file) != NULL) {
		number++;
		copy = msnet_strdup(line);
		error = strchr(line, '\n') == NULL && !feof(file) ?
			"line too long" : config_line(config, line);
		if (error != NULL) {
			struct msnet_buf buf = { 0 };

			snprintf(place, sizeof(place), "%u", number);
			/* the name only: the value may be a secret that is in
			   the wrong place */
			copy[strchr(copy, '=') == NULL ? 0 :
			     strcspn(copy, "=")] = '\0';
			msnet_buf_printf(&buf, "%s line %s: %s: %s", path,
					 place, oauthd_config_trim(copy), error);
			*error_r = msnet_buf_steal(&buf);
		}
		free(copy);
	}
	(void)fclose(file);
	return error == NULL ? 0 : -1;
}

bool oauthd_config_secret_has_changed(const struct oauthd_config *config)
{
	unsigned int i;

	for (i = 0; i < config->registration_count; i++) {
		if (oauthd_registration_has_changed(&config->registrations[i]))
			return true;
	}
	return false;
}

int oauthd_config_reload_secret(struct oauthd_config *config, char **error_r)
{
	char *error;
	unsigned int i;
	int ret = 0;

	for (i = 0; i < config->registration_count; i++) {
		struct oauthd_registration *reg = &config->registrations[i];

		if (!oauthd_registration_has_changed(reg) ||
		    oauthd_registration_reload(reg, &error) == 0)
			continue;
		if (ret < 0)
			free(error);
		else
			*error_r = error;
		ret = -1;
	}
	return ret;
}

struct oauthd_registration *
oauthd_config_find_registration(const struct oauthd_config *config,
				const char *name)
{
	unsigned int i;

	for (i = 0; i < config->registration_count; i++) {
		if (strcmp(config->registrations[i].name, name) == 0)
			return &config->registrations[i];
	}
	return NULL;
}

struct oauthd_registration *
oauthd_config_registration_for(const struct oauthd_config *config,
			       const char *address)
{
	const char *at = strrchr(address, '@');
	unsigned int i;

	for (i = 1; at != NULL && i < config->registration_count; i++) {
		if (oauthd_registration_has_domain(&config->registrations[i],
						   at + 1))
			return &config->registrations[i];
	}
	/* its client_id may be in a file that was not read */
	return config->registrations[0].client_id == NULL &&
		config->registrations[0].lexzur_integrations == NULL ? NULL :
		&config->registrations[0];
}

/* A domain that two registrations serve; heap, NULL if there is none. */
static char *config_find_clash(const struct oauthd_config *config)
{
	struct msnet_buf buf = { 0 };
	unsigned int i, k;

	for (i = 1; i < config->registration_count && buf.data == NULL; i++) {
		struct oauthd_registration *reg = &config->registrations[i];
		char *copy = msnet_strdup(reg->domains), *word, *save = NULL;

		word = copy == NULL ? NULL : strtok_r(copy, " ,\t", &save);
		for (; word != NULL && buf.data == NULL;
		     word = strtok_r(NULL, " ,\t", &save)) {
			if (strchr(word, '@') != NULL) {
				msnet_buf_printf(&buf, "[registration %s]: "
					"domains: %s: must be a domain, "
					"without @", reg->name, word);
			}
			for (k = 1; k < i && buf.data == NULL; k++) {
				if (!oauthd_registration_has_domain(
						&config->registrations[k],
						word))
					continue;
				msnet_buf_printf(&buf, "the domain %s is in "
					"[registration %s] and in "
					"[registration %s]", word,
					config->registrations[k].name,
					reg->name);
			}
		}
		free(copy);
	}
	return buf.data == NULL ? NULL : msnet_buf_steal(&buf);
}

static int
config_registration_failed(const char *path, char *error, char **error_r)
{
	*error_r = oauthd_config_error(path, "", error);
	free(error);
	return -1;
}

static int
config_prepare_registrations(const char *path, struct oauthd_config *config,
			     char **error_r)
{
	struct oauthd_registration *standard = &config->registrations[0];
	char *error = config_find_clash(config);
	unsigned int i;

	if (error != NULL)
		return config_registration_failed(path, error, error_r);
	for (i = 0; i < config->registration_count; i++) {
		if (oauthd_registration_prepare(&config->registrations[i],
						i == 0 ? NULL : standard,
						&error) < 0)
			return config_registration_failed(path, error, error_r);
	}
	return 0;
}

static int
config_finish_registrations(const char *path, struct oauthd_config *config,
			    char **error_r)
{
	unsigned int i;
	char *error;

	for (i = 0; i < config->registration_count; i++) {
		if (oauthd_registration_finish(&config->registrations[i],
				i == 0 && config->registration_count > 1,
				&error) < 0)
			return config_registration_failed(path, error, error_r);
	}
	return 0;
}

static int
config_finish(const char *path, struct oauthd_config *config, char **error_r)
{
	struct msnet_buf buf = { 0 };
	size_t i;

	for (i = 0; i < KEY_COUNT; i++) {
		if (keys[i].required &&
		    *(char **)((char *)config + keys[i].offset) == NULL) {
			*error_r = oauthd_config_error(path, keys[i].name,
						"is not set");
			return -1;
		}
	}
	if (config->callback_path[0] != '/') {
		*error_r = oauthd_config_error(path, "callback_path",
					"must start with /");
		return -1;
	}
	if (config->admin_path[0] != '/') {
		*error_r = oauthd_config_error(path, "admin_path",
					"must start with /");
		return -1;
	}
	if (config->self_service && config->allowed_domains == NULL) {
		*error_r = oauthd_config_error(path, "self_service",
			"needs allowed_domains, the domains whose users may "
			"link themselves");
		return -1;
	}
	if (config_finish_registrations(path, config, error_r) < 0)
		return -1;
	msnet_buf_printf(&buf, "%s%s", config->public_url,
			 config->callback_path);
	config->redirect_uri = msnet_buf_steal(&buf);
	return 0;
}

int oauthd_config_read_settings(const char *path,
				struct oauthd_config *config_r, char **error_r)
{
	size_t i;

	memset(config_r, 0, sizeof(*config_r));
	(void)config_add_registration(config_r, "");
	for (i = 0; i < KEY_COUNT; i++) {
		if (keys[i].value != NULL)
			(void)config_set(config_r, &keys[i], keys[i].value);
	}
	if (config_read_lines(path, config_r, error_r) < 0 ||
	    config_prepare_registrations(path, config_r, error_r) < 0) {
		oauthd_config_deinit(config_r);
		return -1;
	}
	return 0;
}

int oauthd_config_read(const char *path, struct oauthd_config *config_r,
		       char **error_r)
{
	if (oauthd_config_read_settings(path, config_r, error_r) < 0)
		return -1;
	if (config_finish(path, config_r, error_r) < 0) {
		oauthd_config_deinit(config_r);
		return -1;
	}
	return 0;
}

static bool key_is_number(const struct config_key *key)
{
	return key->type == KEY_OCTAL || key->type == KEY_SECS;
}

const char *oauthd_config_keep_fixed(struct oauthd_config *config,
				     struct oauthd_config *running)
{
	const char *changed = NULL;
	size_t i;

	for (i = 0; i < sizeof(fixed_keys) / sizeof(fixed_keys[0]); i++) {
		const struct config_key *key = config_key_find(fixed_keys[i]);
		void *fresh = (char *)config + key->offset;
		void *old = (char *)running + key->offset;

		if (key_is_number(key)) {
			if (*(unsigned int *)fresh != *(unsigned int *)old)
				changed = key->name;
			*(unsigned int *)fresh = *(unsigned int *)old;
		} else {
			char *str = *(char **)fresh, *kept = *(char **)old;

			if (str == NULL || kept == NULL ? str != kept :
			    strcmp(str, kept) != 0)
				changed = key->name;
			free(str);
			*(char **)fresh = msnet_strdup(kept);
		}
	}
	return changed;
}

void oauthd_config_deinit(struct oauthd_config *config)
{
	unsigned int n;
	size_t i;

	for (i = 0; i < KEY_COUNT; i++) {
		if (!keys[i].registration && !key_is_number(&keys[i]) &&
		    keys[i].type != KEY_BOOL)
			free(*(char **)((char *)config + keys[i].offset));
	}
	for (n = 0; n < config->registration_count; n++)
		oauthd_registration_deinit(&config->registrations[n]);
	free(config->registrations);
	free(config->redirect_uri);
	memset(config, 0, sizeof(*config));
}
