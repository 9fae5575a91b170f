#ifndef MSTEST_H
#define MSTEST_H

/* The smallest possible test frame for src/: a failed check prints its place
   and the test goes on; the program's exit status tells the verdict. */

#include <stdio.h>
#include <string.h>

/* one for all files of a program */
__attribute__((weak)) int mstest_failures;

#define T_CHECK(expr) do { \
	if (!(expr)) { \
		fprintf(stderr, "%s:%d: failed: %s\n", \
			__FILE__, __LINE__, #expr); \
		mstest_failures++; \
	} } while (0)

#define T_CHECK_CASE(name, expr) do { \
	if (!(expr)) { \
		fprintf(stderr, "%s:%d: %s: failed: %s\n", \
			__FILE__, __LINE__, (name), #expr); \
		mstest_failures++; \
	} } while (0)

#define T_STREQ(got, want) do { \
	const char *got_ = (got), *want_ = (want); \
	if (got_ == NULL || want_ == NULL ? got_ != want_ : \
	    strcmp(got_, want_) != 0) { \
		fprintf(stderr, "%s:%d: got \"%s\" want \"%s\"\n", \
			__FILE__, __LINE__, \
			got_ == NULL ? "(null)" : got_, \
			want_ == NULL ? "(null)" : want_); \
		mstest_failures++; \
	} } while (0)

#define T_RETURN() return mstest_failures == 0 ? 0 : 1

#endif
