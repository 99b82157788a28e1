"""Training: the task, the step, checkpoints, the log and the loop. Only `forecasting` knows what a model predicts."""
