"""What goes wrong with the user's input, as one line each."""


class UnreadableInput(Exception):
    """An input that cannot be read as a capture; the message is one line for the user."""


class BadTarget(Exception):
    """What was to be diagnosed cannot be asked; the text is one line for the user, without what a terminal would obey."""

    def __init__(self, text: str) -> None:
        super().__init__("".join(c if c.isprintable() else "?" for c in text))


class NotAllowed(Exception):
    """This user, or this installation, cannot do it; the text is one line for the user that says what is missing."""
