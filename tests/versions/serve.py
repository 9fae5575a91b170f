"""Runs the Dovecot of this system, with what a test rig of another system has
left. usage: serve.py DIR IMAP-PORT SETTINGS(JSON)"""

import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))), "e2e"))
import dovecot  # noqa: E402
from rig import BUILD, MAIL_UID  # noqa: E402

path, port, settings = sys.argv[1:]
modules = os.path.join(path, "modules")
dovecot.make_modules(BUILD, modules)
conf = os.path.join(path, "other.conf")
with open(conf, "w", encoding="utf-8") as f:
    f.write(dovecot.conf(path, port, MAIL_UID, json.loads(settings),
                         dovecot.passwd_file(os.path.join(path, "passwd"))))
argv = dovecot.private(modules, "dovecot", "-F", "-c", conf)
os.execvp(argv[0], argv)
