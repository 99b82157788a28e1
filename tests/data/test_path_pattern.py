from __future__ import annotations

from pathlib import Path

import pytest

from motion_jax.data.path_pattern import parse_paths
from motion_jax.errors import UserError

ROOT = Path("recordings")


def named(*paths: str, pattern: str = "") -> list[tuple]:
    return [tuple(file[1:]) for file in parse_paths(ROOT, paths, pattern)[0]]


@pytest.mark.parametrize(
    ("paths", "expected"),
    [(("01/01_02.amc", "35/35_17.amc"), [("01", "motion", 2), ("35", "motion", 17)]),
     (("anna/walk_fast_3.bvh",), [("anna", "walk_fast", 3)]),
     (("anna/walk_1.bvh", "bert/jump.bvh"), [("anna", "walk_1", 1), ("bert", "jump", 1)]),
     (("walk_1.bvh", "walk_10.bvh"), [("", "walk", 1), ("", "walk", 10)]),
     (("walk.bvh", "jump.bvh"), [("", "walk", 1), ("", "jump", 1)])],
)  # fmt: skip
def test_usual_paths_say_who_and_what(paths, expected):
    assert named(*paths) == expected


def test_a_pattern_says_where_the_fields_stand():
    pattern = "session*/{action}/{subject}-{trial}"
    assert named("session 2/walk/anna-07.htr", pattern=pattern) == [("anna", "walk", 7)]


def test_trials_without_numbers_count_in_order():
    paths = ("anna/walk/a.bvh", "anna/walk/b.bvh", "anna/jump/c.bvh")
    assert [file[2] for file in named(*paths, pattern="{subject}/{action}/*")] == [1, 2, 1]


def test_a_field_twice_is_the_same_text():
    files, unfit = parse_paths(ROOT, ("a/a_1.bvh", "a/b_1.bvh"), "{subject}/{subject}_{trial}")
    assert [file.path for file in files] == ["a/a_1.bvh"]
    assert unfit == ["a/b_1.bvh"]


def test_a_path_that_differs_from_the_others_is_the_one_that_is_named():
    with pytest.raises(UserError, match=r"paths like 'notes/old/walk_3\.bvh' have none of the usual forms.*--exclude"):
        named("anna/walk_1.bvh", "anna/walk_2.bvh", "notes/old/walk_3.bvh")


@pytest.mark.parametrize(
    ("paths", "pattern", "message"),
    [(("a/b/c/d.bvh",), "", "none of the usual forms.*--pattern"),
     (("a.bvh",), "{who}", r"\{who\} is unknown: it must be one of \{subject\}, \{action\}, \{trial\}"),
     (("a.bvh",), "*", "must hold one of"),
     (("walk_x.bvh",), "{action}_{trial}", "walk_x.bvh: does not fit"),
     (("a/walk_1.bvh", "b/walk_01.bvh"), "*/{action}_{trial}", "trial 1 of 'walk'.*and so is a/walk_1.bvh")],
)  # fmt: skip
def test_paths_that_say_nothing_are_refused(paths, pattern, message):
    with pytest.raises(UserError, match=message):
        named(*paths, pattern=pattern)
