"""Commands: parse, call, print where the result lies."""
