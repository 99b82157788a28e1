"""What is timed: one case by every implementation, after a check that they compute the same."""
