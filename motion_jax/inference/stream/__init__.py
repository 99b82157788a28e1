"""Prediction while the motion is being recorded: poses in one by one, futures out; a file fed as if it were live."""

from motion_jax.inference.stream.predictor import Prediction, StreamingPredictor
from motion_jax.inference.stream.stamps import PoseCounts

__all__ = ["PoseCounts", "Prediction", "StreamingPredictor"]
