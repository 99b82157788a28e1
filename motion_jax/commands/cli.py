"""The door of every command: flags in, and a user's mistake out as one line."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from absl import app, flags, logging
from ml_collections import config_flags

from motion_jax.config import Experiment
from motion_jax.errors import UserError
from motion_jax.runtime.compilation import keep_compiled
from motion_jax.runtime.devices import use_cores

CONFIG = "config"  # the flag's name

_MISTAKE = 2  # exit status
_INTERRUPTED = 130  # 128 + SIGINT, as shells count
_CONFIG_FAILED = "Error whilst parsing config file"  # how ml_collections begins, before a whole traceback


def run(main: Callable[[list[str]], None], *, keep: bool = True) -> NoReturn:
    """Parses the flags, calls `main(argv)` and exits.

    Compiled programs are kept for the next command (see `compilation.keep_compiled`), unless `keep` is false: a command
    that measures compiling must compile.

    Exit status 0; 2 after a user's mistake (`UserError`, a wrong flag, a config file that does not load), which is
    told in one line on stderr; 130 after Ctrl-C. Any other exception is a fault of the program and shows its traceback.
    """

    def begin(argv: list[str]) -> None:
        if keep:
            keep_compiled()
        use_cores()
        main(argv)

    try:
        app.run(begin, flags_parser=_parse)
    except UserError as error:
        _fail(str(error))
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(_INTERRUPTED)
    raise AssertionError("app.run does not return")


def define_config(default: str | None = None) -> flags.FlagHolder:
    """Defines `--config=FILE`, whose fields `--config.a.b=value` changes."""
    help_text = "A configuration file; --config.a.b=value changes one of its fields."
    try:
        if default is not None:  # then it reads the overrides already here
            _check_overrides(sys.argv)
        return config_flags.DEFINE_config_file(CONFIG, default, help_text, lock_config=True)
    except (flags.Error, UserError) as error:  # it looks into a --flagfile already here
        _fail(str(error))


def experiment(flag: flags.FlagHolder) -> Experiment:
    """The experiment that the flags ask for.

    Raises:
        UserError: no config file was named, it does not load, or a field is unknown, of a wrong type or impossible.
    """
    if flag.value is None and flag.present:
        raise UserError(f"--{CONFIG}: its get_config() must return a configuration; it returns None")
    if flag.value is None:
        raise UserError(f"--{CONFIG}=FILE is missing: name a configuration, such as configs/quickstart.py")
    try:
        return Experiment.from_config_dict(flag.value)
    except OSError as error:  # ml_collections reports a file that it could not read when its value is first used
        raise UserError(_unreadable(error)) from None


def _parse(argv: list[str]) -> list[str]:
    """Parses as absl does. Whatever fails here is what the user gave: flags, and a config file, which is code."""
    try:
        if CONFIG in flags.FLAGS:
            _check_overrides(argv)
        rest = flags.FLAGS(argv)
        if not flags.FLAGS["verbosity"].present:
            logging.set_verbosity(logging.WARNING)  # at INFO, libraries tell of every file they write
    except Exception as error:
        _fail(_explain(error))
    if len(rest) > 1:
        _fail(f"unexpected argument {rest[1]!r}: arguments look like --name=value")
    return rest


def _fail(message: str) -> NoReturn:
    print("error:", " ".join(message.split()), file=sys.stderr)
    sys.exit(_MISTAKE)


def _check_overrides(argv: list[str]) -> None:
    """Names the valid keys beside an unknown one, which ml_collections does not."""
    for argument in argv[1:]:
        name = argument.lstrip("-").partition("=")[0].removeprefix("no")
        if name.startswith(f"{CONFIG}."):
            _check_key(name)


def _check_key(name: str) -> None:
    fields: Any = Experiment().to_dict()
    for part in name.split(".")[1:]:
        if not isinstance(fields, Mapping):
            raise UserError(f"--{name}: {fields!r} has no fields")
        if part not in fields:
            raise UserError(f"--{name}: unknown key {part!r}; valid keys: {', '.join(sorted(fields))}")
        fields = fields[part]


def _explain(error: Exception) -> str:
    if isinstance(error, flags.UnrecognizedFlagError) and error.flagname.startswith(f"{CONFIG}."):
        return f"--{error.flagname} changes a field of a config file, but no --{CONFIG}=FILE is given"
    if isinstance(error, flags.Error) and _CONFIG_FAILED not in str(error):
        return str(error)
    return _explain_config(error)


def _explain_config(error: BaseException) -> str:
    """Why a config file did not load: what its own code raised lies below what the parsers made of it."""
    while error.__context__ is not None and not isinstance(error, OSError):
        error = error.__context__
    if isinstance(error, UserError):
        return str(error)
    if isinstance(error, OSError):
        return _unreadable(error)
    if isinstance(error, SyntaxError):
        return f"--{CONFIG}: {error.filename}:{error.lineno}: it must be Python: {error.msg}"
    if isinstance(error, AttributeError) and error.name == "get_config":
        return f"--{CONFIG}: the file must define get_config()"
    where = traceback.extract_tb(error.__traceback__)[-1]
    return f"--{CONFIG}: {where.filename}:{where.lineno}: {type(error).__name__}: {error}"


def _unreadable(error: OSError) -> str:
    """The end of ml_collections' account of its attempts is the system's reason."""
    return f"--{CONFIG}: {str(error).strip().splitlines()[-1].rpartition('failure to load: ')[2].strip()}"
