/* PURE: display names to storage names. */

#include "lib.h"
#include "array.h"
#include "str.h"
#include "unichar.h"
#include "graph-client.h"
#include "msgraph-folders-private.h"

/* deeper than that is a loop or an attack */
#define DEPTH_MAX 50

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* The byte that "%XX" at p stands for, 0 if there is no such thing at p. */
static unsigned char escaped_byte(const char *p)
{
	int hi, lo;

	if (*p != '%' || (hi = hex_value(p[1])) < 0 ||
	    (lo = hex_value(p[2])) < 0)
		return 0;
	return hi * 16 + lo;
}

/* As little as possible, so that a name a client creates is the name it then
   sees: '/' separates, controls cannot be sent, '%' only where it would be
   read as one of our escapes. */
static bool needs_escape(const char *p)
{
	unsigned char c = *p;

	return c < ' ' || c == 0x7f || c == '/' || escaped_byte(p) != 0;
}

const char *msgraph_folder_name_escape(const char *display_name)
{
	string_t *str = t_str_new(64);
	size_t i, len = strlen(display_name);

	for (i = 0; i < len; i++) {
		unsigned char c = display_name[i];

		/* core treats these as special at either end of a name */
		if (needs_escape(display_name + i) ||
		    (i == 0 && (c == '~' || c == '.')) ||
		    ((i == 0 || i == len - 1) && c == ' '))
			str_printfa(str, "%%%02x", c);
		else
			str_append_c(str, c);
	}
	return str_c(str);
}

const char *msgraph_folder_name_unescape(const char *component)
{
	string_t *str = t_str_new(64);
	const char *p;
	unsigned char byte;

	for (p = component; *p != '\0'; p++) {
		if ((byte = escaped_byte(p)) != 0) {
			str_append_c(str, byte);
			p += 2;
		} else {
			str_append_c(str, *p);
		}
	}
	return str_c(str);
}

static enum graph_folder_role
role_of(struct msgraph_folders *folders, const char *id)
{
	unsigned int i;

	for (i = 0; i < GRAPH_FOLDER_ROLE_COUNT; i++) {
		if (null_strcmp(folders->roles[i], id) == 0)
			return (enum graph_folder_role)i;
	}
	return GRAPH_FOLDER_ROLE_COUNT;
}

static bool is_top_level(struct msgraph_folders *folders,
			 const struct msgraph_folder_entry *entry)
{
	const char *root = folders->roles[GRAPH_FOLDER_ROOT];

	if (entry->parent_id == NULL || *entry->parent_id == '\0')
		return TRUE;
	if (root != NULL && strcmp(root, "msgfolderroot") != 0)
		return strcmp(entry->parent_id, root) == 0;
	/* the root is not known: whose parent is not in the tree */
	return msgraph_folders_entry(folders, entry->parent_id) == NULL;
}

static bool name_is_used(struct msgraph_folders *folders, const char *name)
{
	const struct msgraph_folder_entry *entry;

	array_foreach(&folders->entries, entry) {
		if (null_strcmp(entry->name, name) == 0)
			return TRUE;
	}
	return FALSE;
}

/* Exchange keeps siblings apart without regard to case, so that this is for
   servers and moments that do not: escape the last character. */
static const char *make_unique(struct msgraph_folders *folders,
			       const char *name)
{
	string_t *str;
	size_t pos;

	while (name_is_used(folders, name)) {
		/* all bytes of it: half a character is no UTF-8 */
		for (pos = strlen(name) - 1; pos > 0; pos--) {
			if (((unsigned char)name[pos] & 0xc0) != 0x80)
				break;
		}
		str = t_str_new(64);
		str_append_data(str, name, pos);
		for (; name[pos] != '\0'; pos++)
			str_printfa(str, "%%%02x", (unsigned char)name[pos]);
		name = str_c(str);
	}
	return name;
}

static const char *
entry_name(struct msgraph_folders *folders, struct msgraph_folder_entry *entry,
	   unsigned int depth);

/* Below its parent; NULL if it is not to be shown. Data stack. */
static const char *
entry_path(struct msgraph_folders *folders,
	   const struct msgraph_folder_entry *entry, unsigned int depth)
{
	struct msgraph_folder_entry *parent;
	const char *name, *parent_name;

	if (entry->hidden || depth > DEPTH_MAX || entry->display_name == NULL ||
	    role_of(folders, entry->id) == GRAPH_FOLDER_ROOT)
		return NULL;
	if (role_of(folders, entry->id) == GRAPH_FOLDER_INBOX)
		return "INBOX";
	name = msgraph_folder_name_escape(entry->display_name);
	if (*name == '\0')
		return NULL;
	if (is_top_level(folders, entry)) {
		/* INBOX is the inbox and nothing else */
		if (strcasecmp(name, "INBOX") == 0)
			return t_strdup_printf("%.4s%%%02x", name,
					       (unsigned char)name[4]);
		return name;
	}
	parent = msgraph_folders_entry(folders, entry->parent_id);
	if (parent == NULL)
		return NULL;
	parent_name = entry_name(folders, parent, depth + 1);
	return parent_name == NULL ? NULL :
		t_strconcat(parent_name, "/", name, NULL);
}

/* What it is shown as, and what is below it; NULL if it is not shown. */
static const char *
entry_name(struct msgraph_folders *folders, struct msgraph_folder_entry *entry,
	   unsigned int depth)
{
	const char *name;

	if (entry->name == NULL) {
		name = entry_path(folders, entry, depth);
		if (name != NULL)
			entry->name = p_strdup(folders->names_pool,
					       make_unique(folders, name));
	}
	return entry->name;
}

static int entry_cmp(const struct msgraph_folder_entry *a,
		     const struct msgraph_folder_entry *b)
{
	return strcmp(a->id, b->id);
}

static int folder_cmp(const struct msgraph_folder *a,
		      const struct msgraph_folder *b)
{
	return strcmp(a->storage_name, b->storage_name);
}

static void mark_parents(struct msgraph_folders *folders)
{
	struct msgraph_folder *parent;
	const struct msgraph_folder *folder;

	array_foreach(&folders->visible, folder) {
		array_foreach_modifiable(&folders->visible, parent) {
			if (null_strcmp(parent->id, folder->parent_id) == 0)
				parent->has_children = TRUE;
		}
	}
}

void msgraph_folders_make_names(struct msgraph_folders *folders)
{
	struct msgraph_folder_entry *entry;
	struct msgraph_folder *folder;
	pool_t pool = folders->names_pool;

	array_clear(&folders->visible);
	p_clear(pool);
	array_foreach_modifiable(&folders->entries, entry)
		entry->name = NULL;
	/* in an order that does not change, so that names do not either */
	array_sort(&folders->entries, entry_cmp);
	array_foreach_modifiable(&folders->entries, entry) T_BEGIN {
		if (entry_name(folders, entry, 0) != NULL) {
			folder = array_append_space(&folders->visible);
			folder->id = p_strdup(pool, entry->id);
			folder->parent_id = p_strdup(pool, entry->parent_id);
			folder->display_name =
				p_strdup(pool, entry->display_name);
			folder->storage_name = entry->name;
			folder->role = role_of(folders, entry->id);
		}
	} T_END;
	/* parents before their children, as the list wants them */
	array_sort(&folders->visible, folder_cmp);
	mark_parents(folders);
}
