"""Owns what a password becomes before a server sees it: a hash, or, where nobody else can read it, more. Pure. API.md section 2.1.

Whatever a server asks for, in its greeting or later, only what is listed here leaves: nothing ever in clear text over the network.

============================ ==========================================================================================
asked for                    what leaves
============================ ==========================================================================================
mysql_native_password        SHA1(p) xor SHA1(salt + SHA1(SHA1(p)))
caching_sha2_password        SHA256(p) xor SHA256(SHA256(SHA256(p)) + salt); if the server then wants all of it, as below
sha256_password              the password inside TLS that is verified; encrypted for the Secret's own key without TLS; else nothing
anything else                nothing: mysql_clear_password, mysql_old_password, dialog, LDAP, Kerberos, ed25519, ..., also inside TLS
============================ ==========================================================================================
"""

from dataclasses import dataclass, field

from pymysql import _auth

NATIVE = "mysql_native_password"
CACHING = "caching_sha2_password"
SHA256 = "sha256_password"
PLUGINS = (NATIVE, CACHING, SHA256)
CLEAR = frozenset({"mysql_clear_password", "dialog", "authentication_pam", "authentication_ldap_simple"})
SALT_BYTES = 20
SHOWN_PLUGIN = 64


class NotGiven(Exception):  # noqa: N818 - what we did
    """The password is not given away in the way the server asks for; the text says so to people."""


@dataclass(frozen=True, slots=True)
class Keeper:
    """A password, and what is known of who would see it: ``verified`` means TLS with a server whose certificate was verified."""

    password: bytes = field(repr=False)
    encrypted: bool
    verified: bool
    public_key: bytes | None = field(default=None, repr=False)

    def first(self, plugin: str, salt: bytes) -> bytes:
        """Return the answer to a server that names this plugin. Raises NotGiven."""
        if plugin not in PLUGINS:
            what = "in clear text, by" if plugin in CLEAR else "by"
            raise NotGiven(f"the server wants the password {what} {_shown(plugin)}: only {', '.join(PLUGINS)} are answered")
        if len(salt) < SALT_BYTES:
            raise NotGiven("the server gives no salt to hash the password with")
        salt = salt[:SALT_BYTES]
        if plugin == NATIVE:
            return bytes(_auth.scramble_native_password(self.password, salt))
        if plugin == CACHING:
            return bytes(_auth.scramble_caching_sha2(self.password, salt))
        return self.whole(plugin, salt) if self.password else b"\0"

    def whole(self, plugin: str, salt: bytes) -> bytes:
        """Return the whole password in a form that only the server can read. Raises NotGiven."""
        if self.verified:
            return self.password + b"\0"
        if self.encrypted:
            raise NotGiven(f"the server wants the whole password ({plugin}) inside TLS that is not verified: give a ca.crt in the Secret")
        if self.public_key is None:
            raise NotGiven(
                f"the server wants the whole password ({plugin}) without TLS: give a ca.crt or a server-public-key in the Secret"
            )
        try:
            return bytes(_auth.sha2_rsa_encrypt(self.password, salt[:SALT_BYTES], self.public_key))
        except ValueError as error:
            raise NotGiven("the password cannot be encrypted for the server-public-key of the Secret: it is too long for it") from error


def _shown(plugin: str) -> str:
    return "".join(letter if letter.isascii() and letter.isprintable() else "?" for letter in plugin[:SHOWN_PLUGIN]) or "an old method"
