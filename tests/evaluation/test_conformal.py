"""Laws of conformal radii: what is promised of exchangeable errors holds."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from motion_jax.errors import UserError
from motion_jax.evaluation.conformal import (
    Radii,
    check_levels,
    conformal_quantile,
    joint_distances,
    joint_places,
    least_count,
    radii_of,
)
from motion_jax.evaluation.coverage import crps_gaussian, crps_quantiles, distance_crps, measure_coverage
from motion_jax.evaluation.scale import FLOORS, Scale
from motion_jax.runtime.files import sealed
from motion_jax.skeletons.bodies import H36M

LEVELS = (0.5, 0.9, 0.95)
JOINTS, FRAMES = 3, 4


def errors(rng, count):
    """Distances `[n, T, J]` that grow with time, one joint of which never moves."""
    pace = rng.gamma(2.0, size=(count, 1, 1)) * rng.gamma(4.0, size=(count, FRAMES, JOINTS))
    return pace * np.arange(1, FRAMES + 1)[:, None] * np.array([1.0, 10.0, 0.0])


def radii(distances, by="window", groups=None, scaled=()):
    sizes, known = radii_of(distances, LEVELS, groups, *scaled), (25.0, by, len(distances), 1, 1, ("clip",))
    extra = {"scale": sizes.scale, "distribution": sizes.distribution}
    return Radii(LEVELS, *sizes[:3], ("a", "b", "c"), *known, {"name": "x"}, "hash", **extra)  # pyright: ignore


def test_coverage_of_exchangeable_errors_is_the_level_within_binomial_bounds():
    rng = np.random.default_rng(0)
    found = measure_coverage(errors(rng, 4000), radii(errors(rng, 2000)), np.arange(4000) % 400, draws=200)
    for level, coverage in zip(LEVELS, found, strict=True):
        bound = 4 * np.sqrt(level * (1 - level) * (1 / 4000 + 1 / 2000))  # of calibration and test
        assert np.all(np.abs(coverage.covered - level) < bound)
        assert abs(coverage.band - level) < bound
        assert np.all(np.abs(coverage.pose - level) < bound)
        assert np.all((coverage.low <= coverage.covered) & (coverage.covered <= coverage.high))


def test_the_quantile_is_the_order_statistic_whose_mean_coverage_is_exact():
    """Of 9 uniform scores the largest covers 90% on average: no level short, none to spare."""
    rng = np.random.default_rng(1)
    scores = rng.uniform(size=(9, 40_000))
    assert np.array_equal(conformal_quantile(scores, 0.9), scores.max(0))
    assert conformal_quantile(scores, 0.9).mean() == pytest.approx(0.9, abs=0.002)
    assert np.array_equal(conformal_quantile(scores, 0.5), np.sort(scores, axis=0)[4])


def test_by_group_a_new_group_is_covered_where_windows_of_one_are_alike():
    """Windows share their recording's error: a few recordings seen do not cover a new one unless it is counted."""
    rng = np.random.default_rng(2)
    misses = {"window": 0.0, "group": 0.0}
    trials = 1500
    for _ in range(trials):
        calibration, test = rng.exponential(size=12), rng.exponential()
        scores, groups = np.repeat(calibration, 20), np.repeat(np.arange(12), 20)
        misses["window"] += float(test > conformal_quantile(scores, 0.9))
        misses["group"] += float(test > conformal_quantile(scores, 0.9, groups.tolist()))
    spread = 3 * np.sqrt(0.1 * 0.9 / trials)
    assert misses["group"] / trials < 0.1 + spread
    assert misses["window"] / trials > 0.1 + spread


def test_each_group_weighs_the_same_and_groups_of_one_are_windows():
    scores = np.random.default_rng(3).uniform(size=(40, 5))
    assert np.array_equal(conformal_quantile(scores, 0.9, range(40)), conformal_quantile(scores, 0.9))
    twice = np.concatenate([scores, scores[:10], scores[:10]])
    groups = [*range(40), *range(10), *range(10)]
    assert np.array_equal(conformal_quantile(twice, 0.9, groups), conformal_quantile(scores, 0.9))


def test_a_higher_level_has_larger_radii_and_a_band_is_wider_than_its_frames():
    made = radii(errors(np.random.default_rng(4), 500))
    assert np.all(np.diff(made.radius[..., :2], axis=0) > 0)
    assert np.all(made.band_radius[..., :2] > made.radius[..., :2])
    assert not made.radius[..., 2].any()  # the joint that does not move
    assert not made.band_radius[..., 2].any()


@pytest.mark.parametrize(("level", "needed"), [(0.5, 1), (0.8, 4), (0.9, 9), (0.95, 19), (0.99, 99)])
def test_too_few_scores_for_a_level_give_an_infinite_radius(level, needed):
    assert least_count(level) == needed
    scores = np.arange(needed, dtype=float)
    assert np.isfinite(conformal_quantile(scores, level))
    assert np.isfinite(conformal_quantile(scores, level, range(needed)))
    if needed > 1:
        assert conformal_quantile(scores[1:], level) == np.inf
        assert conformal_quantile(scores[1:], level, range(needed - 1)) == np.inf


def test_what_is_not_finite_is_not_covered():
    scores = np.array([1.0, np.nan, 2.0, 3.0])
    assert conformal_quantile(scores, 0.8) == np.inf
    calm = errors(np.random.default_rng(5), 100)
    broken = calm.copy()
    broken[0, 0, 0] = np.nan
    whole, less = (measure_coverage(some, radii(calm), np.arange(100), draws=2)[-1] for some in (calm, broken))
    assert less.covered[0] == pytest.approx(whole.covered[0] - 1 / 200)


def test_levels_and_radii_are_checked():
    assert check_levels([0.9, 0.5, 0.9]) == (0.5, 0.9)
    with pytest.raises(UserError, match=r"level=1: must lie between 0 and 1"):
        check_levels([0.5, 1.0])
    made = radii(errors(np.random.default_rng(6), 50))
    assert made.index(0.95) == 2
    with pytest.raises(UserError, match=r"level=0\.8: must be one of 0\.5, 0\.9, 0\.95"):
        made.index(0.8)
    with pytest.raises(UserError, match=r"must be \[L, T, J\]"):
        dataclasses.replace(made, radius=made.radius[:, :2])


def test_radii_are_read_back_and_never_smaller():
    made = radii(errors(np.random.default_rng(7), 10))  # too few for 95%
    again = Radii.from_json(made.to_json(), "radii.json")
    assert made.to_json() == again.to_json()
    finite = np.isfinite(made.radius)
    assert not finite[2].any()
    assert np.all(again.radius[finite] >= made.radius[finite] - 1e-9)
    assert np.all(again.radius[finite] <= made.radius[finite] + 1.1e-3)
    assert np.isinf(again.radius[~finite]).all()
    for text in ("{}", "no json", made.to_json().replace('"format": 3', '"format": 2')):
        with pytest.raises(UserError, match=r"^radii\.json: "):
            Radii.from_json(text, "radii.json")


def test_places_are_those_of_the_metric_and_positions_are_taken_as_they_are():
    rng = np.random.default_rng(8)
    frames = rng.normal(size=(3, 2, 99)).astype(np.float32)
    moved = frames.copy()
    moved[..., :6] += 1.0  # the root does not count
    places = joint_places(H36M, frames)
    assert np.array_equal(places, joint_places(H36M, moved))
    assert np.array_equal(joint_places(H36M.of_positions, places.reshape(3, 2, 96)), places)
    from motion_jax.evaluation.metrics import mpjpe_mm

    other = rng.normal(size=frames.shape)
    assert joint_distances(H36M, other, frames).mean(-1) == pytest.approx(mpjpe_mm(H36M, other, frames))


def test_crps_is_the_integral_that_defines_it():
    mean, std, truth = 1.0, 2.0, 2.5
    x = np.linspace(-30, 30, 200_001)
    below = np.cumsum(np.exp(-(((x - mean) / std) ** 2) / 2)) * (x[1] - x[0]) / (std * np.sqrt(2 * np.pi))
    integral = np.sum((below - (x >= truth)) ** 2) * (x[1] - x[0])
    assert crps_gaussian(mean, std, truth) == pytest.approx(integral, abs=1e-3)
    assert crps_gaussian(mean, 0.0, truth) == 1.5
    levels = (np.arange(2000) + 0.5) / 2000
    quantiles = np.interp(levels, below, x)
    assert crps_quantiles(levels, quantiles, np.float64(truth)) == pytest.approx(integral, abs=2e-3)


def moving(rng, count):
    """Errors that grow with a motion that is known, and that motion, `[n, T, J]` mm."""
    pace = np.broadcast_to(rng.gamma(0.7, 30.0, size=(count, 1, JOINTS)), (count, FRAMES, JOINTS))
    return (pace + 5) * rng.gamma(4.0, size=pace.shape), pace


def test_radii_that_follow_the_motion_cover_at_the_level_and_are_smaller():
    rng = np.random.default_rng(9)
    (errors, pace), (later, now) = moving(rng, 3000), moving(rng, 3000)
    alike, follow = radii(errors), radii(errors, scaled=("speed", pace))
    groups = np.arange(3000) % 300
    bound = 4 * np.sqrt(0.09 * 2 / 3000)
    one, other = (measure_coverage(later, made, groups, 100, now)[1] for made in (alike, follow))
    for found in (one, other):
        assert np.all(np.abs(found.covered - 0.9) < bound)
        assert abs(found.band - 0.9) < bound
        assert np.all(np.abs(found.pose - 0.9) < bound)
    assert np.all(other.sharpness < 0.8 * one.sharpness)
    fast = now[:, 0, 0] > 60  # of those that move fast constant radii hold too few
    held = [
        np.mean(later[fast][..., 0] <= size) for size in (alike.radius[1][:, 0], follow.sized(now)[0][fast, 1][..., 0])
    ]
    assert held[0] + 0.08 < held[1] < 0.9
    one, other = (distance_crps(later, made, now) for made in (alike, follow))
    assert one is not None
    assert other is not None
    assert other.mean() < one.mean() < later.mean()


def test_a_constant_measure_gives_the_plain_radii_and_larger_motion_larger_ones():
    rng = np.random.default_rng(10)
    distances, pace = moving(rng, 200)
    plain, same = radii(distances), radii(distances, scaled=("speed", np.full_like(pace, 7.0)))
    for name in ("radius", "band_radius", "pose_radius", "distribution"):
        np.testing.assert_allclose(getattr(same, name), getattr(plain, name))
    np.testing.assert_allclose(same.sized(np.full_like(pace, 7.0))[0][3], plain.radius)
    follow, thrice = radii(distances, scaled=("speed", pace)), radii(3 * distances, scaled=("speed", 3 * pace))
    assert follow.scale is not None
    assert set(follow.scale.floor) <= set(FLOORS)
    for before, after in zip(follow.sized(pace), thrice.sized(3 * pace), strict=True):
        np.testing.assert_allclose(after, 3 * before, rtol=1e-5)
    assert np.all(follow.sized(2 * pace)[0] > follow.sized(pace)[0])
    assert np.all(follow.sized(0 * pace)[0] > 0)  # who stands still may begin to move
    window = follow.of_window(pace[0])
    np.testing.assert_array_equal(window.radius, follow.sized(pace)[0][0])
    assert window.scale is None
    again = Radii.from_json(follow.to_json(), "radii.json")
    np.testing.assert_allclose(again.sized(pace)[0], follow.sized(pace)[0], rtol=1e-3)
    with pytest.raises(UserError, match="need what is measured of it"):
        follow.of_window(None)
    with pytest.raises(UserError, match=r"coverage: radii of scale speed need"):
        measure_coverage(distances, follow, np.arange(200), 2)


def test_radii_of_the_first_format_are_read_as_constant():
    made = radii(errors(np.random.default_rng(11), 50))
    old = json.loads(made.to_json()) | {"format": 1}
    del old["scale"], old["distribution"], old["digest"]
    read = Radii.from_json(json.dumps(old), "radii.json")
    assert (read.scale, read.distribution) == (None, None)
    assert distance_crps(errors(np.random.default_rng(12), 5), read) is None
    np.testing.assert_array_equal(read.radius, Radii.from_json(made.to_json(), "radii.json").radius)
    broken = json.loads(made.to_json()) | {"scale": {"name": "speed", "mean": [[1.0]], "floor": [-1.0]}}
    with pytest.raises(UserError, match=r"^radii\.json: damaged or edited"):
        Radii.from_json(json.dumps(broken), "radii.json")
    del broken["digest"]
    with pytest.raises(UserError, match=r"^radii\.json: damaged: not the radii"):
        Radii.from_json(sealed(broken), "radii.json")


def test_the_score_of_distances_is_the_integral_over_steps():
    rng = np.random.default_rng(13)
    calibration, _ = moving(rng, 300)
    distances, pace = moving(rng, 2)
    made = radii(calibration)
    assert made.distribution is not None
    scale = Scale("speed", pace.mean(0), np.ones(FRAMES))
    made = dataclasses.replace(made, scale=scale)
    assert made.distribution is not None
    steps = made.distribution[:, None] * scale.factor(pace)
    x = np.linspace(0, 1.1 * max(steps.max(), distances.max()), 100_001)
    integrals = np.empty(distances.shape)
    for index in np.ndindex(distances.shape):
        below = np.searchsorted(np.sort(steps[(slice(None), *index)]), x, side="right") / 20
        integrals[index] = np.trapezoid((below - (x >= distances[index])) ** 2, x)
    found = distance_crps(distances, made, pace)
    assert found is not None
    np.testing.assert_allclose(found, integrals.mean(-1), rtol=1e-3)


def test_balanced_recordings_weigh_alike_however_long():
    rng = np.random.default_rng(14)
    long, short = rng.uniform(0, 1, 900), rng.uniform(10, 11, 100)
    scores, groups = np.concatenate([long, short]), [0] * 900 + [1] * 100
    assert conformal_quantile(scores, 0.6) < 1
    assert 10 < conformal_quantile(scores, 0.6, groups, balanced=True) < 10.4
    assert conformal_quantile(scores, 0.6, groups) == np.inf or conformal_quantile(scores, 0.6, groups) > 10.7
    alike = conformal_quantile(scores, 0.6, range(1000), balanced=True)
    assert alike == conformal_quantile(scores, 0.6)
