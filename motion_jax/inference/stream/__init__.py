"""What live motion becomes while it is being recorded: poses in one by one, futures or labels out."""

from motion_jax.inference.stream.label_poses import PoseForm
from motion_jax.inference.stream.labels import Anticipation, Recognition, StreamingAnticipator, StreamingRecogniser
from motion_jax.inference.stream.pose_stream import LiveOptions
from motion_jax.inference.stream.predictor import Prediction, StreamingPredictor
from motion_jax.inference.stream.rig import StreamingRigPredictor
from motion_jax.inference.stream.stamps import PoseCounts

__all__ = [
    "Anticipation",
    "LiveOptions",
    "PoseCounts",
    "PoseForm",
    "Prediction",
    "Recognition",
    "StreamingAnticipator",
    "StreamingPredictor",
    "StreamingRecogniser",
    "StreamingRigPredictor",
]
