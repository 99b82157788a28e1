"""Labelled sequences: readers, published splits, preprocessing, and what recognition and anticipation read."""
