"""The findings of the paper, looked for on the stage: one command each (docs/experiments.md)."""
