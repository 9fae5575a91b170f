#ifndef DOVEADM_COMPAT_H
#define DOVEADM_COMPAT_H

/* The same for the commands of doveadm. */

#include "doveadm-mail.h"

#if defined(DOVECOT_PREREQ) && DOVECOT_PREREQ(2,4,0)

#  define MSGRAPH_COMPAT_DOVEADM_INIT(name, ctx) \
	name(struct doveadm_mail_cmd_context *ctx)
#  define msgraph_compat_doveadm_letters(ctx) do { } while (0)

#else

/* 2.3: init also gets the arguments as words, and letters are refused unless
   somebody parses them; both are among the parameters, too */
#  define MSGRAPH_COMPAT_DOVEADM_INIT(name, ctx) \
	name(struct doveadm_mail_cmd_context *ctx, \
	     const char *const args[] ATTR_UNUSED)
#  define msgraph_compat_doveadm_letters(ctx) \
	((ctx)->v.parse_arg = msgraph_compat_doveadm_letter)

static inline bool
msgraph_compat_doveadm_letter(struct doveadm_mail_cmd_context *ctx ATTR_UNUSED,
			      int c ATTR_UNUSED)
{
	return TRUE;
}

#endif

#endif
