"""Human motion prediction in JAX."""
