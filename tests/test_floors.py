"""Data goes one way: a file imports only from floors below its own, or from its own room."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FLOORS = (
    ("errors", "types", "config", "registry", "runtime", "skeletons"),
    ("geometry", "nn", "representations", "pose_space", "teacher_forcing"),
    ("losses", "data"),
    ("models", "recognition", "anticipation"),
    ("evaluation",),
    ("train",),
    ("inference",),
    ("experiments", "export", "visualize", "benchmark"),
    ("commands",),
    ("__main__",),
)
SAME_FLOOR = {
    ("types", "skeletons"),
    ("skeletons", "errors"),
    ("config", "errors"),
    ("registry", "config"),
    ("registry", "errors"),
    ("runtime", "errors"),
    ("runtime", "config"),
    ("runtime", "types"),
    ("data", "losses"),
    ("representations", "geometry"),
    ("pose_space", "representations"),
}
"""Within a floor: the alphabet is read by its neighbours. Rooms that work on several runs may use each other."""
TOP = FLOORS[-3]
FLOOR = {
    ("types", "skeleton"),
    ("bodies", "skeleton"),
    ("skeleton", "errors"),
    ("config", "errors"),
    ("evaluate", "scores"),
}
"""Within a floor: the alphabet is read by its neighbours. The top floor's rooms may use each other without a cycle."""
FLOOR = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}


def _imports(path: Path) -> set[str]:
    """The rooms of motion_jax that a file imports."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "motion_jax":
            parts = node.module.split(".")
            names |= {parts[1]} if len(parts) > 1 else {alias.name for alias in node.names}
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[1] for alias in node.names if alias.name.startswith("motion_jax.")}
    return names & FLOOR.keys()


def _files() -> list[Path]:
    return [path for path in sorted((ROOT / "motion_jax").rglob("*.py")) if path.parent.name != "motion_jax"
            or path.name != "__init__.py"]  # fmt: skip


def _room(path: Path) -> str:
    return path.relative_to(ROOT / "motion_jax").parts[0].removesuffix(".py")


def test_every_room_has_a_floor():
    assert {_room(path) for path in _files()} == set(FLOOR)


@pytest.mark.parametrize("path", _files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_down(path):
    room = _room(path)
    for other in _imports(path) - {room}:
        down = FLOOR[other] < FLOOR[room]
        top = other in TOP and room in TOP
        assert down or top or (room, other) in SAME_FLOOR, f"{path.name} ({room}) must not import {other}"


def test_the_top_floor_has_no_cycle():
    top = TOP
    needs = {room: set().union(*(_imports(path) for path in _files() if _room(path) == room)) & set(top) - {room}
             for room in top}  # fmt: skip
    while needs:
        free = [room for room, others in needs.items() if not others & needs.keys()]
        assert free, f"rooms import each other: {sorted(needs)}"
        needs = {room: others for room, others in needs.items() if room not in free}


@pytest.mark.parametrize("folder", ["motion_jax", "configs"])
def test_nobody_imports_commands_or_configs(folder):
    for path in (ROOT / folder).rglob("*.py"):
        text = path.read_text()
        assert "import launch" not in text
        assert "from launch" not in text
        assert "from configs" not in text


def test_models_are_imported_only_where_they_are_made():
    """Loop, evaluation and pictures know no model: they are handed one."""
    allowed = {"models", "inference", "train", "benchmark", "export", "commands"}
    users = {_room(path) for path in _files() if "models" in _imports(path)}
    assert users <= allowed
