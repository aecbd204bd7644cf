"""The certificate for signing results: the user's own, or one created on this machine.

FAKEMOTION_CERTIFICATE names a PEM file with the user's certificate followed by its issuer's (and so on up the chain);
FAKEMOTION_KEY names a PEM file with the private key. If neither is set, a local certificate is created once and kept in
the user's config folder. It does not prove anybody's identity, only that results come from the same machine. Its
issuer's private key is discarded, so that no other certificate can ever be issued in that name.
"""

import fcntl
import os
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from stages import InputError
from stages.media.files import atomic_write

CERTIFICATE, KEY = "FAKEMOTION_CERTIFICATE", "FAKEMOTION_KEY"  # environment variables
LOCAL = "FakeMotion local certificate"  # organisation in local certificates
YEARS = 50
CURVES = {256: "es256", 384: "es384", 521: "es512"}
USAGES = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
          "key_cert_sign", "crl_sign", "encipher_only", "decipher_only")


@dataclass(frozen=True)
class Certificate:
    path: Path
    chain: tuple[x509.Certificate, ...]  # the certificate, its issuer's, ...
    local: bool  # created on this machine

    @property
    def pem(self) -> bytes:
        return b"".join(one.public_bytes(serialization.Encoding.PEM) for one in self.chain)

    @property
    def issuer(self) -> str:
        """The issuer's certificate as PEM."""
        return self.chain[1].public_bytes(serialization.Encoding.PEM).decode()

    @property
    def serial(self) -> int:
        return self.chain[0].serial_number

    @property
    def owner(self) -> str:
        """Organisation and name in the certificate, or its whole subject if it has neither."""
        names = self.chain[0].subject
        found = [part.value for what in (NameOID.ORGANIZATION_NAME, NameOID.COMMON_NAME)
                 for part in names.get_attributes_for_oid(what)]
        return ", ".join(found) or names.rfc4514_string()


def signing_certificate() -> tuple[Certificate, bytes, str]:
    """The certificate, its private key (PEM) and C2PA's name of the algorithm. Creates the local certificate if needed.
    Raises InputError if the user's certificate cannot be used."""
    if not (os.environ.get(CERTIFICATE) or os.environ.get(KEY)):
        if not (path := local_path()).exists():
            try:
                create(path)
            except OSError as error:
                raise InputError(f"{path}: a certificate cannot be stored there ({error.strerror}); set "
                                 f"XDG_CONFIG_HOME to a writable folder, or set {CERTIFICATE} and {KEY}") from None
        certificate, key_path = read(path, local=True), path
    else:
        for name in (CERTIFICATE, KEY):
            if not os.environ.get(name):
                other = CERTIFICATE if name == KEY else KEY
                raise InputError(f"{name} is not set, but {other} is; set both, each to a PEM file, or neither")
        certificate, key_path = read(Path(os.environ[CERTIFICATE])), Path(os.environ[KEY])
    return certificate, *_private(key_path, certificate)


def own_certificates() -> list[Certificate]:
    """The user's certificate and the local one, as far as they exist."""
    own = os.environ.get(CERTIFICATE)
    local = local_path()
    return [*([read(Path(own))] if own else []), *([read(local, local=True)] if local.exists() else [])]


def local_path() -> Path:
    """The file with the local certificate and its key, outside of all projects."""
    folder = os.environ.get("XDG_CONFIG_HOME", "")
    return (Path(folder) if os.path.isabs(folder) else Path.home() / ".config") / "fakemotion" / "signing.pem"


def read(path: Path, local: bool = False) -> Certificate:
    """Reads a certificate chain in PEM format. Raises InputError if it is not one, or lacks the issuer's
    certificate."""
    try:
        chain = tuple(x509.load_pem_x509_certificates(path.read_bytes()))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not a readable certificate ({error}); expected a PEM file") from None
    if len(chain) < 2 or chain[0].issuer != chain[1].subject:
        raise InputError(f"{path}: expected your certificate followed by its issuer's; found {len(chain)}. "
                         "C2PA does not accept self-signed certificates")
    return Certificate(path, chain, local)


def _private(path: Path, certificate: Certificate) -> tuple[bytes, str]:
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), None)
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"{path}: not a readable private key ({error}); expected a PEM file without a "
                         "password") from None
    if key.public_key() != certificate.chain[0].public_key():
        raise InputError(f"{path}: does not match the certificate in {certificate.path}")
    if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.key_size in CURVES:
        algorithm = CURVES[key.curve.key_size]
    elif isinstance(key, ed25519.Ed25519PrivateKey):
        algorithm = "ed25519"
    elif isinstance(key, rsa.RSAPrivateKey):
        algorithm = "ps256"
    else:
        raise InputError(f"{path}: not a type of key that C2PA supports; expected EC P-256 to P-521, Ed25519 or RSA")
    return _pem(key), algorithm


def create(path: Path) -> None:
    """Writes a new key, its certificate and its issuer's to a file that only the user can read."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (path.parent / "lock").open("w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if path.exists():  # another process was first
            return
        content = _new_certificate()
        with atomic_write(path) as temporary:
            with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(content)


def _new_certificate() -> bytes:
    issuer_key, own_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    name = secrets.token_hex(4)  # distinguishes machines
    root = _certificate(f"issuer {name}", issuer_key, f"issuer {name}", issuer_key, {"key_cert_sign", "crl_sign"},
                       x509.BasicConstraints(True, 0))
    accepted = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION])  # one of those that C2PA requires
    leaf = _certificate(name, own_key, f"issuer {name}", issuer_key, {"digital_signature"},
                        x509.BasicConstraints(False, None), accepted)
    return _pem(own_key) + b"".join(one.public_bytes(serialization.Encoding.PEM) for one in (leaf, root))


def _certificate(name: str, key, issuer: str, signer, usages: set[str], *more: x509.ExtensionType) -> x509.Certificate:
    """A certificate for `key`, signed with the key `signer`."""
    begin = datetime.now(timezone.utc) - timedelta(days=1)  # tolerates clock differences
    subject = lambda common_name: x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, LOCAL),
                                     x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    builder = x509.CertificateBuilder(
        subject(issuer), subject(name), key.public_key(), x509.random_serial_number(), begin,
        begin + timedelta(days=365 * YEARS))
    allowed = x509.KeyUsage(**{usage: usage in usages for usage in USAGES})
    for extension in (allowed, *more):
        builder = builder.add_extension(extension, critical=True)
    for extension in (x509.SubjectKeyIdentifier.from_public_key(key.public_key()),
                      x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key())):
        builder = builder.add_extension(extension, critical=False)
    return builder.sign(signer, hashes.SHA256())


def _pem(key) -> bytes:
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                             serialization.NoEncryption())
