#!/bin/sh
# Runs one unit test program, under valgrind where there is one.
# NOVALGRIND=1 turns valgrind off; so does a sanitizer build.
if [ -n "$NOVALGRIND" ] || ! command -v valgrind >/dev/null 2>&1; then
	exec "$@"
fi
top=$(dirname "$0")/../..
build=$PWD
while [ ! -x "$build/libtool" ] && [ "$build" != / ]; do
	build=$(dirname "$build")
done
exec "$build/libtool" --mode=execute valgrind -q --error-exitcode=213 \
	--leak-check=full --show-leak-kinds=definite \
	--errors-for-leak-kinds=definite \
	--suppressions="${MSGRAPH_VALGRIND_SUPP:-$top/tests/unit/valgrind.supp}" \
	"$@"
