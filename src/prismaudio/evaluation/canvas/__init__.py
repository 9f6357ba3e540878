"""Benchmarks of clips: a neutral manifest, builders that filter it, and a runner for the sounds of any system."""
