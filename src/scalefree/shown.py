"""Text of unknown origin on a terminal."""


def shown(text: str) -> str:
    """The text as one line that a terminal shows and does not obey: line ends and escapes are spelt out."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
