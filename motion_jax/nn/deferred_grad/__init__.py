"""Weight gradients formed once over time: products, the trace of what a step multiplies, the scan that reads it."""
