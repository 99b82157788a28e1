"""Human motion prediction in JAX."""

from motion_jax.errors import UserError
from motion_jax.inference.predictor import Predictor, load_predictor

__all__ = ["Predictor", "UserError", "load_predictor"]
