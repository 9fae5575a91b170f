#include "probe-report.h"

#include <json-c/json.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void probe_report_begin(struct probe_report *report, bool json)
{
	memset(report, 0, sizeof(*report));
	report->json = json;
	if (json)
		report->steps = json_object_new_array();
}

static void __attribute__((format(printf, 5, 0)))
report_add(struct probe_report *report, const char *step, const char *result,
	   const char *remedy, const char *fmt, va_list args)
{
	struct json_object *obj;
	char detail[1024], *p;

	(void)vsnprintf(detail, sizeof(detail), fmt, args);
	for (p = detail; *p != '\0'; p++) {
		if ((unsigned char)*p < ' ')
			*p = ' ';
	}
	if (!report->json) {
		printf("%-4s %s: %s%s%s\n", result, step, detail,
		       remedy == NULL ? "" : ". To do: ",
		       remedy == NULL ? "" : remedy);
		(void)fflush(stdout);
		return;
	}
	obj = json_object_new_object();
	json_object_object_add(obj, "step", json_object_new_string(step));
	json_object_object_add(obj, "result", json_object_new_string(
		strcmp(result, "-") == 0 ? "skipped" :
		strcmp(result, "FAIL") == 0 ? "fail" : result));
	json_object_object_add(obj, "detail", json_object_new_string(detail));
	if (remedy != NULL)
		json_object_object_add(obj, "remedy",
				       json_object_new_string(remedy));
	json_object_array_add(report->steps, obj);
}

void probe_ok(struct probe_report *report, const char *step,
	      const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	report_add(report, step, "ok", NULL, fmt, args);
	va_end(args);
}

void probe_fail(struct probe_report *report, const char *step,
		const char *remedy, const char *fmt, ...)
{
	va_list args;

	report->failed = true;
	va_start(args, fmt);
	report_add(report, step, "FAIL", remedy, fmt, args);
	va_end(args);
}

void probe_skip(struct probe_report *report, const char *step,
		const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	report_add(report, step, "-", NULL, fmt, args);
	va_end(args);
}

int probe_report_end(struct probe_report *report)
{
	if (report->json) {
		puts(json_object_to_json_string_ext(report->steps,
			JSON_C_TO_STRING_PRETTY |
			JSON_C_TO_STRING_NOSLASHESCAPE));
		json_object_put(report->steps);
	}
	return report->failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
