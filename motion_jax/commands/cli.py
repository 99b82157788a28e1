"""The command line of every command: flags in, and a user's mistake out as one line."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import logging as python_logging
import numbers
import os
import re
import signal
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn, cast

import jax
import ml_collections
from absl import app, flags, logging
from ml_collections import config_flags

from motion_jax.commands import usage
from motion_jax.commands.shipped import find_config
from motion_jax.config import DEFAULT_MODEL, Experiment, model_configs, model_fields
from motion_jax.data.cache import at_usual_place
from motion_jax.errors import UserError
from motion_jax.runtime import distributed, streams
from motion_jax.runtime.backend import check_backend
from motion_jax.runtime.compilation import keep_compiled
from motion_jax.runtime.devices import use_cores
from motion_jax.runtime.files import user_path
from motion_jax.runtime.names import in_line
from motion_jax.train.stop import own_process

CONFIG = "config"  # the flag's name
PROCESSES = ("coordinator", "num_processes", "process_id", "heartbeat_timeout")  # the names of flags

_MISTAKE = 2  # exit status
_INTERRUPTED = 130  # 128 + SIGINT, as shells count
_MISSING = re.compile(r"flag --(\w+)=None: Flag --\1 must have a value other than None\.")  # as absl says it
_NO_NUMBER = re.compile(r"flag (--\S+?=.*?): (invalid literal for int|could not convert string to float)", re.DOTALL)
_CONFIG_FAILED = "Error whilst parsing config file"  # how ml_collections begins, before a whole traceback

flags.disclaim_key_flags()  # what is defined here belongs to the command that asks for it


def run(main: Callable[[list[str]], None], *, keep: bool = True, device: bool = True) -> NoReturn:
    """Parses the flags, calls `main(argv)` and exits.

    Args:
        main: the body of the command; the docstring of its module is what `--help` shows.
        keep: whether compiled programs are kept for the next command (see `compilation.keep_compiled`); not where
            compiling is measured.
        device: whether a device that JAX_PLATFORMS names must be there before anything is done.

    Exit status 0; 2 after a user's mistake (`UserError`, a wrong flag, a config file that does not load), which is
    printed as one line on stderr; 130 after Ctrl-C; 75 where another one of several processes is gone. Any other
    exception is a fault of the program, and its traceback is shown.
    """

    def parse(argv: list[str]) -> list[str]:
        if usage.wanted(argv):
            print(usage.text(argv[0], sys.modules[main.__module__].__doc__ or "", argv))
            sys.exit(0)
        return _parse(argv)

    def begin(argv: list[str]) -> None:
        _print_plain_warnings()
        if keep:
            keep_compiled()
        use_cores()
        own_process()
        if PROCESSES[-1] in flags.FLAGS:
            _join()
        if device:
            check_backend()
        try:
            main(argv)
        except Exception as error:
            if distributed.joined():
                _leave_others(error)
            if isinstance(error, (RuntimeError, AssertionError)):  # of JAX, where the first use of a device fails
                check_backend()
            raise

    try:
        logging.use_absl_handler()  # it replaces what libraries have set up for the streams as they are
        streams.survive_closed_pipes()
        try:
            app.run(begin, flags_parser=parse)
        finally:
            streams.flush()
    except UserError as error:
        _fail(str(error))
    except KeyboardInterrupt:
        _leave_interrupted()
    raise AssertionError("app.run does not return")


def _leave_interrupted() -> NoReturn:
    """Ends at once: XLA may still be compiling or computing in threads, which crash while the interpreter is ended."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C would interrupt these lines
    print("interrupted", file=sys.stderr)
    with contextlib.suppress(UserError):
        streams.flush()
    os._exit(_INTERRUPTED)


def define_config(default: str | None = None, any_model: bool = False) -> flags.FlagHolder:
    """Defines `--config=NAME`, a shipped configuration or a file, whose fields `--config.a.b=value` changes.

    Args:
        default: the configuration where none is named.
        any_model: whether the fields of every model and task can be changed, not only those of the configuration's own.
    """
    help_text = "A shipped configuration, such as bi_enc_50, or a file; --config.GROUP.FIELD=VALUE changes a field."
    try:
        if default is not None:  # then it reads the overrides already here
            _check_overrides(sys.argv)
        holder = config_flags.DEFINE_config_file(CONFIG, None, help_text)
        flags.FLAGS[CONFIG].parser = _ConfigParser(flags.FLAGS[CONFIG].parser, any_model)
        if default is not None and not usage.wanted(sys.argv):
            flags.set_default(holder, default)
        return holder
    except (flags.Error, UserError) as error:  # it looks into a --flagfile already here
        _fail(str(error))


def define_processes(*names: str) -> None:
    """Defines the flags by which several processes find each other.

    Args:
        names: `PROCESSES`, for those that compute together; without the last one, for those of which each does its
            share by itself. A command writes them out, so that they can be read in its source.
    """
    assert names in (PROCESSES, PROCESSES[:-1])
    flags.DEFINE_string(names[0], None, "Of several processes: HOST:PORT of the first. SLURM and Open MPI tell it.")
    flags.DEFINE_integer(names[1], None, "How many processes run together. SLURM and Open MPI tell it.")
    flags.DEFINE_integer(names[2], None, "Which of them this is, from 0. SLURM, Open MPI and Kubernetes tell it.")
    if names == PROCESSES:
        help_text = "Seconds after which a silent process counts as lost."
        flags.DEFINE_integer(names[3], distributed.HEARTBEAT_S, help_text, lower_bound=1)


def processes() -> distributed.Processes | None:
    """What the flags of `define_processes` or the cluster tell; None where there is one process."""
    coordinator, count, index = (flags.FLAGS[name].value for name in PROCESSES[:3])
    return distributed.find_processes(coordinator, count, index, connected=PROCESSES[-1] in flags.FLAGS)


def _join() -> None:
    found = processes()
    if found is None:
        return
    distributed.join(found, int(flags.FLAGS[PROCESSES[-1]].value or 0))
    if not distributed.is_first():  # what the first one says, the others would repeat
        sys.stdout = Path(os.devnull).open("w")  # noqa: SIM115


def _leave_others(error: Exception) -> NoReturn:
    """Ends one of several processes without waiting for the others, which may wait for it."""
    index, count = jax.process_index(), jax.process_count()
    where = f"process {index} of {count}"
    if distributed.is_lost(error):
        reason = str(error).strip().splitlines()[0]
        message = (
            f"{where}: another process has ended or cannot be reached ({reason}); start all of them again: a run goes "
            f"on from its last checkpoint"
        )
        status = distributed.LOST
    elif isinstance(error, UserError):
        message, status = f"{where}: {error}" if index else str(error), _MISTAKE
    else:
        traceback.print_exception(error)
        message, status = f"{where}: ended by the fault above", 1
    print_error(message)
    distributed.leave(status)


def define_path(name: str, default: str | None, help: str, *, required: bool = False) -> flags.FlagHolder[Any]:
    """Defines a flag that takes a path, in which `~` means a home folder."""
    return flags.DEFINE(_PathParser(), name, default, help, serializer=flags.ArgumentSerializer(), required=required)


def define_paths(name: str, default: str | None, help: str, *, required: bool = False) -> flags.FlagHolder[Any]:
    """Defines a flag that takes paths, patterns or names of models, whose value stays as it was typed.

    `split_paths` and `find_inputs` read several of them.
    """
    return flags.DEFINE(_PathsParser(), name, default, help, serializer=flags.ArgumentSerializer(), required=required)


def split_paths(value: str) -> list[Path]:
    """Paths separated by commas, in which `~` means a home folder; one that is there may have commas in its name."""
    if value and (whole := user_path(value)).exists():
        return [whole]
    return [user_path(path.strip()) for path in value.split(",") if path.strip()]


class _ConfigParser(flags.ArgumentParser):
    """Loads shipped configurations by name, and files as `loader` does."""

    def __init__(self, loader: flags.ArgumentParser, any_model: bool) -> None:
        self._loader = loader
        self._any_model = any_model

    def parse(self, argument: str) -> Any:
        file, colon, rest = argument.partition(":")  # the rest is for a get_config that takes an argument
        config = self._loader.parse(f"{find_config(file)}{colon}{rest}")
        if isinstance(config, ml_collections.ConfigDict) and isinstance(config.get("model"), ml_collections.ConfigDict):
            overrides = dict(_overrides(sys.argv))
            if self._any_model:  # of whatever task
                groups = {name: fields for name, fields in _all_fields().items() if isinstance(fields, dict)}
                config = ml_collections.ConfigDict(groups | config.to_dict())
            config.model = _model_fields(config.model.to_dict(), overrides.get("model.name"), self._any_model)
            for path in overrides:
                _check_read(path, config)
        return config

    def flag_type(self) -> str:
        return "config"


class _PathParser(flags.ArgumentParser):
    """A path as the user typed it."""

    def parse(self, argument: str) -> str:
        return str(user_path(argument)) if argument else argument

    def flag_type(self) -> str:
        return "path"


class _PathsParser(flags.ArgumentParser):
    """Text that names one or more paths."""

    def flag_type(self) -> str:
        return "path"


def _check_paths_named() -> None:
    """Raises `UserError` where a path is given but empty, as by a shell's variable that is not set."""
    for name in flags.FLAGS:
        flag = flags.FLAGS[name]
        if (
            flag.present
            and isinstance(flag.parser, (_PathParser, _PathsParser))
            and not str(flag.value).strip(", \t\n")
        ):
            raise UserError(f"--{name}={flag.value}: is empty: it must name a file or folder, or be left out")


def absolute(experiment: Experiment) -> Experiment:
    """With `data.root` and `data.cache` in full, so that what is recorded holds in any current folder.

    An empty `data.root` becomes the place where `motion-jax prepare` has put the data set. Raises `UserError` where no
    data set has that name.
    """
    data = at_usual_place(experiment.data)
    paths = {name: str(user_path(path).absolute()) for name in ("root", "cache") if (path := getattr(data, name))}
    return dataclasses.replace(experiment, data=dataclasses.replace(data, **paths))


def experiment(flag: flags.FlagHolder) -> Experiment:
    """The experiment that the flags ask for.

    Raises:
        UserError: no config file was named, it does not load, or a field is unknown, of a wrong type or impossible.
    """
    if flag.value is None and flag.present:
        raise UserError(f"--{CONFIG}: its get_config() must return a configuration; it returns None")
    if flag.value is None:
        raise UserError(f"--{CONFIG}=NAME is missing: name a configuration, such as quickstart or a file of your own")
    try:
        return absolute(Experiment.from_config_dict(flag.value))
    except OSError as error:  # ml_collections reports a file that it could not read when its value is first used
        raise UserError(_unreadable(error)) from None


def _parse(argv: list[str]) -> list[str]:
    """Parses as absl does. Whatever fails here is what the user gave: flags, and a config file, which is code."""
    try:
        if CONFIG in flags.FLAGS:
            _check_overrides(argv)
            sys.argv = argv = _config_first(argv)  # ml_collections reads sys.argv
        rest = flags.FLAGS(argv)
        _check_paths_named()
        if not flags.FLAGS["verbosity"].present:
            logging.set_verbosity(logging.WARNING)  # at INFO, libraries report every file they write
    except Exception as error:
        _fail(_explain(error))
    if len(rest) > 1:
        _fail(f"unexpected argument {rest[1]!r}: arguments look like --name=value")
    return rest


def _print_plain_warnings() -> None:
    """What the program and its libraries warn of is one line that begins like an error's, without place and time."""

    def show(message: Warning | str, *_: object, **__: object) -> None:
        print("warning:", " ".join(str(message).split()), file=sys.stderr)

    warnings.showwarning = cast(Any, show)
    cast(Any, logging.get_absl_handler()).setFormatter(_PlainFormatter())


class _PlainFormatter(python_logging.Formatter):
    def format(self, record: python_logging.LogRecord) -> str:
        level = "" if record.levelno <= python_logging.INFO else f"{record.levelname.lower()}: "
        if isinstance(given := record.args, tuple):  # names and errors among them
            record = copy.copy(record)  # other handlers have the arguments as they are
            record.args = tuple(each if isinstance(each, numbers.Number) else in_line(each) for each in given)
        return level + super().format(record)


def print_error(error: object) -> None:
    """One line on stderr, whatever names are in it."""
    print("error:", " ".join(str(error).split()), file=sys.stderr, flush=True)


def _fail(message: str) -> NoReturn:
    print_error(message)
    sys.exit(_MISTAKE)


def _overrides(argv: list[str]) -> Iterator[tuple[str, str]]:
    """Path and text of each `--config.PATH=TEXT`."""
    for argument in argv[1:]:
        name, _, text = argument.lstrip("-").partition("=")
        name = name.removeprefix("no")
        if name.startswith(f"{CONFIG}."):
            yield name.removeprefix(f"{CONFIG}."), text


def _config_first(argv: list[str]) -> list[str]:
    """Flags may stand in any order; ml_collections wants the configuration before what changes it."""
    if "--" in argv:
        return argv
    named = [argument for argument in argv[1:] if argument.lstrip("-").startswith(f"{CONFIG}=")]
    return [argv[0], *named, *(argument for argument in argv[1:] if argument not in named)]


def _check_overrides(argv: list[str]) -> None:
    """Names the valid keys beside an unknown one, which ml_collections does not."""
    for path, _ in _overrides(argv):
        _check_key(f"{CONFIG}.{path}")


def _model_fields(values: Mapping[str, Any], name: str | None, any_model: bool) -> ml_collections.ConfigDict:
    """The group `model` with all the fields of its model, or of the one that is named instead, or of every model."""
    name = str(name or values.get("name", DEFAULT_MODEL))
    if name not in model_configs():
        return ml_collections.ConfigDict({**values, "name": name})  # refused where the experiment is made
    return ml_collections.ConfigDict((_of_every_model() if any_model else {}) | model_fields(values, name))


def _check_read(path: str, config: ml_collections.ConfigDict) -> None:
    """Refuses a field that there is, but that the configuration's model does not read."""
    group, _, field = path.partition(".")
    fields = config.get(group)
    if group not in config:  # a whole group that it does not read
        raise UserError(f"--{CONFIG}.{path}: model {config.model.name!r} does not read it")
    if isinstance(fields, ml_collections.ConfigDict) and field and field not in fields:
        read = ", ".join(name for name in config.model if name != "name") or "no field"
        of_model = f"; it reads {read}" if group == "model" else ""
        raise UserError(f"--{CONFIG}.{path}: model {config.model.name!r} does not read it{of_model}")


def _all_fields() -> dict[str, Any]:
    """Of every group, and of every model."""
    return {**dataclasses.asdict(Experiment()), "model": _of_every_model()}


def _of_every_model() -> dict[str, Any]:
    return {field.name: field.default for config in model_configs().values() for field in dataclasses.fields(config)}


def _check_key(name: str) -> None:
    fields: Any = _all_fields()
    for part in name.split(".")[1:]:
        if not isinstance(fields, Mapping):
            raise UserError(f"--{name}: {fields!r} has no fields")
        if part not in fields:
            raise UserError(f"--{name}: unknown key {part!r}; valid keys: {', '.join(sorted(fields))}")
        fields = fields[part]


def _explain(error: Exception) -> str:
    if isinstance(error, UserError):
        return str(error)
    if _CONFIG_FAILED in str(error):
        return _explain_config(error)
    if isinstance(error.__context__, UserError) and _CONFIG_FAILED not in str(error.__context__):
        return str(error.__context__)  # raised by a parser of ours
    if isinstance(error, flags.UnrecognizedFlagError):
        return _explain_unknown(error)
    if isinstance(error, flags.Error):
        missing = _MISSING.findall(str(error))
        if len(missing) > 1:
            names = ", ".join(f"--{name}" for name in missing[:-1])
            return f"{names} and --{missing[-1]} are missing: {sys.argv[0]} --help shows what they take"
        if missing:
            return f"--{missing[0]} is missing: {flags.FLAGS[missing[0]].help}"
        if wrong := re.match(
            r"flag (--\S+?=.*?): (invalid literal for int|could not convert string to float)", str(error)
        ):
            return f"{wrong[1]}: it must be a {'whole ' * wrong[2].startswith('invalid')}number"
        return str(error)
    return _explain_config(error)


def _explain_unknown(error: flags.UnrecognizedFlagError) -> str:
    """With the nearest flag, or the field of the configuration that has this name."""
    name = error.flagname
    if name.startswith(f"{CONFIG}."):
        return (
            f"--{name} changes a field of a config file, but no --{CONFIG}=NAME is given; "
            f"resuming a run with a change needs it too"
        )
    if CONFIG in flags.FLAGS:
        groups = {group: fields for group, fields in _all_fields().items() if isinstance(fields, Mapping)}
        if named := [f"--{CONFIG}.{group}.{name}=VALUE" for group, fields in groups.items() if name in fields]:
            return f"--{name}: no such flag; {' or '.join(named)} changes the field of the configuration"
    near = str(error).partition(". ")[2]  # absl's guess
    return f"--{name}: no such flag. {near or f'{sys.argv[0]} --help lists them'}"


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
