"""What is wrong with a file, or odd about it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from pathlib import Path

from motion_jax.errors import UserError
from motion_jax.runtime.names import in_line

_LISTED = 20  # errors that one message names; the rest are counted


@dataclasses.dataclass(frozen=True)
class Finding:
    """One fact about one file, complete in itself."""

    severity: str  # "error": the data cannot be used so; "warning": it can, but you should know
    path: str  # below the tree's root, with slashes; as given where there is no tree
    line: int | None  # 1-based; None: the whole file
    message: str  # what was found, and what is allowed

    def __str__(self) -> str:
        where = self.path if self.line is None else f"{self.path}:{self.line}"
        return in_line(f"{where}: {self.message}")


def sort_findings(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Errors before warnings, then by file and line."""
    return tuple(sorted(findings, key=lambda item: (item.severity, item.path, item.line or 0, item.message)))


def raise_errors(findings: Iterable[Finding], root: Path | str = "") -> None:
    """Raises one `UserError` that lists the errors among `findings`, if there are any; `root` leads their paths."""
    errors = [item for item in sort_findings(findings) if item.severity == "error"]
    if not errors:
        return
    lines = [str(dataclasses.replace(item, path=str(Path(root) / item.path))) for item in errors]
    count = f"{len(lines)} errors: " if len(lines) > 1 else ""
    rest = f" | and {len(lines) - _LISTED} more" if len(lines) > _LISTED else ""
    raise UserError(count + " | ".join(lines[:_LISTED]) + rest)
