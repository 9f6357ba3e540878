"""Measurements of speed and memory; quote ratios of one run on one machine."""
