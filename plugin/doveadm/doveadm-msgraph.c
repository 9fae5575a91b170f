/* doveadm msgraph status|sync|verify, see doveadm-msgraph(1). The work is done
   by the storage; a module of doveadm is loaded when the plugin is. */

#include "lib.h"
#include "array.h"
#include "mail-namespace.h"
#include "mail-storage.h"
#include "mail-user.h"
#include "doveadm-mail.h"
#include "doveadm-print.h"
#include "doveadm-compat.h"
#include "msgraph-admin.h"

#define EXPORT __attribute__((visibility("default")))

struct msgraph_cmd {
	struct doveadm_mail_cmd_context ctx;
	/* NULL = all */
	const char *const *mailboxes;
	/* Graph is asked which mailboxes there are */
	bool ask;
	bool repair;
	/* Returns -1 with the mailbox's error set. */
	int (*run)(struct msgraph_cmd *cmd, struct mailbox *box);

	/* of the namespace that is looked at, for the status */
	const char *account, *sign_in;
};

/* Prototypes for what doveadm looks up by name. */
extern const char *doveadm_msgraph_plugin_version;
void doveadm_msgraph_plugin_init(struct module *module);
void doveadm_msgraph_plugin_deinit(void);

EXPORT const char *doveadm_msgraph_plugin_version = DOVECOT_ABI_VERSION;

static struct msgraph_cmd *cmd_of(struct doveadm_mail_cmd_context *ctx)
{
	return container_of(ctx, struct msgraph_cmd, ctx);
}

/* Before the first mailbox of a namespace. */
static void cmd_begin_namespace(struct msgraph_cmd *cmd,
				struct mail_namespace *ns)
{
	const char *text;

	/* all others have to ask for a token anyway */
	if (cmd->ask)
		return;
	cmd->account = msgraph_admin_account(ns, &cmd->sign_in, &text);
	if (text != NULL)
		e_warning(ns->user->event, "%s: %s", cmd->account, text);
}

static int cmd_run_mailbox(struct msgraph_cmd *cmd, struct mailbox *box)
{
	const char *error;
	int ret = 0;

	if (!msgraph_admin_has_mailbox(box)) {
		e_error(mail_storage_get_user(mailbox_get_storage(box))->event,
			"Mailbox %s is not in Microsoft 365",
			mailbox_get_vname(box));
		doveadm_mail_failed_error(&cmd->ctx, MAIL_ERROR_NOTPOSSIBLE);
		ret = -1;
	} else if (cmd->run(cmd, box) < 0) {
		error = mailbox_get_last_internal_error(box, NULL);
		e_error(mail_storage_get_user(mailbox_get_storage(box))->event,
			"Mailbox %s: %s", mailbox_get_vname(box), error);
		doveadm_mail_failed_mailbox(&cmd->ctx, box);
		ret = -1;
	}
	mailbox_free(&box);
	return ret;
}

static int cmd_run_namespace(struct msgraph_cmd *cmd, struct mail_namespace *ns)
{
	pool_t pool = pool_alloconly_create("doveadm msgraph", 1024);
	ARRAY_TYPE(const_string) names;
	enum mail_error kind;
	const char *const *name, *error;
	int ret = 0;

	if (msgraph_admin_names(ns, cmd->ask, pool, &names, &kind,
				&error) < 0) {
		e_error(ns->user->event, "Mailboxes cannot be listed: %s",
			error);
		doveadm_mail_failed_error(&cmd->ctx, kind);
		pool_unref(&pool);
		return -1;
	}
	cmd_begin_namespace(cmd, ns);
	array_foreach(&names, name) T_BEGIN {
		if (cmd_run_mailbox(cmd, mailbox_alloc(ns->list, *name,
				MAILBOX_FLAG_IGNORE_ACLS)) < 0)
			ret = -1;
	} T_END;
	pool_unref(&pool);
	return ret;
}

static int cmd_run_all(struct msgraph_cmd *cmd, struct mail_user *user)
{
	struct mail_namespace *ns;
	bool found = FALSE;
	int ret = 0;

	for (ns = user->namespaces; ns != NULL; ns = ns->next) {
		if (!msgraph_admin_has_namespace(ns))
			continue;
		found = TRUE;
		if (cmd_run_namespace(cmd, ns) < 0)
			ret = -1;
	}
	/* with -A not everybody's mail needs to be there */
	if (!found && cmd->ctx.iterate_single_user) {
		e_error(user->event, "No mail of this user is in Microsoft "
			"365");
		doveadm_mail_failed_error(&cmd->ctx, MAIL_ERROR_NOTFOUND);
		ret = -1;
	}
	return ret;
}

static int cmd_run_named(struct msgraph_cmd *cmd, struct mail_user *user)
{
	struct mail_namespace *ns, *last = NULL;
	struct mailbox *box;
	const char *const *name;
	int ret = 0;

	for (name = cmd->mailboxes; *name != NULL; name++) {
		box = doveadm_mailbox_find(user, *name);
		ns = mailbox_get_namespace(box);
		if (ns != last && msgraph_admin_has_mailbox(box))
			cmd_begin_namespace(cmd, ns);
		last = ns;
		if (cmd_run_mailbox(cmd, box) < 0)
			ret = -1;
	}
	return ret;
}

static int cmd_msgraph_run(struct doveadm_mail_cmd_context *ctx,
			   struct mail_user *user)
{
	struct msgraph_cmd *cmd = cmd_of(ctx);

	return cmd->mailboxes == NULL ? cmd_run_all(cmd, user) :
		cmd_run_named(cmd, user);
}

static void cmd_init(struct msgraph_cmd *cmd)
{
	const struct doveadm_cmd_context *cctx = cmd->ctx.cctx;

	if (!doveadm_cmd_param_array(cctx, "mailbox", &cmd->mailboxes))
		cmd->mailboxes = NULL;
	if (!doveadm_cmd_param_bool(cctx, "repair", &cmd->repair))
		cmd->repair = FALSE;
}

static struct msgraph_cmd *
cmd_alloc(int (*run)(struct msgraph_cmd *cmd, struct mailbox *box), bool ask)
{
	struct msgraph_cmd *cmd = doveadm_mail_cmd_alloc(struct msgraph_cmd);

	cmd->ctx.v.run = cmd_msgraph_run;
	cmd->run = run;
	cmd->ask = ask;
	doveadm_print_init(DOVEADM_PRINT_TYPE_TABLE);
	return cmd;
}

static void print_number_header(const char *name)
{
	doveadm_print_header(name, name, DOVEADM_PRINT_HEADER_FLAG_NUMBER |
			     DOVEADM_PRINT_HEADER_FLAG_RIGHT_JUSTIFY);
}

/*
 * status
 */

static void
MSGRAPH_COMPAT_DOVEADM_INIT(cmd_status_init, ctx)
{
	cmd_init(cmd_of(ctx));
	doveadm_print_header("mailbox", "mailbox",
			     DOVEADM_PRINT_HEADER_FLAG_EXPAND);
	print_number_header("messages");
	doveadm_print_header_simple("synced");
	doveadm_print_header_simple("delta");
	print_number_header("pending");
	print_number_header("quarantined");
	doveadm_print_header_simple("account");
	doveadm_print_header_simple("sign_in");
}

static int cmd_status_mailbox(struct msgraph_cmd *cmd, struct mailbox *box)
{
	struct msgraph_admin_status status;

	if (msgraph_admin_status(box, &status) < 0)
		return -1;
	doveadm_print(mailbox_get_vname(box));
	doveadm_print_num(status.messages);
	doveadm_print(status.synced == 0 ? "never" :
		      unixdate2str(status.synced));
	doveadm_print(status.delta);
	doveadm_print_num(status.pending);
	doveadm_print_num(status.quarantined);
	doveadm_print(cmd->account);
	doveadm_print(cmd->sign_in);
	return 0;
}

static struct doveadm_mail_cmd_context *cmd_status_alloc(void)
{
	struct msgraph_cmd *cmd = cmd_alloc(cmd_status_mailbox, FALSE);

	cmd->ctx.v.init = cmd_status_init;
	return &cmd->ctx;
}

/*
 * sync
 */

static void
MSGRAPH_COMPAT_DOVEADM_INIT(cmd_sync_init, ctx)
{
	cmd_init(cmd_of(ctx));
	doveadm_print_header("mailbox", "mailbox",
			     DOVEADM_PRINT_HEADER_FLAG_EXPAND);
	print_number_header("new");
	print_number_header("gone");
	print_number_header("changed");
	print_number_header("sent");
}

static int cmd_sync_mailbox(struct msgraph_cmd *cmd ATTR_UNUSED,
			    struct mailbox *box)
{
	struct msgraph_admin_changes changes;

	if (msgraph_admin_sync(box, &changes) < 0)
		return -1;
	doveadm_print(mailbox_get_vname(box));
	doveadm_print_num(changes.appended);
	doveadm_print_num(changes.expunged);
	doveadm_print_num(changes.updated);
	doveadm_print_num(changes.pushed);
	return 0;
}

static struct doveadm_mail_cmd_context *cmd_sync_alloc(void)
{
	struct msgraph_cmd *cmd = cmd_alloc(cmd_sync_mailbox, TRUE);

	cmd->ctx.v.init = cmd_sync_init;
	return &cmd->ctx;
}

/*
 * verify
 */

static void
MSGRAPH_COMPAT_DOVEADM_INIT(cmd_verify_init, ctx)
{
	cmd_init(cmd_of(ctx));
	doveadm_print_header("mailbox", "mailbox",
			     DOVEADM_PRINT_HEADER_FLAG_EXPAND);
	print_number_header("uid");
	doveadm_print_header_simple("difference");
	doveadm_print_header_simple("mended");
	doveadm_print_header_simple("id");
}

static int cmd_verify_mailbox(struct msgraph_cmd *cmd, struct mailbox *box)
{
	pool_t pool = pool_alloconly_create("doveadm msgraph verify", 1024);
	ARRAY_TYPE(msgraph_admin_difference) found;
	const struct msgraph_admin_difference *d;
	bool left = FALSE;
	int ret;

	ret = msgraph_admin_verify(box, cmd->repair, pool, &found);
	array_foreach(&found, d) {
		doveadm_print(mailbox_get_vname(box));
		doveadm_print_num(d->uid);
		doveadm_print(d->what);
		doveadm_print(d->mended ? "yes" : "no");
		doveadm_print(d->id == NULL ? "" : d->id);
		if (!d->mended)
			left = TRUE;
	}
	/* for scripts */
	if (ret == 0 && left)
		doveadm_mail_failed_error(&cmd->ctx, MAIL_ERROR_INVALIDDATA);
	pool_unref(&pool);
	return ret;
}

static struct doveadm_mail_cmd_context *cmd_verify_alloc(void)
{
	struct msgraph_cmd *cmd = cmd_alloc(cmd_verify_mailbox, TRUE);

	cmd->ctx.v.init = cmd_verify_init;
	msgraph_compat_doveadm_letters(&cmd->ctx);
	return &cmd->ctx;
}

static struct doveadm_cmd_ver2 commands[] = {
	{
		.name = "msgraph status",
		.usage = DOVEADM_CMD_MAIL_USAGE_PREFIX "[<mailbox> [...]]",
		.mail_cmd = cmd_status_alloc,
DOVEADM_CMD_PARAMS_START
DOVEADM_CMD_MAIL_COMMON
DOVEADM_CMD_PARAM('\0', "mailbox", CMD_PARAM_ARRAY, CMD_PARAM_FLAG_POSITIONAL)
DOVEADM_CMD_PARAMS_END
	},
	{
		.name = "msgraph sync",
		.usage = DOVEADM_CMD_MAIL_USAGE_PREFIX "[<mailbox> [...]]",
		.mail_cmd = cmd_sync_alloc,
DOVEADM_CMD_PARAMS_START
DOVEADM_CMD_MAIL_COMMON
DOVEADM_CMD_PARAM('\0', "mailbox", CMD_PARAM_ARRAY, CMD_PARAM_FLAG_POSITIONAL)
DOVEADM_CMD_PARAMS_END
	},
	{
		.name = "msgraph verify",
		.usage = DOVEADM_CMD_MAIL_USAGE_PREFIX
			"[-r|--repair] [<mailbox> [...]]",
		.mail_cmd = cmd_verify_alloc,
DOVEADM_CMD_PARAMS_START
DOVEADM_CMD_MAIL_COMMON
DOVEADM_CMD_PARAM('r', "repair", CMD_PARAM_BOOL, 0)
DOVEADM_CMD_PARAM('\0', "mailbox", CMD_PARAM_ARRAY, CMD_PARAM_FLAG_POSITIONAL)
DOVEADM_CMD_PARAMS_END
	},
};

EXPORT void doveadm_msgraph_plugin_init(struct module *module ATTR_UNUSED)
{
	unsigned int i;

	for (i = 0; i < N_ELEMENTS(commands); i++)
		doveadm_cmd_register_ver2(&commands[i]);
}

EXPORT void doveadm_msgraph_plugin_deinit(void)
{
}
