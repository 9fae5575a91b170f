#!/bin/sh
# clang-tidy over all sources (.clang-tidy names the checks), with the include
# paths that the Makefile.am files give; in plugin/ those are Dovecot's too.
# MSGRAPH_BUILD_DIR is a finished build.
: "${MSGRAPH_BUILD_DIR:?}"
cd "$(dirname "$0")/.." || exit 1

# tidy STANDARD INCLUDES: the files that are named on standard input
tidy() {
	TIDY_FLAGS="-std=$1 -D_GNU_SOURCE -DHAVE_CONFIG_H $2" \
	xargs -P"$(nproc)" -n6 sh -c 'exec clang-tidy -quiet "$@" -- \
		$TIDY_FLAGS -DMSGRAPH_VERSION=\"x\" \
		-DPACKAGE_VERSION=\"x\" -DSYSCONFDIR=\"x\" \
		-DRUNSTATEDIR=\"x\"' sh
}

compat=$(sed -n 's/^COMPAT_CPPFLAGS = //p' "$MSGRAPH_BUILD_DIR/Makefile")
libs="-Isrc/lib-net -Isrc/lib-graph -Isrc/lib-token -Isrc/lib-broker"
find src -name '*.c' ! -name 'test-*' |
	tidy gnu11 "$libs -Isrc/callback -Isrc/tool" || exit 1
# of the files for one version of Dovecot only, those that were built
find plugin -name '*.c' ! -name 'test-*' | while read -r file; do
	if [ -e "$MSGRAPH_BUILD_DIR/${file%.c}.lo" ]; then
		echo "$file"
	fi
done | tidy gnu99 "$compat -isystem /usr/include/dovecot $libs -Iplugin \
		-Iplugin/compat -Iplugin/sync -Iplugin/storage"
