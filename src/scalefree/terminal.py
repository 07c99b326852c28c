"""What a terminal shows: text that comes from outside, and spans of time."""


def _shown(character: str) -> str:
    if character.isprintable():
        return character
    if "\udc80" <= character <= "\udcff":  # a byte of a file name that could not be decoded
        return f"\\x{ord(character) - 0xDC00:02x}"
    return character.encode("unicode_escape").decode("ascii")


def duration(seconds: float) -> str:
    """`45 s`, `12 min` or `3 h 5 min`; never below zero, whatever a clock or rounding makes of it."""
    seconds = max(0, round(seconds))
    if seconds < 120:
        return f"{seconds} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


def shown(text: object) -> str:
    """The text on one line with everything that a terminal would obey, or could not write, as an escape sequence.

    Names of files and values of settings may hold colours, line breaks, text that runs backwards, or bytes that are
    not UTF-8: those become `\\x1b`, `\\n`, `\\u202e` and `\\xe9`. Escaping twice changes nothing more.
    """
    return "".join(map(_shown, str(text)))
