#!/bin/bash
# Installs what is missing and runs every test. The last line counts them.
set -u
cd "$(dirname "$0")" || exit 1
root=$PWD
. tests/lib/packages.sh

usage="usage: ./test.sh [--only unit|sim|e2e|lint|dist|deb] [--dir DIR]
       [--dovecot all|LIST]  LIST of 2.3 (this machine's), trixie, sid; default 2.3"
only= dir= dovecot=2.3
while [ $# -gt 0 ]; do
	case $1 in
	--only) only=${2:?$usage}; shift 2;;
	--dovecot) dovecot=${2:?$usage}; shift 2;;
	--dir) dir=${2:?$usage}; shift 2;;
	*) echo "$usage" >&2; exit 64;;
	esac
done
[ "$dovecot" != all ] || dovecot=2.3,trixie,sid
wanted() { [ -z "$only" ] || [ "$only" = "$1" ]; }

packages="$PACKAGES_BUILD $PACKAGES_SIM $PACKAGES_TEST"
! wanted lint || packages="$packages $PACKAGES_LINT"
! wanted sim || packages="$packages $PACKAGES_NODE"
! wanted deb || packages="$packages $PACKAGES_DEB"
packages_install $packages || exit 1
! wanted e2e || packages_install \
	$(packages_known $PACKAGES_PHP $PACKAGES_FTS) || exit 1
clean=
if [ -z "$dir" ]; then
	dir=$(mktemp -d /tmp/msgraph-test.XXXXXX)
	clean=$dir
else
	mkdir -p "$dir" && dir=$(cd "$dir" && pwd) || exit 1
fi

trap 'kill $(jobs -p) 2>/dev/null; wait; [ -z "$clean" ] || rm -rf "$clean"' EXIT

passed=0 failed=0 skipped=0
: > "$dir/failed"

# are_failed: names what has failed, one on each line of the input; shown again
# at the end
are_failed() {
	sed -E 's/^(FAILED|FAIL:|ERROR:?) //; s/ - .*//; s/^/FAILED /' \
		>> "$dir/failed"
}

# step NAME COMMAND...: one test
step() {
	local name=$1
	shift
	if "$@" > "$dir/log" 2>&1; then
		echo "ok   $name"
		passed=$((passed + 1))
	else
		echo "FAIL $name"
		tail -40 "$dir/log"
		failed=$((failed + 1))
		echo "$name" | are_failed
		return 1
	fi
}

# pytest_step NAME DIR [OPTION...]: adds pytest's own counts
pytest_step() {
	echo "---- $1"
	shift
	/usr/bin/python3 -m pytest -q -rsfE -p no:cacheprovider "$@" 2>&1 |
		tee "$dir/log" | tail -40
	local last
	last=$(grep -E '(passed|failed|error).* in ' "$dir/log" | tail -1)
	count() { echo "$last" | grep -oE "[0-9]+ $1" | grep -oE '[0-9]+' ||
		echo 0; }
	passed=$((passed + $(count passed)))
	failed=$((failed + $(count failed) + $(count 'error')))
	skipped=$((skipped + $(count skipped)))
	[ -n "$last" ] || failed=$((failed + 1))
	grep -E '^(FAILED|ERROR) ' "$dir/log" | are_failed
}

# make check, each program a test
unit() {
	echo "---- unit tests"
	local made=0
	(cd "$dir/build/tree" && make -j"$(nproc)" -k check) > "$dir/log" 2>&1 ||
		made=1
	grep -E '^(PASS|FAIL|SKIP|ERROR): ' "$dir/log" | sort
	passed=$((passed + $(grep -c '^PASS: ' "$dir/log")))
	skipped=$((skipped + $(grep -c '^SKIP: ' "$dir/log")))
	local bad
	bad=$(grep -cE '^(FAIL|ERROR): ' "$dir/log")
	failed=$((failed + bad))
	grep -E '^(FAIL|ERROR): ' "$dir/log" | are_failed
	if [ "$bad" != 0 ]; then
		find "$dir/build/tree" -name 'test-*.log' | xargs tail -n 30
	fi
	# a program that could not be built has no line
	if ! grep -q '^PASS: ' "$dir/log" || [ "$made$bad" = 10 ]; then
		grep -m5 'error:' "$dir/log"
		tail -40 "$dir/log"
		failed=$((failed + 1))
	fi
}

# in_chroot SUITE: builds, units, end to end and distcheck with the Dovecot of
# another release. Each prints its counts.
in_chroot() {
	local kind status binds=()
	# the mail corpus, where it is
	[ ! -d ../shared ] || binds=(--bind ../shared)
	for kind in unit e2e dist; do
		[ -z "$only" ] || wanted $kind || continue
		echo "---- $kind tests in $1"
		tests/chroot "${binds[@]}" --bind "$dir/$1" "$1" ./test.sh \
			--only $kind --dir "$dir/$1" 2>&1 &
		trap "kill $!; exit 143" TERM
		wait $!
		status=$?
		case $status in
		0|1) ;;
		77) echo "0 passed, 0 failed, 1 skipped";;
		*) echo "0 passed, 1 failed, 0 skipped";;
		esac
	done
}

# wait_chroots: shows and counts what was started in the background
wait_chroots() {
	local suite line
	wait
	for suite in $chroots; do
		cat "$dir/$suite.log"
		grep '^FAILED ' "$dir/$suite.log" | are_failed
		while read -r line; do
			[[ $line =~ $COUNTS ]] || continue
			passed=$((passed + BASH_REMATCH[1]))
			failed=$((failed + BASH_REMATCH[2]))
			skipped=$((skipped + BASH_REMATCH[3]))
		done < "$dir/$suite.log"
		grep -qE "$COUNTS" "$dir/$suite.log" || failed=$((failed + 1))
	done
}
COUNTS='^([0-9]+) passed, ([0-9]+) failed, ([0-9]+) skipped$'

finish() {
	wait_chroots
	sort -u "$dir/failed"
	echo "$passed passed, $failed failed, $skipped skipped"
	[ "$failed" = 0 ]
	exit
}

chroots=
for suite in ${dovecot//,/ }; do
	case $suite in
	2.3) ;;
	trixie|sid) chroots="$chroots $suite";;
	*) echo "$usage" >&2; exit 64;;
	esac
done
for suite in $chroots; do
	in_chroot $suite > "$dir/$suite.log" &
done
case ,$dovecot, in
*,2.3,*) ;;
*) finish;;
esac

export MSGRAPH_BUILD_DIR=$dir/build/tree
step "build with gcc, no warnings" \
	build_tree "$root" "$dir/build" --enable-werror ||
	finish
if wanted unit; then
	unit
fi
if wanted lint; then
	step "layers" sh tests/layers.sh
	step "build with clang, no warnings" \
		build_tree "$root" "$dir/clang" CC=clang --enable-werror
	step "cppcheck of src" cppcheck -q --error-exitcode=1 --std=c11 -j2 src
	# without Dovecot's headers it cannot follow array_foreach()
	step "cppcheck of plugin" cppcheck -q --error-exitcode=1 --std=c99 -j2 \
		--suppress=uninitvar --suppress=legacyUninitvar \
		--suppress=unknownMacro plugin
	step "clang-tidy" sh tests/tidy.sh
	step "manual pages" mandoc -Tlint -W error src/callback/*.8 \
		src/tool/*.1 plugin/doveadm/*.1
fi
if wanted sim; then
	pytest_step "simulator" tests/graphsim/tests
fi
if wanted e2e; then
	# they wait more than they work
	pytest_step "end to end" tests/e2e -n 3 --dist loadfile
fi
if wanted dist; then
	step "make distcheck" make -C "$dir/build/tree" -j"$(nproc)" distcheck \
		NOVALGRIND=1
fi
if wanted deb; then
	pytest_step "Debian packages" tests/packages
fi
if wanted e2e && [ -n "$chroots" ]; then
	wait
	MSGRAPH_OTHER_BUILDS=$(for suite in $chroots; do
		[ ! -d "$dir/$suite/build/tree/plugin" ] ||
			echo "$suite=$dir/$suite/build/tree"
	done)
	export MSGRAPH_OTHER_BUILDS
	pytest_step "from this Dovecot to newer ones" tests/versions
fi
finish
