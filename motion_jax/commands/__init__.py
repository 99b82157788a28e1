"""The commands: the flags and the body of each, one file a command."""
