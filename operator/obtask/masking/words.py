"""Owns the one list of words that name a secret, the mask, and how short a secret may be. Pure."""

import re

MASK = "******"
# A shorter secret is masked only where it stands alone: with the password "a", every "a" would go and the log with it.
SHORT = 4

# Words are found in camelCase too; the lock's fencing token is no secret, and targets must be able to show it.
_SECRET_NAME = re.compile(
    r"""
    passw | passphrase | pass$ | (?<![a-z])pass(?![a-z]) | (?-i:Pass(?![a-z])) | pwd
  | secret | (?<!lock)(?<!lock[-_])token | jwt | bearer | credential | cookie
  | (?:api|access|aes|private|encryption|signing|master|ssh)[-_]?key | access[-_]?id(?![a-z]) | kms[-_]?(?:encrypt[-_]?)?info
  | signature | (?<![a-z])sig(?![a-z])
  | (?<![a-z])auth(?-i:(?![a-z])) | (?-i:Auth(?![a-z])) | authoriz | authentic
    """,
    re.IGNORECASE | re.VERBOSE,
)


def is_secret_name(name: str) -> bool:
    """Tell whether a value of this name (a column, a header, a field, a parameter, a variable) is a secret."""
    return _SECRET_NAME.search(name) is not None


# What obshell keeps out of its own log besides (ob/agent/api/common/middleware.go): a passphrase, or a URI with the key of a storage.
_OBSHELL_NAMES = frozenset(
    {
        "archivebaseuri",
        "archiveloguri",
        "backupbaseuri",
        "context",
        "databackupuri",
        "databaseuri",
        "decryption",
        "encryption",
        "fullbackupdecryption",
        "incbackupdecryption",
    }
)


def is_obshell_secret_name(name: str) -> bool:
    """Tell whether a field of this name in the body of a request to obshell holds a secret."""
    return name.replace("_", "").lower() in _OBSHELL_NAMES or is_secret_name(name)
