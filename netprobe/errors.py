"""What goes wrong with the user's input, as one line each."""


class UnreadableInput(Exception):
    """An input that cannot be read as a capture; the message is one line for the user."""
