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
  | (?:api|access|private|encryption|signing|master|ssh)[-_]?key
  | signature | (?<![a-z])sig(?![a-z])
  | (?<![a-z])auth(?-i:(?![a-z])) | (?-i:Auth(?![a-z])) | authoriz | authentic
    """,
    re.IGNORECASE | re.VERBOSE,
)


def is_secret_name(name: str) -> bool:
    """Tell whether a value of this name (a column, a header, a field, a parameter, a variable) is a secret."""
    return _SECRET_NAME.search(name) is not None
