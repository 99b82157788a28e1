"""The fifteen actions of Human3.6M, in its order: which postures each visits, and how it moves between them."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Action:
    """What a performer of one action does. Names are those of `postures.py`; a name given twice is visited oftener.

    The body posture "walk" is the one in which the gait runs.
    """

    body: tuple[str, ...]  # trunk and legs; the first is what a trial begins with
    right: tuple[str, ...] = ("hang",)  # the right arm
    left: tuple[str, ...] = ("hang",)
    head: tuple[str, ...] = ("ahead", "left", "right")
    body_hold_s: float = 2.5
    hand_hold_s: float = 0.8
    hand_move_s: float = 0.7
    beat_deg: float = 0.0  # rhythmic beats of the hands
    cadence: float = 1.0  # as a share of the performer's own
    pulse: float = 0.04  # how much tempo and stride vary, as a share
    swing: float = 1.0  # of the arms, as a share of free walking
    turning_deg: float = 18.0  # a second; how the walked path curves


ACTIONS: dict[str, Action] = {
    "walking": Action(body=("walk",), head=("ahead", "ahead", "down"), turning_deg=22.0),
    "eating": Action(
        body=("stand", "walk", "lean"), right=("mouth", "table", "mouth", "chest"), left=("table", "carry"),
        head=("ahead", "down", "to_hand"), hand_hold_s=0.7, cadence=0.85, swing=0.15,
    ),
    "smoking": Action(
        body=("stand", "stand_left", "stand_right", "sit", "sit_back", "walk"),
        right=("mouth", "hang", "mouth", "chest"), left=("pocket", "hang", "crossed"),
        head=("ahead", "up", "left", "right"), body_hold_s=4.0, hand_hold_s=1.2, hand_move_s=0.8, cadence=0.8,
        swing=0.2,
    ),
    "discussion": Action(
        body=("stand", "stand_left", "stand_right", "turned", "lean", "walk"),
        right=("explain", "open", "chest", "wide", "hang", "point"),
        left=("explain", "open", "chest", "wide", "hang", "pocket"),
        head=("ahead", "left", "right", "aside", "down"), hand_hold_s=0.5, hand_move_s=0.6, beat_deg=14.0, cadence=0.8,
        swing=0.4,
    ),
    "directions": Action(
        body=("stand", "stand_left", "stand_right", "turned"), right=("point", "point_side", "explain", "hang", "open"),
        left=("hang", "point_side", "explain"), head=("ahead", "left", "right", "to_hand"), hand_hold_s=0.7,
        beat_deg=10.0,
    ),
    "greeting": Action(
        body=("stand", "walk", "lean", "bend", "stride_out"), right=("wave", "shake", "wide", "hang", "raised"),
        left=("hang", "wide", "explain"), head=("ahead", "down", "left", "right"), hand_hold_s=0.5, beat_deg=20.0,
        swing=0.6,
    ),
    "phoning": Action(
        body=("stand", "walk", "walk", "stand_left", "turned", "sit", "sit_back"),
        right=("ear", "ear", "chest", "watch"), left=("hang", "pocket", "explain", "crossed"),
        head=("aside", "down", "left", "right"), hand_hold_s=0.9, beat_deg=14.0, cadence=0.8, swing=0.2,
        turning_deg=25.0,
    ),
    "posing": Action(
        body=("stand", "stand_left", "stand_right", "wide", "turned", "stride_out", "kneel", "lean", "crouch"),
        right=("akimbo", "raised", "crossed", "chin", "wide", "hang", "back"),
        left=("akimbo", "raised", "crossed", "chin", "wide", "hang", "back"),
        head=("ahead", "left", "right", "aside", "up"), body_hold_s=1.6, hand_hold_s=1.0, hand_move_s=0.8,
    ),
    "purchases": Action(
        body=("stand", "walk", "walk", "lean", "bend", "crouch", "turned", "stand_left"),
        right=("shelf", "low", "carry", "raised"), left=("carry", "low", "chest", "hang"),
        head=("ahead", "down", "to_hand", "left", "right"), body_hold_s=1.5, hand_hold_s=0.4, cadence=0.9, swing=0.5,
    ),
    "sitting": Action(
        body=("sit", "sit_back", "sit_forward", "sit_crossed", "sit_turned"), right=("lap", "knee", "explain", "chin"),
        left=("lap", "knee", "crossed", "table"), head=("ahead", "left", "right", "down"), body_hold_s=3.0,
        beat_deg=6.0,
    ),
    "sittingdown": Action(
        body=("stand", "floor", "floor_legs_out", "sit", "stand", "floor_crossed"),
        right=("lap", "knee", "low", "hang"), left=("lap", "knee", "hang"), head=("ahead", "down", "left", "right"),
        beat_deg=4.0,
    ),
    "takingphoto": Action(
        body=("stand", "lean", "crouch", "turned", "kneel", "walk"), right=("camera", "camera", "chest"),
        left=("camera", "camera", "hang"), head=("ahead", "to_hand", "down"), hand_hold_s=1.2, hand_move_s=0.8,
        cadence=0.75, swing=0.1,
    ),
    "waiting": Action(
        body=("stand", "walk", "walk", "stand_left", "stand_right", "turned", "sit", "sit_back"),
        right=("watch", "pocket", "akimbo", "hang", "crossed"), left=("pocket", "akimbo", "hang", "crossed", "watch"),
        head=("ahead", "left", "right", "up", "down"), hand_hold_s=1.0, beat_deg=4.0, cadence=0.8, swing=0.4,
        turning_deg=25.0,
    ),
    "walkingdog": Action(
        body=("walk", "walk", "walk", "lean", "stand", "bend"), right=("leash", "leash_pulled"),
        left=("hang", "carry", "chest"), head=("ahead", "down", "to_hand", "left"), hand_hold_s=0.3, hand_move_s=0.45,
        cadence=1.1, pulse=0.12, swing=0.6, turning_deg=25.0,
    ),
    "walkingtogether": Action(
        body=("walk",), left=("hang", "linked"), head=("ahead", "left", "right"), hand_hold_s=5.0, cadence=0.95,
        swing=0.85,
    ),
}  # fmt: skip
