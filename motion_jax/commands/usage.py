"""The text of `motion-jax COMMAND --help`: the command's description, its own flags, the names of libraries' flags."""

from __future__ import annotations

import re
import shutil
import sys
import textwrap

from absl import flags

_ASKS = ("--help", "-help", "-h", "-?", "--helpshort", "-helpshort")
_ASKS_ALL = ("--helpfull", "-helpfull")
_KINDS = {"int": "NUMBER", "float": "NUMBER", "comma separated list of strings": "A,B", "path": "PATH",
          "config": "NAME"}  # fmt: skip
_REQUIRED = "must have a value other than None"  # how absl's validator of a required flag ends
_WIDEST = 100


def wanted(argv: list[str]) -> bool:
    """Whether the arguments ask for help."""
    return any(argument in (*_ASKS, *_ASKS_ALL) for argument in argv[1:])


def text(program: str, description: str, argv: list[str]) -> str:
    """The help of a command whose flags are defined. `--helpfull` in `argv` describes those of libraries too."""
    own = [flag for flag in _flags() if not _of_library(flag)]
    others = sorted((flag for flag in _flags() if _of_library(flag)), key=lambda flag: flag.name)
    parts = [f"{program}: {description.strip()}"]
    if own:
        parts.append("Flags:\n" + "\n".join(map(_describe, own)))
    if any(argument in _ASKS_ALL for argument in argv):
        parts.append("Flags of libraries:\n" + "\n".join(map(_describe, others)))
    else:
        names = " ".join(f"--{flag.name}" for flag in others)
        parts.append(_wrapped(f"Flags of libraries, described by --helpfull: {names}", ""))
    return "\n\n".join(parts)


def _flags() -> list[flags.Flag]:
    """Each once, in the order of their definition, without those that change fields of a configuration."""
    found = {flags.FLAGS[name].name: flags.FLAGS[name] for name in flags.FLAGS}
    return [flag for name, flag in found.items() if "." not in name]


def _of_library(flag: flags.Flag) -> bool:
    """absl's own, and what libraries define as they are imported; a script's module is its path."""
    module = flags.FLAGS.find_module_defining_flag(flag.name) or ""
    return module in sys.modules and module.partition(".")[0] != __name__.partition(".")[0]


def _describe(flag: flags.Flag) -> str:
    details = []
    if any(_REQUIRED in str(validator.message) for validator in flag.validators):
        details.append("required")
    elif flag.default_as_str not in (None, "", "''", "'None'") and not isinstance(flag.default, list):
        details.append(f"default: {flag.default_as_str.strip(chr(39))}")
    note = f" ({'; '.join(details)})" if details else ""
    text = re.sub(r"^<.*?>: ", "", flag.help or "")  # absl's list of an enumeration's values: they are in the form
    return f"  {_form(flag)}\n{_wrapped(f'{text}{note}', '      ')}"


def _form(flag: flags.Flag) -> str:
    if flag.boolean:
        return f"--[no]{flag.name}"
    if isinstance(flag, flags.EnumFlag):
        return f"--{flag.name}={'|'.join(flag.parser.enum_values)}"
    return f"--{flag.name}={_KINDS.get(flag.parser.flag_type(), 'TEXT')}"


def _wrapped(line: str, indent: str) -> str:
    width = min(shutil.get_terminal_size().columns, _WIDEST)
    return textwrap.fill(line, width, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False)
