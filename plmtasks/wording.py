"""How a message counts."""


def counted(count: float, what: str, plural: str = "") -> str:
    """A number with its noun: "1 row", "2 rows", "0.5 epochs"; what is said of one, and of several.

    plural: where that is not the singular with an s
    """
    number = f"{count:g}" if isinstance(count, float) else str(count)
    return f"{number} {what if count == 1 else plural or f'{what}s'}"
