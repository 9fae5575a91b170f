/* CREATE-SPECIAL-USE (RFC 6154): the special uses are Exchange's default
   folders and cannot be given to others. It is not offered, but Dovecot's
   CREATE does not look at what follows the name, so a client that asks anyway
   would take a plain folder for what it wanted. */

#include "imap-common.h"
#include "imap-arg.h"
#include "imap-commands.h"
#include "mail-namespace.h"
#include "mail-storage-private.h"
#include "msgraph-imap.h"
#include "msgraph-storage.h"

/* of the imap process; NULL elsewhere */
#pragma weak command_find
#pragma weak command_register
#pragma weak command_unregister
#pragma weak client_read_args
#pragma weak client_find_namespace
#pragma weak client_send_tagline

static command_func_t *create_next;

/* "(USE (\Archive))" among the parameters; "(USE ())" asks for nothing. */
static bool create_wants_use(const struct imap_arg *arg)
{
	const struct imap_arg *param, *uses;

	if (!imap_arg_get_list(arg, &param))
		return FALSE;
	for (; !IMAP_ARG_IS_EOL(param); param++) {
		if (imap_arg_atom_equals(param, "USE") &&
		    imap_arg_get_list(&param[1], &uses) &&
		    !IMAP_ARG_IS_EOL(uses))
			return TRUE;
	}
	return FALSE;
}

static bool msgraph_imap_create(struct client_command_context *cmd)
{
	const struct imap_arg *args;
	struct mail_namespace *ns;
	const char *name;

	/* these are kept: the next in line reads them again */
	if (!client_read_args(cmd, 0, 0, &args))
		return FALSE;
	if (!imap_arg_get_astring(&args[0], &name) ||
	    IMAP_ARG_IS_EOL(&args[1]) || !create_wants_use(&args[1]))
		return create_next(cmd);

	ns = client_find_namespace(cmd, &name);
	if (ns == NULL)
		return TRUE;
	if (strcmp(mail_namespace_get_default_storage(ns)->name,
		   MSGRAPH_STORAGE_NAME) != 0)
		return create_next(cmd);
	client_send_tagline(cmd, "NO [USEATTR] Microsoft 365 itself decides "
			    "which folders have a special use");
	return TRUE;
}

static void imap_create_set(command_func_t *func)
{
	enum command_flags flags = command_find("CREATE")->flags;

	command_unregister("CREATE");
	command_register("CREATE", func, flags);
}

void msgraph_imap_init(void)
{
	if (command_find == NULL)
		return;
	create_next = command_find("CREATE")->func;
	imap_create_set(msgraph_imap_create);
}

void msgraph_imap_deinit(void)
{
	/* others may have replaced it, too */
	if (command_find != NULL &&
	    command_find("CREATE")->func == msgraph_imap_create)
		imap_create_set(create_next);
}
