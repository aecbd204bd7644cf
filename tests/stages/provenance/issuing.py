"""Certificates for tests, issued by an authority with a root and an intermediate certificate."""

from datetime import datetime, timedelta, timezone
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

KEYS = {
    "P-256": lambda: ec.generate_private_key(ec.SECP256R1()), "P-384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "Ed25519": ed25519.Ed25519PrivateKey.generate, "RSA": lambda: rsa.generate_private_key(65537, 2048),
}
NO_USAGE = dict.fromkeys(("digital_signature", "content_commitment", "key_encipherment", "data_encipherment",
                          "key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only"), False)


def certificate(name: str, key, issuer: str, issuer_key, authority: bool, days: float = 30) -> x509.Certificate:
    named = lambda text: x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "A Studio"),
                                    x509.NameAttribute(NameOID.COMMON_NAME, text)])
    usage = {"key_cert_sign": True} if authority else {"digital_signature": True}
    begin = datetime.now(timezone.utc) - timedelta(days=40)
    builder = (
        x509.CertificateBuilder().subject_name(named(name)).issuer_name(named(issuer)).public_key(key.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(begin)
        .not_valid_after(begin + timedelta(days=40 + days))
        .add_extension(x509.BasicConstraints(authority, None), True)
        .add_extension(x509.KeyUsage(**NO_USAGE | usage), True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), False)
    )
    if not authority:
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), True)
    return builder.sign(issuer_key, None if isinstance(issuer_key, ed25519.Ed25519PrivateKey) else hashes.SHA256())


class Authority:
    """A certificate authority with a root and an intermediate certificate."""

    def __init__(self):
        self.root_key, self.key = KEYS["P-256"](), KEYS["P-256"]()
        self.root = certificate("root", self.root_key, "root", self.root_key, True)
        self.above = certificate("intermediate", self.key, "root", self.root_key, True)

    def issue(self, folder: Path, name: str, kind: str = "P-256", days: float = 30) -> tuple[Path, Path]:
        """Writes a certificate chain and its key; returns their paths."""
        key = KEYS[kind]()
        own = certificate(name, key, "intermediate", self.key, False, days)
        return write(folder, name, [own, self.above, self.root], key)


def write(folder: Path, name: str, chain: list[x509.Certificate], key) -> tuple[Path, Path]:
    pem = serialization.Encoding.PEM
    files = folder / f"{name}.pem", folder / f"{name}.key"
    files[0].write_bytes(b"".join(one.public_bytes(pem) for one in chain))
    files[1].write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    return files
