"""Text written by others, made safe for one line of a terminal."""

from scalefree.terminal import shown

# The most characters of one message; longer ones lose their middle.
LONGEST = 500


def printable(text: str, longest: int = LONGEST) -> str:
    """The text on one line, as a terminal shows it."""
    if len(text) > longest:
        text = f"{text[: longest // 2]}...{text[-longest // 2 :]}"
    return shown(text)


def quoted(value: object) -> str:
    """An unexpected value as quoted in a message: short, whatever it is."""
    # Avoid formatting an enormous or deeply nested value only to cut it.
    if isinstance(value, dict | list):
        return f"a {'mapping' if isinstance(value, dict) else 'list'} of {len(value)}"
    if isinstance(value, int) and abs(value) >= 10**20:
        return "a number of more than 20 digits"
    return printable(repr(value), 60)
