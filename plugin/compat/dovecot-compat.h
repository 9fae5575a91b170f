#ifndef DOVECOT_COMPAT_H
#define DOVECOT_COMPAT_H

/* What differs between Dovecot 2.3 and 2.4, one macro or function each; the
   only place that asks for a version. What has changed within 2.4 configure
   looks for, by declaration. */

#include "macros.h"

#if defined(DOVECOT_PREREQ) && DOVECOT_PREREQ(2,4,0)

/* 2.4: a fourth argument says where truncated names are allocated */
#  define msgraph_compat_cache_register(cache, fields, count) \
	mail_cache_register_fields(cache, fields, count, \
				   MAIL_CACHE_TRUNCATE_NAME_FAIL)
/* the index forgets it with its next error */
#  define msgraph_compat_index_error(index) \
	t_strdup(mail_index_get_last_error(index, NULL))
#  define msgraph_compat_root_dir(list) ((list)->mail_set->mail_path)
#  define msgraph_compat_subscriptions_file(list) \
	((list)->mail_set->mailbox_subscriptions_filename)
/* 2.4: the layout is a default of our settings */
#  define MSGRAPH_COMPAT_STORAGE_VFUNCS
#  define MSGRAPH_COMPAT_LIST_VFUNCS \
	.get_storage = mailbox_list_default_get_storage,

#else

#  define msgraph_compat_cache_register(cache, fields, count) \
	mail_cache_register_fields(cache, fields, count)
#  define msgraph_compat_index_error(index) \
	t_strdup(mail_index_get_error_message(index))
#  define msgraph_compat_root_dir(list) ((list)->set.root_dir)
#  define msgraph_compat_subscriptions_file(list) \
	((list)->set.subscription_fname)
#  define MSGRAPH_COMPAT_STORAGE_VFUNCS \
	.get_list_settings = msgraph_compat_get_list_settings,
#  define MSGRAPH_COMPAT_LIST_VFUNCS

struct mail_namespace;
struct mailbox_list_settings;

void msgraph_compat_get_list_settings(const struct mail_namespace *ns,
				      struct mailbox_list_settings *set);

#endif

/* Since 2.4.5 a stream tells what it reads from beside its parent: nothing. */
#ifdef HAVE_ISTREAM_HIDDEN_INPUTS
#  define msgraph_compat_i_stream_create(stream) \
	i_stream_create(stream, NULL, -1, ISTREAM_HIDDEN_INPUTS_NONE, 0)
#else
#  define msgraph_compat_i_stream_create(stream) \
	i_stream_create(stream, NULL, -1, 0)
#endif

/* Since 2.4.2 the core iterates subscriptions, and never calls the driver for
   them, nor asks it which folders are subscribed; before, the driver hands
   them to these functions of the core. */
#ifdef HAVE_SUBSCRIPTIONS_ITER
#  define MSGRAPH_COMPAT_ITER_SUBSCRIBED MAILBOX_LIST_ITER_SELECT_SUBSCRIBED
#  define msgraph_compat_subscriptions_iter_init(list, patterns, flags) \
	mailbox_list_subscriptions_iter_init(list, patterns, flags)
#  define msgraph_compat_subscriptions_iter_next(ctx) \
	mailbox_list_subscriptions_iter_next(ctx)
#  define msgraph_compat_subscriptions_iter_deinit(ctx) \
	mailbox_list_subscriptions_iter_deinit(ctx)
#  define msgraph_compat_set_subscription_flags(list, vname, flags) \
	mailbox_list_set_subscription_flags(list, vname, flags)
#else
#  define MSGRAPH_COMPAT_ITER_SUBSCRIBED 0
#  define msgraph_compat_subscriptions_iter_init(list, patterns, flags) NULL
#  define msgraph_compat_subscriptions_iter_next(ctx) NULL
#  define msgraph_compat_subscriptions_iter_deinit(ctx) (-1)
#  define msgraph_compat_set_subscription_flags(list, vname, flags) \
	do { } while (0)
#endif

#endif
