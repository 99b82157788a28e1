"""Metrics: what each is called, where it applies and how it is computed, in one entry of `METRICS`.

They are batched over windows and computed in float64, one number a frame. Double precision is not a luxury: gimbal lock
and the choice of columns by their spread are decided by exact values, so the same prediction must score the same on
every machine, whatever precision the caller works in. docs/adding_a_metric.md adds one, here or from another package.
"""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from motion_jax.errors import UserError
from motion_jax.evaluation import walk_metrics
from motion_jax.evaluation.walks import Walks, feet_of, knows_up
from motion_jax.geometry.field_euler import field_euler
from motion_jax.geometry.kinematics import ROOT, pose_positions
from motion_jax.runtime.plugins import load_plugin, plugin_names
from motion_jax.skeletons.bodies import H36M
from motion_jax.skeletons.skeleton import Skeleton
from motion_jax.types import Array

PLUGINS = "motion_jax.metrics"  # the entry-point group by which other packages add metrics
MetricFunction = Callable[[Skeleton, np.ndarray, np.ndarray], np.ndarray | Array]
"""(skeleton, prediction `[W, T, D]`, truth `[W, T, D]`) -> `[W, T]`: raw frames, float64, under `jax.enable_x64`."""
WalkFunction = Callable[[Walks], np.ndarray]
"""Walks in space, the observed frames in front -> `[W, T]`."""


def on_any_skeleton(_: Skeleton) -> bool:
    """Where most metrics apply."""
    return True


@dataclasses.dataclass(frozen=True)
class Metric:
    """Everything that is known of a metric. Commands, tables and plots read it here and nowhere else."""

    name: str  # in eval.metrics and in reports; ends with the unit
    title: str  # above tables and beside axes
    unit: str
    digits: int  # behind the point, in tables
    function: MetricFunction | None = None  # of poses; None: `of_walks`
    note: str = ""  # which convention, behind title and unit
    applies: Callable[[Skeleton], bool] = on_any_skeleton  # where it is defined; elsewhere it is not reported
    higher_is_better: bool = False
    of_walks: WalkFunction | None = None  # of the path or the observed frames too; free-running only
    sparse: bool = False  # nan where a frame has nothing to measure: means are over the others

    def __post_init__(self) -> None:
        if not re.fullmatch(r"\w+", self.name):  # eval.metrics separates names by commas
            raise UserError(f"metric {self.name!r}: a name must be of letters, digits and '_'")
        if self.digits < 0:
            raise UserError(f"metric {self.name!r}: digits={self.digits}: must be at least 0")
        if (self.function is None) == (self.of_walks is None):
            raise UserError(f"metric {self.name!r}: needs a function of poses or one of walks")

    @property
    def heading(self) -> str:
        """Title, unit and note."""
        return f"{self.title} ({self.unit})" + (f", {self.note}" if self.note else "")

    def __call__(self, skeleton: Skeleton, prediction: Array | np.ndarray, truth: Array | np.ndarray) -> np.ndarray:
        """The error of every window and frame.

        Args:
            skeleton: of the motion.
            prediction: `[W, T, D]` raw frames.
            truth: `[W, T, D]`.

        Returns:
            `[W, T]` float64, in `unit`.

        Raises:
            UserError: the shapes differ or are no `[W, T, 3 + 3 J]`, the metric does not apply to the skeleton, is
                one of walks, or the function does not return `[W, T]`.
        """
        if not self.applies(skeleton):
            raise UserError(f"metric {self.name} {unfit(self, skeleton)}")
        if self.function is None:
            raise UserError(f"metric {self.name}: reads the observed frames too: `evaluate` measures it")
        error = _in_float64(functools.partial(self.function, skeleton), prediction, truth)
        if error.shape != truth.shape[:2]:
            raise UserError(f"metric {self.name}: returned shape {error.shape}; it must be {truth.shape[:2]}, [W, T]")
        return error

    def on_walks(self, walks: Walks) -> np.ndarray:
        """`[W, T]` float64, in `unit`, of a metric of walks.

        Raises:
            UserError: it is of poses, does not apply to the skeleton, or the function does not return `[W, T]`.
        """
        if self.of_walks is None:
            raise UserError(f"metric {self.name}: is one of poses: call it")
        if not self.applies(walks.skeleton):
            raise UserError(f"metric {self.name} {unfit(self, walks.skeleton)}")
        error, frames = self.of_walks(walks), walks.truth.shape[1] - walks.observed
        if error.shape != (wanted := (len(walks.truth), frames)):
            raise UserError(f"metric {self.name}: returned shape {error.shape}; it must be {wanted}, [W, T]")
        return error


MOVING = 1e-4  # a column whose std over the window is less counts as constant (Martinez 2017)

# The published Human3.6M positions: a joint that lies on another takes that one's prediction, and a joint that a
# prediction of positions does not cover takes the truth. The other 22 are as predicted.
H36M_COPIES = {
    "LeftShoulder": "Neck",
    "RightShoulder": "Neck",
    "LeftHandThumb": "LeftHand",
    "RightHandThumb": "RightHand",
    "L_Wrist_End.Site": "L_Wrist_End",
    "R_Wrist_End.Site": "R_Wrist_End",
}
H36M_FROM_TRUTH = ("Hips", "RightUpLeg", "LeftUpLeg", "Spine")


def euler_error_rad(prediction: Array | np.ndarray, truth: Array | np.ndarray) -> np.ndarray:
    """The field's Euler-angle error, frame by frame.

    The L2 norm over the columns that move: no division by their count, and no wrapping of angles, so that a joint that
    crosses +-pi costs up to 2 pi. A column moves if its std over the T frames of the truth's Euler angles exceeds 1e-4;
    the root's six do not take part. Martinez 2017, github.com/una-dinosauria/human-motion-prediction, `sample`.

    Args:
        prediction: `[W, T, D]` raw exponential maps, D = 3 + 3 J.
        truth: `[W, T, D]`.

    Returns:
        `[W, T]` float64, radians.

    Raises:
        UserError: the shapes differ or are no `[W, T, 3 + 3 J]`.
    """
    return _in_float64(_euler_error, prediction, truth)


def mpjpe_mm(skeleton: Skeleton, prediction: Array | np.ndarray, truth: Array | np.ndarray) -> np.ndarray:
    """Mean distance of the joints at each frame: the root's columns zeroed, all joints from the prediction.

    Args:
        skeleton: whose offsets set the scale. CMU's table has the field's scale; the published
            CMU positions (Mao 2019) also keep the root's motion and so do not compare with these.
        prediction: `[W, T, D]` raw exponential maps, or of a skeleton of positions these.
        truth: `[W, T, D]`.

    Returns:
        `[W, T]` float64, millimetres.

    Raises:
        UserError: shapes that differ or do not fit the skeleton.
    """
    return _in_float64(functools.partial(_mpjpe, skeleton), prediction, truth)


def mpjpe_h36m22_mm(skeleton: Skeleton, prediction: Array | np.ndarray, truth: Array | np.ndarray) -> np.ndarray:
    """`mpjpe_mm` under the convention of the published Human3.6M tables (`h36m22_positions`).

    A prediction of angles scores the same under both: with the root zeroed, the joints that the convention takes from
    the truth stand still, and those that it copies coincide. They differ for predictions of positions.

    Raises:
        UserError: a skeleton other than Human3.6M's, or as `mpjpe_mm`.
    """
    if not _is_h36m(skeleton):
        raise UserError(f"metric mpjpe_h36m22_mm is defined on skeleton 'h36m', not on {skeleton.name!r}")
    return _in_float64(functools.partial(_mpjpe_h36m22, skeleton), prediction, truth)


def pck_pct(share: float, skeleton: Skeleton, prediction: Array | np.ndarray, truth: Array | np.ndarray) -> np.ndarray:
    """PCK, the percentage of correct keypoints: joints that lie nearer to the truth than a share of the torso.

    The torso is the true frame's distance from the pelvis, the root joint, to the neck (`neck_of`), in every frame
    anew. The root is in place, and all joints count, as in `mpjpe_mm`. Thresholds .2, .1 and .05 are the usual ones.

    Args:
        share: of the torso.
        skeleton: with a neck.
        prediction: `[W, T, D]` raw exponential maps, or of a skeleton of positions these.
        truth: `[W, T, D]`.

    Returns:
        `[W, T]` float64, percent.

    Raises:
        UserError: the skeleton has no neck, or shapes differ or do not fit it.
    """
    neck = neck_of(skeleton)
    if neck is None:
        raise UserError(f"metric PCK needs a neck: skeleton {skeleton.name!r} has no joint of that name")
    return _in_float64(functools.partial(_pck, skeleton, neck, share), prediction, truth)


def bone_drift_mm(skeleton: Skeleton, prediction: Array | np.ndarray, truth: Array | np.ndarray) -> np.ndarray:
    """Mean over the bones of how much longer or shorter than the true one each is: `[W, T]` float64, mm.

    Of frames that hold joint positions; those of angles cannot change a bone.
    """
    lengths = []
    for frames in (prediction, truth):
        places = np.reshape(frames, (*frames.shape[:-1], -1, 3))
        above, below = np.array(skeleton.bones).T
        lengths.append(np.linalg.norm(places[..., below, :] - places[..., above, :], axis=-1))
    return np.abs(lengths[0] - lengths[1]).mean(axis=-1)


def neck_of(skeleton: Skeleton) -> int | None:
    """The first joint whose name holds "neck"; None of a skeleton without one."""
    return next((number for number, name in enumerate(skeleton.joints) if "neck" in name.lower()), None)


def _has_neck(skeleton: Skeleton) -> bool:
    return bool(neck_of(skeleton))


def _is_h36m(skeleton: Skeleton) -> bool:
    return not H36M.mismatch(skeleton.of_angles)


def _has_positions(skeleton: Skeleton) -> bool:
    return skeleton.positions and bool(skeleton.bones)


def _has_feet(skeleton: Skeleton) -> bool:
    return not skeleton.positions and bool(feet_of(skeleton))


def _has_floor(skeleton: Skeleton) -> bool:
    return _has_feet(skeleton) and knows_up(skeleton)


def has_angles(skeleton: Skeleton) -> bool:
    """Whether frames of this skeleton hold rotations; else they hold joint positions, of which there are no angles."""
    return not skeleton.positions


def h36m22_positions(prediction: Array, truth: Array) -> Array:
    """The positions `[..., 32, 3]` that published Human3.6M tables score.

    22 joints as predicted, 6 copied from the joint that they coincide with, 4 from the truth. Mao 2020,
    github.com/wei-mao-2019/HisRepItself, `main_h36m_3d_eval.py`.
    """
    body = H36M
    origin = [body.index(H36M_COPIES.get(joint, joint)) for joint in body.joints]
    given = np.array([joint in H36M_FROM_TRUTH for joint in body.joints])
    return jnp.where(given[:, None], truth, prediction[..., np.array(origin), :])


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric(
            "euler_error_rad",
            title="Euler-angle error",
            unit="rad",
            digits=3,
            function=lambda _, prediction, truth: euler_error_rad(prediction, truth),
            applies=has_angles,
        ),
        Metric(
            "mpjpe_mm",
            title="MPJPE",
            unit="mm",
            digits=1,
            note="all joints from the prediction",
            function=mpjpe_mm,
        ),
        Metric(
            "mpjpe_h36m22_mm",
            title="MPJPE",
            unit="mm",
            digits=1,
            note="published convention h36m-22",
            function=mpjpe_h36m22_mm,
            applies=_is_h36m,
        ),
        *(
            Metric(
                f"pck{round(100 * share):02d}_pct",
                title=f"PCK@{share}",
                unit="%",
                digits=1,
                note="joints within that share of the torso",
                function=functools.partial(pck_pct, share),
                applies=_has_neck,
                higher_is_better=True,
            )
            for share in (0.2, 0.1, 0.05)
        ),
        Metric(
            "bone_drift_mm",
            title="Bone-length drift",
            unit="mm",
            digits=1,
            function=bone_drift_mm,
            note="mean over bones",
            applies=_has_positions,
        ),
        Metric(
            "root_position_mm",
            title="Root position error",
            unit="mm",
            digits=0,
            note="integrated from the last observed frame",
            applies=has_angles,
            of_walks=walk_metrics.root_position,
        ),
        Metric(
            "root_rotation_deg",
            title="Root rotation error",
            unit="degrees",
            digits=1,
            applies=has_angles,
            of_walks=walk_metrics.root_rotation,
        ),
        Metric(
            "heading_deg",
            title="Heading error",
            unit="degrees",
            digits=1,
            note="about the vertical",
            applies=knows_up,
            of_walks=walk_metrics.heading,
        ),
        Metric(
            "foot_sliding_mm",
            title="Foot sliding",
            unit="mm a frame",
            digits=1,
            note="while the true foot is planted",
            applies=_has_feet,
            of_walks=walk_metrics.foot_sliding,
            sparse=True,
        ),
        Metric(
            "foot_skate_mm",
            title="Foot skate",
            unit="mm a frame",
            digits=2,
            note="near the floor of the predicted motion, weighted by height",
            applies=_has_floor,
            of_walks=walk_metrics.foot_skate,
        ),
        Metric(
            "foot_contact_pct",
            title="Foot contact",
            unit="%",
            digits=1,
            note="feet planted as the true ones",
            applies=_has_feet,
            of_walks=walk_metrics.foot_contact,
            higher_is_better=True,
        ),
        Metric(
            "jerk_mm",
            title="Jerk",
            unit="mm a frame cubed",
            digits=1,
            note="third difference, across the seam at frames 1 to 3",
            applies=has_angles,
            of_walks=walk_metrics.jerk,
        ),
    )
}
"""The metrics of this package, and those that `register_metric` added."""

_OWN = frozenset(METRICS)


def register_metric(metric: Metric) -> None:
    """Makes a metric known to this process: `eval.metrics` may name it. One that was registered before is replaced.

    Raises:
        UserError: the name is that of a metric of this package.
    """
    if metric.name in _OWN:
        raise UserError(f"metric {metric.name!r}: the name is taken by a metric of motion_jax")
    METRICS[metric.name] = metric


def find_metric(name: str) -> Metric:
    """A metric by its name: of this package, else registered, else of an installed package (the group `PLUGINS`).

    Raises:
        UserError: there is none; the message lists those that there are. Or a package's does not load.
    """
    if name not in METRICS and (found := load_plugin(PLUGINS, name, Metric)):
        if found.name != name:
            raise UserError(f"entry point {PLUGINS}: {name}: its metric must be called the same, not {found.name!r}")
        register_metric(found)
    if name not in METRICS:
        raise UserError(f"metric {name!r} must be one of {', '.join(metric_names())}")
    return METRICS[name]


def metric_names() -> tuple[str, ...]:
    """Every name that `eval.metrics` may hold."""
    return tuple(dict.fromkeys([*METRICS, *plugin_names(PLUGINS)]))


def _in_float64(
    function: Callable[[np.ndarray, np.ndarray], np.ndarray | Array],
    prediction: Array | np.ndarray,
    truth: Array | np.ndarray,
) -> np.ndarray:
    """Runs a metric in double precision and leaves the caller's setting as it was."""
    if prediction.shape != truth.shape or truth.ndim != 3 or truth.shape[-1] <= ROOT or truth.shape[-1] % 3:
        raise UserError(
            f"metric: prediction {prediction.shape} and truth {truth.shape} must have one shape, [W, T, 3 + 3 J]"
        )
    with jax.enable_x64(True):
        return np.asarray(function(np.asarray(prediction, np.float64), np.asarray(truth, np.float64)), np.float64)


@jax.jit
def _euler_error(prediction: Array, truth: Array) -> Array:
    truth_angles = _angles(truth.at[..., :ROOT].set(0))
    moves = jnp.std(truth_angles, axis=-2, keepdims=True) > MOVING
    difference = jnp.where(moves, truth_angles - _angles(prediction), 0)
    return jnp.sqrt(jnp.sum(difference**2, axis=-1))


def _angles(frames: Array) -> Array:
    """The joints' Euler angles `[W, T, 3 J]`; the translation is no angle, and the root's never moves."""
    joints = frames[..., 3:].reshape(*frames.shape[:-1], -1, 3)
    return field_euler(joints).reshape(*frames.shape[:-1], -1)


def unfit(metric: Metric, skeleton: Skeleton) -> str:
    """Why a metric does not apply to a skeleton, behind the metric's name."""
    if skeleton.positions and metric.applies(skeleton.of_angles):
        return "does not apply: the model predicts joint positions, which have no angles and the root in place"
    if not skeleton.positions and metric.applies(skeleton.of_positions):
        return "does not apply: it is of models that predict joint positions"
    if skeleton.root == "difference" and metric.applies(skeleton.with_absolute_root):
        return f"does not apply: the root of skeleton {skeleton.name} holds differences, which tell no up"
    return f"does not apply to skeleton {skeleton.name}"


@functools.partial(jax.jit, static_argnums=0)
def _mpjpe(skeleton: Skeleton, prediction: Array, truth: Array) -> Array:
    return _mean_distance(pose_positions(skeleton, prediction), pose_positions(skeleton, truth))


@functools.partial(jax.jit, static_argnums=0)
def _mpjpe_h36m22(skeleton: Skeleton, prediction: Array, truth: Array) -> Array:
    positions = pose_positions(skeleton, truth)
    return _mean_distance(h36m22_positions(pose_positions(skeleton, prediction), positions), positions)


@functools.partial(jax.jit, static_argnums=(0, 1))
def _pck(skeleton: Skeleton, neck: int, share: float, prediction: Array, truth: Array) -> Array:
    places = pose_positions(skeleton, truth)
    torso = jnp.linalg.norm(places[..., neck, :] - places[..., 0, :], axis=-1, keepdims=True)
    distance = jnp.linalg.norm(pose_positions(skeleton, prediction) - places, axis=-1)
    return 100 * jnp.mean(distance < share * torso, axis=-1)


def _mean_distance(prediction: Array, truth: Array) -> Array:
    return jnp.mean(jnp.linalg.norm(prediction - truth, axis=-1), axis=-1)
