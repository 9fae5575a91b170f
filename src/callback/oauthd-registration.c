#include "oauthd-registration.h"
#include "mstoken-assertion.h"
#include "mstoken-flow.h"
#include "msnet-buf.h"
#include "msnet-secret.h"

#include <ctype.h>
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#define SECRET_MAX 4096
#define LEXZUR_SECTION "MS-OfficeMail-365"

/* https://learn.microsoft.com/graph/deployments */
static const struct cloud {
	const char *name, *login_url, *graph_url;
} clouds[] = {
	{ "global", "https://login.microsoftonline.com",
	  "https://graph.microsoft.com" },
	{ "usgov", "https://login.microsoftonline.us",
	  "https://graph.microsoft.us" },
	{ "usgov-dod", "https://login.microsoftonline.us",
	  "https://dod-graph.microsoft.us" },
	{ "china", "https://login.chinacloudapi.cn",
	  "https://microsoftgraph.chinacloudapi.cn" },
};

char *oauthd_config_error(const char *where, const char *what,
			  const char *detail)
{
	struct msnet_buf buf = { 0 };

	msnet_buf_printf(&buf, "%s: %s%s%s", where, what,
			 *what == '\0' ? "" : ": ", detail);
	return msnet_buf_steal(&buf);
}

char *oauthd_config_trim(char *str)
{
	char *end;

	while (isspace((unsigned char)*str))
		str++;
	end = str + strlen(str);
	while (end > str && isspace((unsigned char)end[-1]))
		*--end = '\0';
	return str;
}

char *oauthd_registration_title(const struct oauthd_registration *reg)
{
	struct msnet_buf buf = { 0 };

	if (reg->name[0] == '\0')
		return msnet_strdup("the default registration");
	msnet_buf_printf(&buf, "[registration %s]", reg->name);
	return msnet_buf_steal(&buf);
}

/*
 * Secrets
 */

/* First line of a file; heap, wipe it. */
static char *read_secret(const char *key, const char *path, char **error_r)
{
	char line[SECRET_MAX] = "", *secret = NULL;
	FILE *file = fopen(path, "re");

	if (file == NULL) {
		*error_r = oauthd_config_error(key, path, strerror(errno));
		return NULL;
	}
	if (fgets(line, sizeof(line), file) != NULL)
		secret = msnet_strdup(oauthd_config_trim(line));
	(void)fclose(file);
	msnet_secret_wipe(line, sizeof(line));
	if (secret == NULL || *secret == '\0') {
		*error_r = oauthd_config_error(key, path, "it is empty");
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
		*error_r = oauthd_config_error("lexzur_integrations", path,
			root == NULL ? "cannot be read as JSON" :
			"has no " LEXZUR_SECTION " with clientId");
	}
	json_object_put(root);
	return ret;
}

static struct oauthd_file_mark file_mark(const char *path)
{
	struct oauthd_file_mark mark;
	struct stat st;

	memset(&mark, 0, sizeof(mark));
	if (path != NULL && stat(path, &st) == 0) {
		mark.mtime = st.st_mtim;
		mark.inode = st.st_ino;
	}
	return mark;
}

static struct oauthd_file_mark
secret_mark(const struct oauthd_registration *reg)
{
	return file_mark(reg->lexzur_integrations != NULL ?
			 reg->lexzur_integrations : reg->client_secret_file);
}

static bool mark_equals(const struct oauthd_file_mark *a,
			const struct oauthd_file_mark *b)
{
	return a->mtime.tv_sec == b->mtime.tv_sec &&
		a->mtime.tv_nsec == b->mtime.tv_nsec && a->inode == b->inode;
}

bool oauthd_registration_has_changed(const struct oauthd_registration *reg)
{
	struct oauthd_file_mark secret = secret_mark(reg);
	struct oauthd_file_mark next = file_mark(reg->client_secret_next_file);

	return !mark_equals(&secret, &reg->secret_mark) ||
		!mark_equals(&next, &reg->next_mark);
}

static int read_secrets(const struct oauthd_registration *reg, char **id_r,
			char **secret_r, char **next_r, char **error_r)
{
	if (reg->lexzur_integrations != NULL) {
		if (read_lexzur(reg->lexzur_integrations, id_r, secret_r,
				error_r) < 0)
			return -1;
	} else if (reg->client_secret_file != NULL) {
		*secret_r = read_secret("client_secret_file",
					reg->client_secret_file, error_r);
		if (*secret_r == NULL)
			return -1;
	}
	if (reg->client_secret_next_file != NULL) {
		*next_r = read_secret("client_secret_next_file",
				      reg->client_secret_next_file, error_r);
		if (*next_r == NULL)
			return -1;
	}
	return 0;
}

int oauthd_registration_reload(struct oauthd_registration *reg, char **error_r)
{
	char *id = NULL, *secret = NULL, *next = NULL;

	/* before reading: what is written meanwhile is read at the next look,
	   and a file that cannot be used is complained of once */
	reg->secret_mark = secret_mark(reg);
	reg->next_mark = file_mark(reg->client_secret_next_file);
	if (read_secrets(reg, &id, &secret, &next, error_r) < 0) {
		free(id);
		msnet_secret_free(&secret);
		return -1;
	}
	if (id != NULL) {
		free(reg->client_id);
		reg->client_id = id;
	}
	msnet_secret_free(&reg->client_secret);
	msnet_secret_free(&reg->client_secret_next);
	reg->client_secret = secret;
	reg->client_secret_next = next;
	reg->next_in_use = false;
	return 0;
}

/*
 * Settings
 */

static const struct cloud *cloud_find(const char *name)
{
	size_t i;

	for (i = 0; i < sizeof(clouds) / sizeof(clouds[0]); i++) {
		if (strcmp(clouds[i].name, name) == 0)
			return &clouds[i];
	}
	return NULL;
}

static void set_default(char **field, const char *value, const char *otherwise)
{
	if (*field == NULL)
		*field = msnet_strdup(value != NULL ? value : otherwise);
}

/* Returns what is wrong (static), or NULL. */
static const char *
registration_inherit(struct oauthd_registration *reg,
		     const struct oauthd_registration *standard,
		     const struct cloud **cloud_r)
{
	/* a cloud of its own has hosts of its own */
	bool same_cloud = standard != NULL && (reg->cloud == NULL ||
		strcmp(reg->cloud, standard->cloud) == 0);

	set_default(&reg->cloud, standard == NULL ? NULL : standard->cloud,
		    "global");
	*cloud_r = cloud_find(reg->cloud);
	if (*cloud_r == NULL)
		return "must be global, usgov, usgov-dod or china";
	set_default(&reg->login_url, same_cloud ? standard->login_url : NULL,
		    (*cloud_r)->login_url);
	set_default(&reg->graph_url, same_cloud ? standard->graph_url : NULL,
		    (*cloud_r)->graph_url);
	set_default(&reg->tenant, standard == NULL ? NULL : standard->tenant,
		    "common");
	set_default(&reg->features,
		    standard == NULL ? NULL : standard->features,
		    "read send settings");
	return NULL;
}

/* Returns the key that is wrong, and what (both static), or NULL. */
static const char *
registration_check(const struct oauthd_registration *reg, const char **what_r)
{
	static const char *const shared[] = {
		"common", "organizations", "consumers"
	};
	size_t i;

	if (reg->client_id == NULL) {
		*what_r = "is not set";
		return "client_id (or lexzur_integrations)";
	}
	if (reg->client_secret_next_file != NULL &&
	    reg->client_secret == NULL) {
		*what_r = "is a second secret, but there is no first one "
			"(client_secret_file)";
		return "client_secret_next_file";
	}
	if (!reg->app_only)
		return NULL;
	for (i = 0; i < sizeof(shared) / sizeof(shared[0]); i++) {
		if (strcasecmp(reg->tenant, shared[i]) == 0) {
			*what_r = "app_only = yes needs the id or the domain "
				"of one tenant";
			return "tenant";
		}
	}
	if (reg->client_secret == NULL &&
	    reg->client_certificate_file == NULL) {
		*what_r = "app_only = yes needs client_secret_file or "
			"client_certificate_file";
		return "app_only";
	}
	return NULL;
}

static char *registration_error(const struct oauthd_registration *reg,
				const char *key, const char *what)
{
	char *title, *error;

	if (reg->name[0] == '\0')
		return oauthd_config_error(key, "", what);
	title = oauthd_registration_title(reg);
	error = oauthd_config_error(title, key, what);
	free(title);
	return error;
}

static int registration_set_scope(struct oauthd_registration *reg,
				  const struct cloud *cloud, char **error_r)
{
	struct msnet_buf buf = { 0 };

	/* https://learn.microsoft.com/graph/deployments: the names belong to
	   the service root of the cloud, wherever requests are sent */
	reg->scope = mstoken_scope_from_features(reg->features,
		strcmp(cloud->name, "global") == 0 ? NULL : cloud->graph_url);
	if (reg->scope == NULL) {
		*error_r = registration_error(reg, "features",
			"known are read, send, settings, shared");
		return -1;
	}
	if (reg->app_only) {
		free(reg->scope);
		msnet_buf_printf(&buf, "%s/.default", cloud->graph_url);
		reg->scope = msnet_buf_steal(&buf);
	}
	return 0;
}

int oauthd_registration_prepare(struct oauthd_registration *reg,
				const struct oauthd_registration *standard,
				char **error_r)
{
	const struct cloud *cloud;
	const char *what;

	what = registration_inherit(reg, standard, &cloud);
	if (what != NULL) {
		*error_r = registration_error(reg, "cloud", what);
		return -1;
	}
	return registration_set_scope(reg, cloud, error_r);
}

int oauthd_registration_finish(struct oauthd_registration *reg, bool optional,
			       char **error_r)
{
	const char *key, *what;
	int64_t expires;
	char *error;

	if (oauthd_registration_reload(reg, &error) < 0) {
		*error_r = reg->name[0] == '\0' ? error :
			registration_error(reg, error, "correct it");
		if (*error_r != error)
			free(error);
		return -1;
	}
	if (optional && reg->client_id == NULL)
		return 0;
	key = registration_check(reg, &what);
	if (key == NULL && reg->client_certificate_file != NULL &&
	    mstoken_assertion_check(reg->client_certificate_file, &expires,
				    &what) < 0) {
		error = oauthd_config_error(reg->client_certificate_file, "",
					    what);
		*error_r = registration_error(reg, "client_certificate_file",
					      error);
		free(error);
		return -1;
	}
	if (key != NULL) {
		*error_r = registration_error(reg, key, what);
		return -1;
	}
	return 0;
}

bool oauthd_registration_has_domain(const struct oauthd_registration *reg,
				    const char *domain)
{
	char *copy = msnet_strdup(reg->domains), *word, *save = NULL;
	bool found = false;

	for (word = copy == NULL ? NULL : strtok_r(copy, " ,\t", &save);
	     word != NULL && !found; word = strtok_r(NULL, " ,\t", &save))
		found = strcasecmp(word, domain) == 0;
	free(copy);
	return found;
}

bool oauthd_registration_expires(const struct oauthd_registration *reg,
				 int64_t *expires_r, const char **kind_r)
{
	const char *error;

	if (reg->client_certificate_file != NULL) {
		*kind_r = "certificate";
		return mstoken_assertion_check(reg->client_certificate_file,
					       expires_r, &error) == 0;
	}
	*kind_r = "client secret";
	*expires_r = reg->client_secret_expires;
	return reg->client_secret_expires != 0;
}

void oauthd_registration_deinit(struct oauthd_registration *reg)
{
	free(reg->name);
	free(reg->client_id);
	msnet_secret_free(&reg->client_secret);
	msnet_secret_free(&reg->client_secret_next);
	free(reg->client_secret_file);
	free(reg->client_secret_next_file);
	free(reg->client_certificate_file);
	free(reg->lexzur_integrations);
	free(reg->tenant);
	free(reg->cloud);
	free(reg->login_url);
	free(reg->graph_url);
	free(reg->features);
	free(reg->domains);
	free(reg->scope);
	memset(reg, 0, sizeof(*reg));
}
