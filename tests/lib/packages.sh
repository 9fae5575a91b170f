# Sourced by demo.sh and test.sh: what must be installed, and installing it.

PACKAGES_BUILD="gcc make pkg-config autoconf automake libtool dovecot-dev \
dovecot-imapd libcurl4-openssl-dev libjson-c-dev libmicrohttpd-dev \
libsqlite3-dev libpq-dev libcrypt-dev libsystemd-dev libssl-dev libzstd-dev \
zlib1g-dev"
PACKAGES_SIM="python3 python3-aiohttp python3-cryptography"
PACKAGES_TEST="chromium chromium-driver systemd python3-prometheus-client \
postgresql dovecot-sqlite dovecot-pgsql dovecot-pop3d dovecot-lmtpd \
python3-pytest python3-pytest-xdist python3-msal valgrind isync offlineimap3 neomutt getmail6 curl \
xz-utils"
# not in every release of Debian: its c-client has left with PHP 8.4
PACKAGES_PHP="php-cli php-imap"
# full-text search: the one of Dovecot 2.3, and that of 2.4
PACKAGES_FTS="dovecot-fts-xapian dovecot-flatcurve"
PACKAGES_LINT="clang clang-tidy cppcheck mandoc"
PACKAGES_DEB="build-essential debhelper lintian"
# for the judge @azure/msal-node; Node.js from elsewhere will do
PACKAGES_NODE=
command -v npm >/dev/null 2>&1 || PACKAGES_NODE=npm

# packages_missing NAME...: those that are not installed
packages_missing() {
	for package in "$@"; do
		dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null |
			grep -qx installed || printf '%s ' "$package"
	done
}

# packages_known NAME...: those that apt can install
packages_known() {
	for package in "$@"; do
		[ -z "$(apt-cache policy "$package" 2>/dev/null |
			grep 'Candidate: [0-9]')" ] || printf '%s ' "$package"
	done
}

# packages_install NAME...: installs what is missing, as root. The services of
# packages are not started.
packages_install() {
	local missing policy=/usr/sbin/policy-rc.d made=

	missing=$(packages_missing "$@")
	[ -n "$missing" ] || return 0
	if [ "$(id -u)" != 0 ]; then
		echo "missing packages; as root run: apt-get install $missing" >&2
		return 1
	fi
	echo "installing: $missing"
	if [ ! -e $policy ]; then
		printf '#!/bin/sh\nexit 101\n' > $policy
		chmod 755 $policy
		made=1
	fi
	{ apt-get update -qq &&
	  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq \
		--no-install-recommends $missing; } >/tmp/msgraph-apt.$$ 2>&1
	local status=$?
	[ -z "$made" ] || rm -f $policy
	if [ $status != 0 ]; then
		tail -5 /tmp/msgraph-apt.$$ >&2
		echo "the packages could not be installed" >&2
	fi
	rm -f /tmp/msgraph-apt.$$
	return $status
}

# build_tree SOURCE BUILD [CONFIGURE OPTION...]: a build outside of the source
# tree. The build system is made in a copy, so that the source stays clean.
build_tree() {
	local source=$1 build=$2
	shift 2
	mkdir -p "$build/source" "$build/tree"
	(cd "$source" && tar cf - --exclude=.git --exclude=./build .) |
		(cd "$build/source" && tar xf -) || return 1
	(cd "$build/source" &&
	 { [ -x configure ] && [ configure -nt configure.ac ] ||
		autoreconf -fi; } &&
	 cd ../tree &&
	 { [ -f Makefile ] || ../source/configure -q \
		--with-dovecot=/usr/lib/dovecot "$@"; } &&
	 make -j"$(nproc)")
}
