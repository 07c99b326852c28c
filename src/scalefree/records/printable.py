"""Text that somebody else wrote, made fit for one line of a terminal."""

from scalefree.terminal import shown

# Characters of one message; longer ones lose their middle.
LONGEST = 500


def printable(text: str, longest: int = LONGEST) -> str:
    """The text on one line, as a terminal shows it."""
    if len(text) > longest:
        text = f"{text[: longest // 2]}...{text[-longest // 2 :]}"
    return shown(text)


def quoted(value: object) -> str:
    """A value that is not what it should be, as a message quotes it: short, whatever it is."""
    # The text of an enormous or deeply nested value is not made to be thrown away.
    if isinstance(value, dict | list):
        return f"a {'mapping' if isinstance(value, dict) else 'list'} of {len(value)}"
    if isinstance(value, int) and abs(value) >= 10**20:
        return "a number of more than 20 digits"
    return printable(repr(value), 60)
