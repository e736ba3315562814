"""Owns where a text in UTF-8 may be cut: between two letters. Pure."""


def unfinished(octets: bytes | bytearray) -> int:
    """Return how many bytes at the end are the beginning of a letter that is not there as a whole: 0 to 3."""
    for back in range(1, min(3, len(octets)) + 1):
        octet = octets[-back]
        if octet < 0x80:  # noqa: PLR2004 - a letter of one byte
            return 0
        if octet >= 0xC0:  # noqa: PLR2004 - the first byte of a longer one
            length = 2 if octet < 0xE0 else 3 if octet < 0xF0 else 4  # noqa: PLR2004 - RFC 3629
            return back if back < length else 0
    return 0


def beginning(octets: bytes, limit: int) -> str:
    """Return the beginning of a text, of at most that many bytes; what is no UTF-8 is replaced."""
    cut = octets[:limit]
    return (cut[: len(cut) - unfinished(cut)] if len(octets) > limit else cut).decode(errors="replace")
