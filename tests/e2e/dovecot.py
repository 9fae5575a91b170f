"""What differs between Dovecot 2.3 and 2.4 for the tests: the configuration.
Nothing is installed: a copy of Dovecot's modules and ours is mounted over
Dovecot's own, for the processes that are started here alone."""

import glob
import os
import re
import shutil
import subprocess

MODULES = "/usr/lib/dovecot/modules"
WITH_MODULES = os.path.join(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))), "lib", "with-modules.sh")


def version():
    out = subprocess.run(["dovecot", "--version"], text=True,
                         stdout=subprocess.PIPE, check=True).stdout
    return tuple(int(n) for n in re.findall(r"\d+", out)[:2])


IS_24 = version() >= (2, 4)
CONF_D = "dovecot-2.4" if IS_24 else "dovecot-2.3"


def make_modules(build, path):
    shutil.copytree(MODULES, path, symlinks=True)
    libs = os.path.join(build, "plugin/.libs")
    shutil.copy(os.path.join(libs, "lib20_msgraph_plugin.so"), path)
    shutil.copy(os.path.join(build, "plugin/doveadm/.libs",
                             "lib20_doveadm_msgraph_plugin.so"),
                os.path.join(path, "doveadm"))
    if IS_24:
        os.makedirs(os.path.join(path, "settings"), exist_ok=True)
        shutil.copy(os.path.join(libs, "libmsgraph_settings.so"),
                    os.path.join(path, "settings"))


def private(modules, *argv):
    """argv, as a command that sees those modules in place of Dovecot's"""
    return ["unshare", "--mount", WITH_MODULES, modules, *argv]


HEAD_23 = """
disable_plaintext_auth = no
mail_plugins = msgraph
mail_location = msgraph:~/msgraph
mail_log_prefix = "%s(%u)<%p>: "
imap_capability = +SPECIAL-USE
"""
AUTH_23 = """
passdb {{
  driver = passwd-file
  args = {passwd}
}}
userdb {{
  driver = passwd-file
  args = {passwd}
}}
"""
# must be the first lines; newer versions accept it
VERSION_24 = """dovecot_config_version = 2.4.1
dovecot_storage_version = 2.4.1
"""
HEAD_24 = """
auth_allow_cleartext = yes
mail_plugins {
  msgraph = yes
}
mail_driver = msgraph
mail_path = ~/msgraph
mail_log_prefix = "%{protocol}(%{user})<%{process:pid}>: "
imap_capability {
  SPECIAL-USE = yes
}
"""
AUTH_24 = """
passdb passwd-file {{
  passwd_file_path = {passwd}
}}
userdb passwd-file {{
  passwd_file_path = {passwd}
}}
"""
COMMON = """
imap_fetch_failure = no-after
mail_max_userip_connections = 100
mail_plugin_dir = {path}/modules
base_dir = {path}/run
state_dir = {path}/run
log_path = {path}/dovecot.log
protocols = imap
listen = 127.0.0.1
ssl = no
first_valid_uid = {uid}
default_internal_user = dovecot
default_login_user = dovenull
service imap-login {{
  inet_listener imap {{
    port = {imap_port}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
service anvil {{
  chroot =
}}
namespace inbox {{
  inbox = yes
  separator = /
}}
"""


def settings(values):
    """msgraph_* settings, where this version wants them"""
    lines = "".join(f"{key} = {value}\n" for key, value in values.items())
    return lines if IS_24 else f"plugin {{\n{lines}}}\n"


def passwd_file(path):
    return (AUTH_24 if IS_24 else AUTH_23).format(passwd=path)


def imap_extra():
    """COMPRESS and METADATA"""
    if IS_24:
        return """
mail_attribute {
  dict file {
    path = %{home}/attributes
  }
}
protocol imap {
  imap_metadata = yes
}
"""
    return """
mail_attribute_dict = file:%h/attributes
protocol imap {
  mail_plugins = $mail_plugins imap_zlib
  imap_metadata = yes
}
"""


def fts_extra():
    """Full-text search with Debian's plugin, None where there is none"""
    plugin = "fts_flatcurve" if IS_24 else "fts_xapian"
    if not glob.glob(os.path.join(MODULES, f"lib2*_{plugin}_plugin.so")):
        return None
    if IS_24:
        return """
mail_plugins {
  fts = yes
  fts_flatcurve = yes
}
fts flatcurve {
}
language en {
  default = yes
}
language_filters = lowercase
language_tokenizers = generic
"""
    return """
mail_plugins = $mail_plugins fts fts_xapian
plugin {
  fts = xapian
  fts_xapian = partial=3 full=20
  fts_enforced = yes
}
"""


def delivery_extra(pop3_port):
    """POP3 with UIDLs that outlive the index, and LMTP on run/lmtp"""
    return f"""
protocols = imap pop3 lmtp
pop3_uidl_format = {"%{guid}" if IS_24 else "%g"}
postmaster_address = postmaster@example.com
lmtp_save_to_detail_mailbox = yes
service pop3-login {{
  inet_listener pop3 {{
    port = {pop3_port}
  }}
  inet_listener pop3s {{
    port = 0
  }}
}}
"""


def other_store(driver, path):
    """doveadm options for another store, as doveadm makes it in sync; where it
    can be said, with names as they are"""
    if IS_24:
        return [f"mail_driver={driver}", f"mail_path={path}"]
    return [f"mail_location={driver}:{path}:LAYOUT=fs"]


def conf(path, imap_port, uid, values, auth):
    return ((VERSION_24 if IS_24 else "") +
            COMMON.format(path=path, imap_port=imap_port, uid=uid) +
            (HEAD_24 if IS_24 else HEAD_23) +
            auth + settings(values))
