"""How text from outside and durations are printed in a terminal."""


def _shown(character: str) -> str:
    if character.isprintable():
        return character
    if "\udc80" <= character <= "\udcff":  # a byte of a file name that could not be decoded
        return f"\\x{ord(character) - 0xDC00:02x}"
    return character.encode("unicode_escape").decode("ascii")


# Longer durations come from records with impossible times.
_LONGEST = 100 * 365 * 24 * 3600


def duration(seconds: float) -> str:
    """`45 s`, `12 min` or `3 h 5 min`; never negative, whatever the clock or rounding does."""
    if not seconds <= _LONGEST:
        return "more than a century"
    seconds = max(0, round(seconds))
    if seconds < 120:
        return f"{seconds} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


def shown(text: object) -> str:
    """The text on one line, with every character that would control a terminal or cannot be written as an escape.

    File names and configuration values may contain colours, line breaks, right-to-left overrides or bytes that are not
    UTF-8; these become `\\x1b`, `\\n`, `\\u202e` and `\\xe9`. Escaping twice has no further effect.
    """
    return "".join(map(_shown, str(text)))
