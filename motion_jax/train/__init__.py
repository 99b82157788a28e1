"""Training: the state, the step, checkpoints, the log and the loop. Nothing here knows which model it trains."""
