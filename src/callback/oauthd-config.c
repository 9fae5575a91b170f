#include "oauthd-config.h"
#include "mstoken-assertion.h"
#include "mstoken-flow.h"
#include "msnet-buf.h"
#include "msnet-secret.h"

#include <ctype.h>
#include <errno.h>
#include <json-c/json.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#define CONFIG_LINE_MAX 4096
#define SECRET_MAX 4096
#define LEXZUR_SECTION "MS-OfficeMail-365"

enum key_type {
	KEY_STRING, KEY_FILE, KEY_URL, KEY_PUBLIC_URL, KEY_OCTAL, KEY_SECS,
	KEY_BOOL
};

static const struct config_key {
	const char *name;
	enum key_type type;
	size_t offset;
	const char *value;		/* default */
	bool required;
} keys[] = {
#define KEY(name, type, value, required) \
	{ #name, type, offsetof(struct oauthd_config, name), value, required }
	KEY(client_id, KEY_STRING, NULL, false),
	KEY(client_secret_file, KEY_FILE, NULL, false),
	KEY(client_certificate_file, KEY_FILE, NULL, false),
	KEY(lexzur_integrations, KEY_STRING, NULL, false),
	KEY(tenant, KEY_STRING, "common", false),
	KEY(login_url, KEY_URL, "https://login.microsoftonline.com", false),
	KEY(graph_url, KEY_URL, "https://graph.microsoft.com", false),
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
	KEY(features, KEY_STRING, "read send settings", false),
	KEY(invitation_lifetime, KEY_SECS, "86400", false),
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

/* "where: what: detail"; what may be "". Heap. */
static char *
config_error(const char *where, const char *what, const char *detail)
{
	struct msnet_buf buf = { 0 };

	msnet_buf_printf(&buf, "%s: %s%s%s", where, what,
			 *what == '\0' ? "" : ": ", detail);
	return msnet_buf_steal(&buf);
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

/* Returns what is wrong with the value (static), or NULL. */
static const char *
config_set(struct oauthd_config *config, const struct config_key *key,
	   const char *value)
{
	void *field = (char *)config + key->offset;
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

static char *trim(char *str)
{
	char *end;

	while (isspace((unsigned char)*str))
		str++;
	end = str + strlen(str);
	while (end > str && isspace((unsigned char)end[-1]))
		*--end = '\0';
	return str;
}

/* Returns what is wrong with the line (static), or NULL. */
static const char *config_line(struct oauthd_config *config, char *line)
{
	char *name = trim(line), *value;
	const struct config_key *key;

	if (*name == '\0' || *name == '#')
		return NULL;
	value = strchr(name, '=');
	if (value == NULL)
		return "must be: key = value";
	*value++ = '\0';
	name = trim(name);
	value = trim(value);
	key = config_key_find(name);
	return key == NULL ? "no such setting" :
		config_set(config, key, value);
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
		*error_r = config_error(path, "", strerror(errno));
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
					 place, trim(copy), error);
			*error_r = msnet_buf_steal(&buf);
		}
		free(copy);
	}
	(void)fclose(file);
	return error == NULL ? 0 : -1;
}

/* First line of a file; heap, wipe it. */
static char *read_secret(const char *path, char **error_r)
{
	char line[SECRET_MAX] = "", *secret = NULL;
	FILE *file = fopen(path, "re");

	if (file == NULL) {
		*error_r = config_error("client_secret_file", path,
					strerror(errno));
		return NULL;
	}
	if (fgets(line, sizeof(line), file) != NULL)
		secret = msnet_strdup(trim(line));
	(void)fclose(file);
	msnet_secret_wipe(line, sizeof(line));
	if (secret == NULL || *secret == '\0') {
		*error_r = config_error("client_secret_file", path,
					"it is empty");
		msnet_secret_free(&secret);
	}
	return secret;
}

static int
read_lexzur(const char *path, char **id_r, char **secret_r, char **error_r)
{
	json_object *root = json_object_from_file(path), *section, *value;
	int ret = -1;

	if (root != NULL &&
	    json_object_object_get_ex(root, LEXZUR_SECTION, &section) &&
	    json_object_object_get_ex(section, "clientId", &value) &&
	    json_object_get_string_len(value) > 0) {
		*id_r = msnet_strdup(json_object_get_string(value));
		if (json_object_object_get_ex(section, "clientSecret",
					      &value) &&
		    json_object_get_string_len(value) > 0)
			*secret_r = msnet_strdup(json_object_get_string(value));
		ret = 0;
	} else {
		*error_r = config_error("lexzur_integrations", path,
			root == NULL ? "cannot be read as JSON" :
			"has no " LEXZUR_SECTION " with clientId");
	}
	json_object_put(root);
	return ret;
}

static void config_stat_secret(const struct oauthd_config *config,
			       struct stat *st_r)
{
	const char *path = config->lexzur_integrations != NULL ?
		config->lexzur_integrations : config->client_secret_file;

	if (path == NULL || stat(path, st_r) < 0)
		memset(st_r, 0, sizeof(*st_r));
}

bool oauthd_config_secret_has_changed(const struct oauthd_config *config)
{
	struct stat st;

	config_stat_secret(config, &st);
	return st.st_mtim.tv_sec != config->secret_mtime.tv_sec ||
		st.st_mtim.tv_nsec != config->secret_mtime.tv_nsec ||
		st.st_ino != config->secret_inode;
}

int oauthd_config_reload_secret(struct oauthd_config *config, char **error_r)
{
	char *id = NULL, *secret = NULL;
	struct stat st;

	/* before reading: what is written meanwhile is read at the next look,
	   and a file that cannot be used is complained of once */
	config_stat_secret(config, &st);
	config->secret_mtime = st.st_mtim;
	config->secret_inode = st.st_ino;
	if (config->lexzur_integrations != NULL) {
		if (read_lexzur(config->lexzur_integrations, &id, &secret,
				error_r) < 0)
			return -1;
	} else if (config->client_secret_file != NULL) {
		secret = read_secret(config->client_secret_file, error_r);
		if (secret == NULL)
			return -1;
	}
	if (id != NULL) {
		free(config->client_id);
		config->client_id = id;
	}
	msnet_secret_free(&config->client_secret);
	config->client_secret = secret;
	return 0;
}

static int
config_check_certificate(const struct oauthd_config *config, char **error_r)
{
	const char *error;
	int64_t expires;

	if (config->client_certificate_file == NULL ||
	    mstoken_assertion_check(config->client_certificate_file, &expires,
				    &error) == 0)
		return 0;
	*error_r = config_error("client_certificate_file",
				config->client_certificate_file, error);
	return -1;
}

static int
config_finish(const char *path, struct oauthd_config *config, char **error_r)
{
	struct msnet_buf buf = { 0 };
	size_t i;

	for (i = 0; i < KEY_COUNT; i++) {
		if (keys[i].required &&
		    *(char **)((char *)config + keys[i].offset) == NULL) {
			*error_r = config_error(path, keys[i].name,
						"is not set");
			return -1;
		}
	}
	if (config->callback_path[0] != '/') {
		*error_r = config_error(path, "callback_path",
					"must start with /");
		return -1;
	}
	if (oauthd_config_reload_secret(config, error_r) < 0)
		return -1;
	if (config->client_id == NULL) {
		*error_r = config_error(path,
			"client_id (or lexzur_integrations)", "is not set");
		return -1;
	}
	if (config_check_certificate(config, error_r) < 0)
		return -1;
	config->scope = mstoken_scope_from_features(config->features);
	if (config->scope == NULL) {
		*error_r = config_error(path, "features",
			"known are read, send, settings, shared");
		return -1;
	}
	msnet_buf_printf(&buf, "%s%s", config->public_url,
			 config->callback_path);
	config->redirect_uri = msnet_buf_steal(&buf);
	return 0;
}

int oauthd_config_read(const char *path, struct oauthd_config *config_r,
		       char **error_r)
{
	size_t i;

	memset(config_r, 0, sizeof(*config_r));
	for (i = 0; i < KEY_COUNT; i++) {
		if (keys[i].value != NULL)
			(void)config_set(config_r, &keys[i], keys[i].value);
	}
	if (config_read_lines(path, config_r, error_r) < 0 ||
	    config_finish(path, config_r, error_r) < 0) {
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
	size_t i;

	for (i = 0; i < KEY_COUNT; i++) {
		if (!key_is_number(&keys[i]) && keys[i].type != KEY_BOOL)
			free(*(char **)((char *)config + keys[i].offset));
	}
	msnet_secret_free(&config->client_secret);
	free(config->redirect_uri);
	free(config->scope);
	memset(config, 0, sizeof(*config));
}
