#!/bin/sh
# The store's tests against a PostgreSQL server.
grep -q 'HAVE_LIBPQ' Makefile || {
	echo "built without libpq"
	exit 77
}
exec "$top_srcdir/tests/lib/postgres" run \
	"$top_srcdir/tests/unit/run-test.sh" ./test-mstoken-store
