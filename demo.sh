#!/bin/bash
# An Office 365 mailbox by IMAP, in one command. See --help.
set -u
root=$(cd "$(dirname "$0")" && pwd) || exit 1
. "$root/tests/lib/packages.sh"

usage() {
	cat <<'END'
usage: ./demo.sh [OPTION]...
Without --graph-url it starts a simulator of Microsoft 365 with a sample mailbox
and links the demo account itself. With it, it prints a link and waits until the
account has been linked in a browser.

  --dir DIR                  keep builds and state there (default: temporary)
  --imap-port N              default 11143
  --http-port N              default 18365, for the sign-in pages
  --submission-port N        taken, but sending mail comes later
  --graph-url URL            https://graph.microsoft.com, or another endpoint
  --login-url URL            https://login.microsoftonline.com
  --ca-file FILE             CA of both, in place of the system's
  --client-id ID             the app registration
  --client-secret-file FILE  file with the secret's value
  --tenant T                 default common
  --user ADDR                the account, default alice@example.com
  --password PW              IMAP password (default: made up)
  --dovecot-conf FILE        extra Dovecot settings

Redirect URI to register: http://127.0.0.1:HTTP-PORT/api/v2/core/user_authorization_callback
END
}

die() { echo "demo.sh: $1" >&2; exit "${2:-1}"; }

dir= imap_port=11143 http_port=18365 submission_port=
graph_url= login_url= ca_file= client_id= secret_file= tenant=common
user=alice@example.com password= dovecot_conf=
while [ $# -gt 0 ]; do
	case $1 in
	--help|-h) usage; exit 0;;
	--dir|--imap-port|--http-port|--submission-port|--graph-url|\
	--login-url|--ca-file|--client-id|--client-secret-file|--tenant|\
	--user|--password|--dovecot-conf)
		[ $# -ge 2 ] && [ -n "$2" ] || die "$1 needs a value" 64;;
	*) die "unknown option $1 (see --help)" 64;;
	esac
	case $1 in
	--dir) dir=$2;;
	--imap-port) imap_port=$2;;
	--http-port) http_port=$2;;
	--submission-port) submission_port=$2;;
	--graph-url) graph_url=${2%/};;
	--login-url) login_url=${2%/};;
	--ca-file) ca_file=$2;;
	--client-id) client_id=$2;;
	--client-secret-file) secret_file=$2;;
	--tenant) tenant=$2;;
	--user) user=$2;;
	--password) password=$2;;
	--dovecot-conf) dovecot_conf=$2;;
	esac
	shift 2
done

# wrong input, before anything is started

for port in "$imap_port" "$http_port" ${submission_port:+"$submission_port"}; do
	case $port in
	*[!0-9]*|??????*) die "not a port: $port" 64;;
	esac
	[ "$port" -ge 1 ] && [ "$port" -le 65535 ] || die "not a port: $port" 64
done
[ "$imap_port" != "$http_port" ] ||
	die "--imap-port and --http-port are the same: $imap_port" 64
case $user in
*@*) ;;
*) die "--user must be an address: $user" 64;;
esac
case $user$password in
*[:[:space:]]*) die "--user and --password without blanks and colons" 64;;
esac
for file in "$ca_file" "$secret_file" "$dovecot_conf"; do
	[ -z "$file" ] || { [ -r "$file" ] && [ ! -d "$file" ]; } ||
		die "cannot read $file"
done
if [ -n "$graph_url" ]; then
	login_url=${login_url:-https://login.microsoftonline.com}
	for url in "$graph_url" "$login_url"; do
		case $url in
		https://*) ;;
		*) die "must start with https://: $url" 64;;
		esac
	done
	[ -n "$client_id" ] || die "--graph-url needs --client-id" 64
elif [ -n "$login_url$client_id$secret_file" ]; then
	die "--login-url, --client-id and --client-secret-file need --graph-url" 64
fi
case $dir in
*[[:space:]]*) die "--dir without blanks: $dir" 64;;
/*|"") ;;
*) dir=$PWD/$dir;;
esac
[ ${#dir} -le 70 ] || die "--dir is too long for UNIX sockets: $dir" 64
for port in "$imap_port" "$http_port"; do
	if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
		die "port $port is taken (choose another by --imap-port, --http-port)"
	fi
done
[ -z "$submission_port" ] ||
	echo "note: sending mail is not offered yet, --submission-port is ignored"

# Dovecot makes user names lower case
account=${user,,}

# from here on there is something to clean up

pids= temporary=
stop() {
	trap - EXIT INT TERM HUP
	for pid in $pids; do kill "$pid" 2>/dev/null; done
	for pid in $pids; do wait "$pid" 2>/dev/null; done
	[ -z "$temporary" ] || rm -rf "$temporary"
}
trap stop EXIT
trap 'exit 0' INT TERM HUP

if [ -z "$dir" ]; then
	dir=$(mktemp -d /tmp/msgraph.XXXXXX) || die "no temporary directory"
	temporary=$dir
else
	mkdir -p "$dir" 2>/dev/null && [ -w "$dir" ] || die "cannot make $dir"
	dir=$(cd "$dir" && pwd)
fi
chmod 755 "$dir"

packages=$PACKAGES_BUILD
[ -n "$graph_url" ] || packages="$packages $PACKAGES_SIM"
packages_install $packages || exit 1

echo "building in $dir/build"
build_tree "$root" "$dir/build" > "$dir/build.log" 2>&1 ||
	{ tail -20 "$dir/build.log" >&2; die "the build failed: $dir/build.log"; }
tree=$dir/build/tree

# wait_for WHAT FILE PATTERN PID
wait_for() {
	for _ in $(seq 200); do
		grep -q "$3" "$2" 2>/dev/null && return 0
		kill -0 "$4" 2>/dev/null || break
		sleep 0.1
	done
	tail -5 "$2" >&2
	die "$1 did not start"
}

umask 077
if [ -z "$graph_url" ]; then
	echo "starting the simulator"
	client_id=11111111-2222-3333-4444-555555555555
	: > "$dir/sim.log"
	PYTHONPATH=$root/tests PYTHONDONTWRITEBYTECODE=1 /usr/bin/python3 \
		-m graphsim --make-ca "$dir/ca" --user "$user" --sample \
		--auto-consent >> "$dir/sim.log" 2>&1 &
	pids="$pids $!"
	wait_for "the simulator" "$dir/sim.log" READY $!
	graph_url=$(sed -n 's/^GRAPHSIM READY url=//p' "$dir/sim.log")
	login_url=$graph_url
	simulator=1
	# another simulator: another mailbox, other accounts
	rm -rf "$dir/mail" "$dir/accounts.sqlite"*
	cp "$dir/ca/ca.pem" "$dir/ca.pem"
else
	simulator=
	[ -z "$ca_file" ] || cp "$ca_file" "$dir/ca.pem"
	[ -z "$secret_file" ] || cp "$secret_file" "$dir/client-secret"
fi
[ ! -e "$dir/ca.pem" ] || chmod 644 "$dir/ca.pem"

if [ -z "$password" ] && [ -s "$dir/password" ]; then
	password=$(cat "$dir/password")
fi
[ -n "$password" ] ||
	password=$(od -An -N12 -tx1 /dev/urandom | tr -d ' \n')
printf '%s\n' "$password" > "$dir/password"

uid=$(id -u) gid=$(id -g)
if [ "$uid" = 0 ]; then
	# a user of its own that exists nowhere else
	uid=29766 gid=29766
fi

cat > "$dir/oauthd.conf" <<END
client_id = $client_id
tenant = $tenant
login_url = $login_url
graph_url = $graph_url
public_url = http://127.0.0.1:$http_port
listen = 127.0.0.1:$http_port
broker = $dir/broker.sock
broker_mode = 0666
broker_users = $uid
store = $dir/accounts.sqlite
key_file = $dir/seal.key
END
[ ! -e "$dir/ca.pem" ] || echo "ca_file = $dir/ca.pem" >> "$dir/oauthd.conf"
[ ! -e "$dir/client-secret" ] || [ -n "$simulator" ] ||
	echo "client_secret_file = $dir/client-secret" >> "$dir/oauthd.conf"

echo "starting msgraph-oauthd"
: > "$dir/oauthd.log"
"$tree/src/callback/msgraph-oauthd" -c "$dir/oauthd.conf" \
	2>> "$dir/oauthd.log" &
pids="$pids $!"
wait_for "msgraph-oauthd" "$dir/oauthd.log" ready $!

ctl() { "$tree/src/tool/msgraphctl" --socket "$dir/broker.sock" "$@"; }

if ! ctl status "$account" >/dev/null 2>&1; then
	link=$(ctl link "$account") || die "no link could be made"
	if [ -n "$simulator" ]; then
		echo "linking $user"
		/usr/bin/python3 - "$link" "$dir/ca.pem" <<'END' || die "linking failed"
import http.cookiejar, ssl, sys, urllib.request
context = ssl.create_default_context(cafile=sys.argv[2])
browser = urllib.request.build_opener(
    urllib.request.HTTPSHandler(context=context),
    urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))
page, _, form = sys.argv[1].partition("?")
sys.exit(0 if browser.open(page, form.encode()).status == 200 else 1)
END
	else
		echo "LINK $link"
		until ctl status "$account" >/dev/null 2>&1; do sleep 0.5; done
	fi
fi

echo "starting Dovecot"
rm -rf "$dir/modules"
mkdir -p "$dir/modules" "$dir/mail"
cp -a /usr/lib/dovecot/modules/. "$dir/modules/"
cp "$tree/plugin/.libs/lib20_msgraph_plugin.so" "$dir/modules/"
cp "$tree/plugin/doveadm/.libs/lib20_doveadm_msgraph_plugin.so" \
	"$dir/modules/doveadm/"
# doveadm, and what else looks only there, sees them in Dovecot's own directory
with_modules="--mount $root/tests/lib/with-modules.sh $dir/modules"
private=
if [ -e "$tree/plugin/.libs/libmsgraph_settings.so" ]; then
	# Dovecot 2.4 finds the settings of plugins in its own directory only;
	# so ours is mounted over it, for this Dovecot alone
	[ "$(id -u)" = 0 ] || die "with Dovecot 2.4 only root can run this"
	mkdir -p "$dir/modules/settings"
	cp "$tree/plugin/.libs/libmsgraph_settings.so" "$dir/modules/settings/"
	private="unshare $with_modules"
fi
[ "$(id -u)" = 0 ] || with_modules="--map-root-user $with_modules"
cat > "$dir/doveadm" <<END
#!/bin/sh
exec unshare $with_modules doveadm -c $dir/dovecot.conf "\$@"
END
chmod 755 "$dir/doveadm"
chmod -R a+rX "$dir/modules"
[ "$(id -u)" != 0 ] || chown -R "$uid:$gid" "$dir/mail"
printf '%s:{PLAIN}%s:%s:%s::%s::\n' "$account" "$password" "$uid" "$gid" \
	"$dir/mail/$account" > "$dir/passwd"
[ "$(id -u)" != 0 ] || chown dovecot "$dir/passwd"
: > "$dir/dovecot.conf"
[ -z "$private" ] || cat > "$dir/dovecot.conf" <<END
dovecot_config_version = 2.4.1
dovecot_storage_version = 2.4.1
END
cat >> "$dir/dovecot.conf" <<END
base_dir = $dir/run
state_dir = $dir/run
log_path = $dir/dovecot.log
protocols = imap
listen = 127.0.0.1
ssl = no
first_valid_uid = 1
mail_plugin_dir = $dir/modules
imap_fetch_failure = no-after
service imap-login {
  inet_listener imap {
    port = $imap_port
  }
  inet_listener imaps {
    port = 0
  }
}
namespace inbox {
  inbox = yes
  separator = /
}
END
settings="msgraph_broker = $dir/broker.sock
msgraph_url = $graph_url
$([ ! -e "$dir/ca.pem" ] || echo "msgraph_ca_file = $dir/ca.pem")"
if [ -n "$private" ]; then
	cat >> "$dir/dovecot.conf" <<END
auth_allow_cleartext = yes
mail_plugins {
  msgraph = yes
}
mail_driver = msgraph
mail_path = ~/msgraph
imap_capability {
  SPECIAL-USE = yes
}
passdb passwd-file {
  passwd_file_path = $dir/passwd
}
userdb passwd-file {
  passwd_file_path = $dir/passwd
}
$settings
END
else
	cat >> "$dir/dovecot.conf" <<END
disable_plaintext_auth = no
mail_plugins = msgraph
mail_location = msgraph:~/msgraph
imap_capability = +SPECIAL-USE
passdb {
  driver = passwd-file
  args = $dir/passwd
}
userdb {
  driver = passwd-file
  args = $dir/passwd
}
plugin {
$settings
}
END
fi
if [ "$(id -u)" != 0 ]; then
	me=$(id -un)
	cat >> "$dir/dovecot.conf" <<END
default_internal_user = $me
default_internal_group = $(id -gn)
default_login_user = $me
service anvil {
  chroot =
}
service imap-login {
  chroot =
}
END
fi
[ -z "$dovecot_conf" ] || cat "$dovecot_conf" >> "$dir/dovecot.conf"
: > "$dir/dovecot.log"
$private dovecot -F -c "$dir/dovecot.conf" >> "$dir/dovecot.log" 2>&1 &
pids="$pids $!"
wait_for "Dovecot" "$dir/dovecot.log" "starting up" $!
for _ in $(seq 100); do
	(exec 3<>"/dev/tcp/127.0.0.1/$imap_port") 2>/dev/null && break
	sleep 0.1
done

# imap COMMAND...: one session, printing the server's lines
imap() {
	exec 3<>"/dev/tcp/127.0.0.1/$imap_port" || return 1
	local n=0 line
	read -r line <&3
	for command in "LOGIN \"$user\" \"$password\"" "$@" LOGOUT; do
		n=$((n + 1))
		printf 'a%d %s\r\n' $n "$command" >&3
		while read -r line <&3; do
			line=${line%$'\r'}
			case $line in
			"a$n "*) break;;
			esac
			printf '%s\n' "$line"
		done
	done
	exec 3>&-
}

echo
echo "folders:"
imap 'LIST "" "*"' | sed -n 's/^\* LIST (\(.*\)) "." \(.*\)$/  \2  \1/p'
echo "newest mails:"
imap 'SELECT INBOX' 'FETCH 1:* (ENVELOPE)' |
	sed -n 's/^\* [0-9]* FETCH (ENVELOPE ("\([^"]*\)" "\([^"]*\)".*/  \1  \2/p' |
	tail -5
cat <<END

Connect an IMAP program to 127.0.0.1 port $imap_port, no encryption,
user $user, password $password. Logs are in $dir. Ctrl-C ends it all.
What an admin sees: $dir/doveadm msgraph status -u $account
READY imap=127.0.0.1:$imap_port user=$user password=$password
END
while :; do
	for pid in $pids; do
		kill -0 "$pid" 2>/dev/null || die "a process has ended; see $dir"
	done
	sleep 1 &
	wait $!
done
