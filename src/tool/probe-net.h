#ifndef PROBE_NET_H
#define PROBE_NET_H

/* From a name to an open connection. */

#include <stdbool.h>

struct probe_report;

/* Steps "WHAT name" and "WHAT connection". Returns true if it was reached. */
bool probe_net(struct probe_report *report, const char *what, const char *url);

#endif
