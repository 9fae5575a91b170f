"""Client assertions: a certificate in place of the client secret."""

import base64
import hashlib
import json

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding

from .login import LoginError

TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


def _decode(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _refuse(code, text):
    raise LoginError("invalid_client", code, text, 401)


def check(login, form, pem):
    """pem: the registered certificate; None: none is registered."""
    if form.get("client_assertion_type") != TYPE or "client_secret" in form:
        _refuse(7000218, "client_assertion_type")
    if pem is None:
        _refuse(700027, "No certificate is registered.")
    cert = x509.load_pem_x509_certificate(pem.encode())
    try:
        head, claims, signature = form["client_assertion"].split(".")
        header, data = json.loads(_decode(head)), json.loads(_decode(claims))
    except ValueError:
        _refuse(50027, "The assertion is malformed.")
    der = cert.public_bytes(serialization.Encoding.DER)
    if header.get("alg") != "PS256" or \
            _decode(header.get("x5t#S256", "")) != hashlib.sha256(der).digest():
        _refuse(700027, "The key of the assertion is not registered.")
    try:
        cert.public_key().verify(
            _decode(signature), f"{head}.{claims}".encode(),
            padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256())
    except InvalidSignature:
        _refuse(700027, "The signature of the assertion is wrong.")
    if data.get("iss") != form["client_id"] or data.get("sub") != data["iss"] or \
            not str(data.get("aud")).endswith("/oauth2/v2.0/token"):
        _refuse(50027, "The audience or issuer of the assertion is wrong.")
    if not data["nbf"] <= login.sim.now() < data["exp"]:
        _refuse(700024, "The assertion is outside of its time.")
    if data["jti"] in login.assertions:
        _refuse(50027, "The assertion was used before.")
    login.assertions.add(data["jti"])
