"""Inference: a trained model as a function, motions continued, poses as they arrive."""
