"""Evaluation: metrics, test protocols, reports and tables, published results."""
