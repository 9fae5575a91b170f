#ifndef PROBE_TOKEN_H
#define PROBE_TOKEN_H

/* PURE: what an access token says of itself. For diagnosis only: nobody but
   Graph may rely on it. */

#include <stddef.h>
#include <stdint.h>

/* tenant: the setting; scope: what is asked for; now: seconds since the epoch.
   Returns 1: it is what it should be, 0: an opaque token, which says nothing,
   -1: it is not. text_r: what was found; *remedy_r (static): what to do. */
int probe_token_check(const char *token, const char *graph_url,
		      const char *tenant, const char *scope, int64_t now,
		      char *text_r, size_t text_size, const char **remedy_r);

#endif
