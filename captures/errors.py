"""The one error that reading a capture can raise; damaged packets are values, never errors."""


class NotACapture(ValueError):
    """The bytes are not a capture format that netprobe reads; the message is one line for the user."""
