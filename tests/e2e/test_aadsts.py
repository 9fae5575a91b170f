"""Every code of the login host that the contract names (15.8), at a sign-in and
at a refresh: page, state, msgraphctl, log."""

import hashlib
import html
import os
import re

import pytest

from rig import ROOT, SECRET, Browser, Rig

TRANSIENT = {50000, 50033, 50087, 50196, 70012, 70016, 90006, 90012, 90024,
             90033, 90036, 90055, 90090}
CONSENT = {65001, 65004, 90093, 90094, 90095}


def table():
    """code -> (cause, remedy, state, actor), from the manual page, which a unit
    test compares with the table of the program."""
    with open(os.path.join(ROOT, "src/callback/msgraph-oauthd.8"),
              encoding="utf-8") as f:
        text = f.read().split(".Sh ERROR CODES")[1].split("\n.El")[0]
    out = {}
    for codes, cause, remedy, state, actor in re.findall(
            r"\.It ([\d ,]+)\nCause: (.*)\.\nRemedy: (.*)\.\n"
            r"State: (.*)\.\nTo be done by: (.*)\.", text):
        for code in codes.split(" , "):
            out[int(code)] = (cause, remedy, state, actor)
    return out


TABLE = table()
# what the contract lists; each must be known
CONTRACT = [int(n) for n in """
16000 50020 50034 51004 90072 50011 50053 50055 50056 50126 50144 50057 50058
50072 50074 50076 50078 50079 50125 50158 50089 50132 50133 50173 50097 50127
50129 50131 53000 53001 53002 53004 50105 50128 50059 90002 90019 900023 50147
501481 501491 50194 50196 500011 50001 53003 530032 530034 530035 54005 65001
65004 65002 65005 650052 650056 650057 70000 70001 700016 70002 7000215 7000222
7000218 700025 700027 50012 700030 70003 70005 70007 700054 700005 70008 700082
70043 700084 70011 28002 28003 700022 700023 70016 70018 70019 90008 90014
900144 90094 90095 9002313 9002325 9002326 9002327 9002332 90130 90124 9001023
90006 90012 90024 90033 90090 50033 50087 70012 90055 50000 90036""".split()]


def address(code):
    return f"u{code}@example.com"


@pytest.fixture(scope="module")
def rig():
    rig = Rig(users=[address(code) for code in TABLE])
    rig.write("secret", SECRET + "\n", 0o600)
    rig.start_sim()
    rig.start_oauthd()
    yield rig
    rig.close()


def test_contract_is_covered():
    assert set(CONTRACT) <= set(TABLE)
    assert {c for c, row in TABLE.items() if row[2] == "unreachable"} == \
        TRANSIENT
    assert {c for c, row in TABLE.items() if row[2] == "needs_consent"} == \
        CONSENT


@pytest.mark.parametrize("code", sorted(TABLE))
def test_code(rig, code):
    cause, remedy, state, actor = TABLE[code]
    user = address(code)
    link = rig.ask(op="link", account=user)["url"]
    rig.sim("token", op="fail", grant="authorization_code", code=code,
            error="invalid_grant")
    status, page = Browser(rig.context).follow(link, user)
    page = html.unescape(page)
    assert status == (502 if state == "unreachable" else 403)
    assert f"AADSTS{code}." in page and cause in page and remedy in page
    # what passes by itself has nobody to name
    assert (actor in page) == (actor != "nobody") and "<script" not in page
    assert ("adminconsent?" in page) == (state == "needs_consent")
    line = [l for l in rig.output("oauthd").splitlines()
            if f"account={user} " in l and "link_failed" in l][-1]
    assert f"code=AADSTS{code}" in line and f"state={state}" in line

    # the invitation still works; then the same at a refresh
    assert Browser(rig.context).follow(link, user)[0] == 200
    token = rig.ask(op="token", account=user)["token"]
    rig.sim("token", op="fail", grant="refresh_token", code=code,
            error="invalid_grant")
    answer = rig.ask(op="token", account=user, **{
        "not": hashlib.sha256(token.encode()).hexdigest()})
    assert answer["status"] == {
        "needs_consent": "needs_consent", "needs_sign_in": "needs_sign_in",
        "revoked": "needs_sign_in", "blocked_by_policy": "blocked",
        "misconfigured": "blocked", "unreachable": "unreachable"}[state]
    assert f"AADSTS{code}" in answer["message"]
    assert ("url" in answer) == answer["status"].startswith("needs_")


def test_msgraphctl(rig):
    """What it says of all of them, after the tests above."""
    out = rig.ctl("status")
    assert out.returncode == 1
    lines = {l.split()[0]: l for l in out.stdout.splitlines()}
    for code, (cause, remedy, state, actor) in TABLE.items():
        line = lines[address(code)]
        assert line.startswith(f"{address(code)} {state} since ")
        assert line.endswith(f": {cause} (AADSTS{code}): {remedy}; to be done "
                             f"by {actor}")
