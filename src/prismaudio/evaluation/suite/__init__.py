"""Measuring the sounds of any system: plain folders in, figures with intervals, counts and hashes out."""
