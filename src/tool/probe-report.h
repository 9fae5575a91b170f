#ifndef PROBE_REPORT_H
#define PROBE_REPORT_H

/* The lines of msgraphctl probe, for people or as JSON. */

#include <stdbool.h>

struct json_object;

struct probe_report {
	bool json;
	bool failed;
	struct json_object *steps;
};

void probe_report_begin(struct probe_report *report, bool json);
/* Each is one line; fmt makes the detail. */
void probe_ok(struct probe_report *report, const char *step,
	      const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* remedy: what to do, static */
void probe_fail(struct probe_report *report, const char *step,
		const char *remedy, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/* Not tried, because something before it failed. */
void probe_skip(struct probe_report *report, const char *step,
		const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* Returns the exit status. */
int probe_report_end(struct probe_report *report);

#endif
