"""Text that comes from outside, as a terminal may show it."""


def _shown(character: str) -> str:
    if character.isprintable():
        return character
    if "\udc80" <= character <= "\udcff":  # a byte of a file name that could not be decoded
        return f"\\x{ord(character) - 0xDC00:02x}"
    return character.encode("unicode_escape").decode("ascii")


def shown(text: object) -> str:
    """The text on one line with everything that a terminal would obey, or could not write, as an escape sequence.

    Names of files and values of settings may hold colours, line breaks, text that runs backwards, or bytes that are
    not UTF-8: those become `\\x1b`, `\\n`, `\\u202e` and `\\xe9`. Escaping twice changes nothing more.
    """
    return "".join(map(_shown, str(text)))
