"""A throw-away CA and a certificate for this machine's loopback."""

import datetime
import ipaddress
import os

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID


def _name(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _write(path, data):
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(fd, "wb") as f:
        f.write(data)


def _key_pem(key):
    return key.private_bytes(serialization.Encoding.PEM,
                             serialization.PrivateFormat.PKCS8,
                             serialization.NoEncryption())


def _builder(subject, issuer, key, issuer_key, days):
    now = datetime.datetime.now(datetime.timezone.utc)
    return (x509.CertificateBuilder().subject_name(subject)
            .issuer_name(issuer).public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=days))
            # Python 3.13 wants the identifiers
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(
                key.public_key()), False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(
                issuer_key.public_key()), False))


def make(directory):
    """Writes ca.pem, server.pem, server.key; returns their paths."""
    os.makedirs(directory, exist_ok=True)
    paths = [os.path.join(directory, n)
             for n in ("ca.pem", "server.pem", "server.key")]
    if all(os.path.exists(p) for p in paths):
        return paths
    ca_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in "ab")
    ca_name = _name("graphsim throw-away CA")
    ca = (_builder(ca_name, ca_name, ca_key, ca_key, 30)
          .add_extension(x509.BasicConstraints(True, 0), True)
          .add_extension(x509.KeyUsage(
              False, False, False, False, False, True, True, False, False),
              True).sign(ca_key, hashes.SHA256()))
    cert = (_builder(_name("localhost"), ca_name, key, ca_key, 30)
            .add_extension(x509.SubjectAlternativeName([
                x509.DNSName("localhost"),
                x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
            .add_extension(x509.ExtendedKeyUsage(
                [ExtendedKeyUsageOID.SERVER_AUTH]), False)
            .sign(ca_key, hashes.SHA256()))
    _write(paths[0], ca.public_bytes(serialization.Encoding.PEM))
    _write(paths[1], cert.public_bytes(serialization.Encoding.PEM))
    _write(paths[2], _key_pem(key))
    os.chmod(paths[0], 0o644)
    return paths
