"""How a message counts."""


def counted(count: int, what: str, plural: str = "") -> str:
    """ "1 row", "2 rows", "1,002 rows"."""
    return f"{count:,} {what if count == 1 else plural or what + 's'}"
