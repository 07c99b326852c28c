"""Code that exists only for speed: skip it on first reading.

The plain loop (`trainer.py`, `step.py`, `task.py`) computes the same without it, up to rounding (`runner=plain`).
`speedups.py` decides which parts a run uses.
"""
