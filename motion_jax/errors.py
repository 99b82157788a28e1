"""The one error that a user's mistake ends in."""

from __future__ import annotations


class UserError(ValueError):
    """A mistake in what the user gave: a file, a flag, a config field, an array.

    The message is complete in itself: it names the file and line, or the field, the value that was found and what is
    allowed. Commands print it as one line and exit with status 2; nothing has been computed or overwritten by then.
    """
