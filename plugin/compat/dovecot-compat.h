#ifndef DOVECOT_COMPAT_H
#define DOVECOT_COMPAT_H

/* What differs between Dovecot 2.3 and 2.4, one macro or function each; the
   only place besides msgraph-settings.c that asks for a version. */

#include "macros.h"

/* 2.4: a fourth argument says where truncated names are allocated */
#if defined(DOVECOT_PREREQ) && DOVECOT_PREREQ(2,4,0)
#  define msgraph_compat_cache_register(cache, fields, count) \
	mail_cache_register_fields(cache, fields, count, \
				   MAIL_CACHE_TRUNCATE_NAME_FAIL)
#else
#  define msgraph_compat_cache_register(cache, fields, count) \
	mail_cache_register_fields(cache, fields, count)
#endif

#endif
