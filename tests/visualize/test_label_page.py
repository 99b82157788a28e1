"""The page of labelled recordings: what its script reads, of one body and of two."""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np
import pytest

from motion_jax.data.labelled.sequences import LabelledSet, Segment, Sequence
from motion_jax.errors import UserError
from motion_jax.skeletons.skeleton import Joint, Skeleton
from motion_jax.visualize.label_page import Band, Span, _track, make_label_page

BODY = Skeleton.from_table(
    "stick", [Joint("hips", None, "spine", (0, 0, 0)), Joint("head", "hips", "spine", (0, 9, 0))]
)


def labelled(bodies: int = 1, fps: float = 30.0) -> LabelledSet:
    places = np.random.default_rng(0).normal(0, 100, (20, 6 * bodies)).astype(np.float32)
    segments = (Segment(0, 8, 1), Segment(10, 20, 0))
    one = Sequence({"positions": places}, segments, "1", "test", "a</script>.txt")
    return LabelledSet("made", (one,), ("sit", "walk"), fps, "key", BODY.of_positions, bodies)


def data_of(page: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert found
    return json.loads(found[1])


@pytest.mark.parametrize("bodies", [1, 2])
def test_bands_lie_under_the_frames_that_are_drawn(bodies: int):
    dataset = labelled(bodies, fps=60.0)  # every second frame is drawn
    band = Band("net", lambda _: [Span(0.1, 0.2, 1, 0.75)])
    page = data_of(make_label_page(dataset, dataset.sequences, [band]))
    (scene,) = page["scenes"]
    assert (page["fps"], scene["frames"], page["bands"]) == (30.0, 10, ["Truth", "net"])
    assert scene["bands"] == [[[0.0, 4.0, 1, 1.0], [5.0, 10.0, 0, 1.0]], [[3.0, 6.0, 1, 0.75]]]
    assert len(page["skeleton"]["joints"]) == len(set(page["skeleton"]["joints"])) == 2 * bodies
    assert page["skeleton"]["bones"] == [[2 * n, 2 * n + 1] for n in range(bodies)]


def test_who_is_not_there_hides_in_the_first_body():
    dataset = labelled(2)
    places = dataset.sequences[0].arrays["positions"]
    places[:, 6:] = 0
    track = _track(dataset, dataset.sequences[0], 20, 1)
    np.testing.assert_array_equal(track.places[:, 2], track.places[:, 0])
    np.testing.assert_array_equal(track.places[:, 3], track.places[:, 0])
    assert places[:, 6:].any() == 0  # what is drawn is a copy


def test_without_a_body_there_is_no_page():
    arrays = LabelledSet("arrays", labelled().sequences, ("sit", "walk"), 4.0, "key")
    with pytest.raises(UserError, match="data set 'arrays' holds feature arrays"):
        make_label_page(arrays, arrays.sequences, [])
    with pytest.raises(UserError, match="no recordings"):
        make_label_page(labelled(), [], [])
