"""Prediction while the motion is being recorded: poses in one by one, futures out; a file fed as if it were live."""

from motion_jax.inference.stream.gate import Counts
from motion_jax.inference.stream.predictor import Prediction, StreamingPredictor

__all__ = ["Counts", "Prediction", "StreamingPredictor"]
