"""Reinforcement learning of a finished generator: it hears what its sounds were worth, and makes better ones."""
