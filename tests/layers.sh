#!/bin/sh
# The rules that the include paths cannot enforce.
cd "$(dirname "$0")/.." || exit 1
status=0

# rule TEXT GREP-ARGUMENTS...: nothing may be found
rule() {
	text=$1
	shift
	if grep -rn "$@"; then
		echo "layers: $text"
		status=1
	fi
}

rule "plugin/sync must not know struct mailbox" \
	-E 'include "(mail-storage|index-storage|index-mail|mailbox-)' \
	plugin/sync
rule "src/ must not include Dovecot" \
	-E 'include "(lib|array|ioloop|istream|mail-storage)\.h"' src
rule "only plugin/compat asks for a Dovecot version" \
	-E 'DOVECOT_(PREREQ|VERSION)|PACKAGE_STRING' plugin src --include='*.[ch]' \
	--exclude-dir=compat
rule "json-c and curl stay in the files that wrap them" \
	-E '<(json-c/json|curl/curl)\.h>' plugin --include='*.[ch]' \
	--exclude=msgraph-transport.c
rule "plugin/doveadm knows msgraph-admin.h alone" \
	-E 'include "(graph-|broker-|msnet-|msgraph-([^a]|a[^d]))' plugin/doveadm
for setting in broker account mailbox url cloud ca_file rfc822_size search expunge \
	body_cache_size poll_interval select_fresh request_timeout; do
	for file in plugin/msgraph-settings-env.c \
		plugin/msgraph-settings-define.c; do
		if ! grep -q "DEF([A-Z]*, $setting)" $file; then
			echo "layers: $setting is missing in $file"
			status=1
		fi
	done
	for file in README.md conf.d/dovecot-2.3/90-msgraph.conf \
		conf.d/dovecot-2.4/90-msgraph.conf; do
		if ! grep -q "msgraph_$setting" $file; then
			echo "layers: msgraph_$setting is missing in $file"
			status=1
		fi
	done
done

# every header compiles alone
includes="-Isrc/lib-net -Isrc/lib-graph -Isrc/lib-token -Isrc/lib-broker"
for header in src/*/*.h; do
	printf '#include "%s"\n' "$header" |
		gcc -std=gnu11 -D_GNU_SOURCE $includes -I"$(dirname "$header")" -Itests/unit \
			-I. -fsyntax-only -x c - || status=1
done
for header in plugin/*.h plugin/*/*.h; do
	printf '#include "lib.h"\n#include "%s"\n' "$header" |
		gcc -std=gnu99 -D_GNU_SOURCE -DHAVE_CONFIG_H \
			-isystem /usr/include/dovecot $includes \
			-Iplugin -Iplugin/compat -Iplugin/sync -Iplugin/storage \
			-I. -fsyntax-only -x c - || status=1
done
exit $status
