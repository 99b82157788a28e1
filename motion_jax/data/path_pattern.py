"""What the path of a motion file says: who moves, what they do, and for which time."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from motion_jax.errors import UserError

FIELDS = ("subject", "action", "trial")
USUAL = (
    "{subject}/{subject}_{trial}",
    "{subject}/{action}_{trial}",
    "{subject}/{action}",
    "{action}_{trial}",
    "{action}",
)
"""Tried in this order where no pattern is given; the first is that of CMU's own tree."""
UNNAMED = "motion"  # the action where paths name none


class ParsedPath(NamedTuple):
    """One file and what its path says."""

    path: str  # below the root, with slashes
    subject: str  # "" where paths name none
    action: str
    trial: int  # 1-based; where paths number none, in the order of the paths


def parse_paths(root: Path, paths: Sequence[str], pattern: str = "") -> tuple[list[ParsedPath], list[str]]:
    """Reads subject, action and trial out of paths.

    Args:
        root: for messages.
        paths: below the root, with slashes.
        pattern: a path without its suffix, in which {subject}, {action} and {trial} (digits) stand for themselves and
            * for anything but a slash; a field that occurs twice must be the same text. Of several, separated by |,
            each path has the first that it fits. "": the first of `USUAL` that fits every path.

    Returns:
        What the paths say; and the paths that do not fit `pattern`.

    Raises:
        UserError: the pattern has unknown fields, no path fits, or two files would be one trial.
    """
    forms = [_compiled(each.strip()) for each in pattern.split("|")] if pattern else [_usual(root, paths)]
    named: list[ParsedPath] = []
    unfit: list[str] = []
    for path in paths:
        match = next(filter(None, (form.fullmatch(_stem(path)) for form in forms)), None)
        if match is None:
            unfit.append(path)
            continue
        fields = match.groupdict()
        who, what = fields.get("subject", ""), fields.get("action", UNNAMED)
        count = sum((file.subject, file.action) == (who, what) for file in named)
        named.append(ParsedPath(path, who, what, int(fields.get("trial", count + 1))))
    if not named:
        path = unfit[0]
        raise UserError(f"{root / path}: does not fit --pattern={pattern!r} ({_stem(path)!r}), nor does any other file")
    _check_unique(root, named)
    return named, unfit


def _usual(root: Path, paths: Sequence[str]) -> re.Pattern[str]:
    forms = [_compiled(pattern) for pattern in USUAL]
    unfit = [[path for path in paths if not form.fullmatch(_stem(path))] for form in forms]
    for form, others in zip(forms, unfit, strict=True):
        if not others:
            return form
    odd = min(unfit, key=len)[0]
    raise UserError(
        f"--source={str(root)!r}: paths like {odd!r} have none of the usual forms ({', '.join(USUAL)}), or not that of "
        f"the others: --pattern must say where {{subject}}, {{action}} and {{trial}} stand in them, or --exclude leave "
        f"out those that differ"
    )


def _compiled(pattern: str) -> re.Pattern[str]:
    parts, seen = [], set()
    for part in re.split(r"(\{[^{}]*\}|\*)", pattern):
        name = part[1:-1]
        if part == "*":
            parts.append("[^/]*")
        elif not part.startswith("{"):
            parts.append(re.escape(part))
        elif name not in FIELDS:
            raise UserError(f"--pattern={pattern!r}: {part} is unknown: it must be one of {{{'}, {'.join(FIELDS)}}}")
        else:
            parts.append(f"(?P={name})" if name in seen else f"(?P<{name}>{r'[0-9]+' if name == 'trial' else '[^/]+'})")
            seen.add(name)
    if not seen:
        raise UserError(f"--pattern={pattern!r}: it must hold one of {{{'}, {'.join(FIELDS)}}}")
    return re.compile("".join(parts))


def _stem(path: str) -> str:
    return path[: path.rindex(".")]


def _check_unique(root: Path, named: Sequence[ParsedPath]) -> None:
    seen: dict[tuple[str, str, int], str] = {}
    for file in named:
        other = seen.setdefault(file[1:], file.path)
        if other != file.path:
            raise UserError(
                f"{root / file.path}: trial {file.trial} of {file.action!r} by {file.subject or 'anyone'!r}, and so is "
                f"{other}: --pattern must tell them apart, or --exclude leave one out"
            )
