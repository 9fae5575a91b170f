#ifndef GRAPH_URL_H
#define GRAPH_URL_H

/* PURE: building of request URLs and judging of links that come from outside.
   Paths are relative to {graph}/v1.0 and begin with a slash. */

#include <stdbool.h>

struct msnet_buf;

/* Add "/" and the text as ONE percent-encoded segment. "." and ".." are encoded
   too, so that nothing climbs. */
void graph_url_add_segment(struct msnet_buf *buf, const char *segment);
/* Add to a query: name as is, value percent-encoded, with '?' or '&'. */
void graph_url_add_query(struct msnet_buf *buf, const char *name,
			 const char *value);
/* Add 'text' with its quotes doubled, as OData wants strings in $filter. Not
   percent-encoded yet: that is graph_url_add_query()'s work. */
void graph_url_add_quoted(struct msnet_buf *buf, const char *text);

/* Same scheme, host and port: our token may be sent to this URL. */
bool graph_url_same_origin(const char *base_url, const char *url);
/* https, or http to a loopback address (tests). */
bool graph_url_is_secure(const char *url);

#endif
