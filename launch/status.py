"""`motion-jax status`, in a checkout."""

from motion_jax.commands.dispatch import run

if __name__ == "__main__":
    run("status")
