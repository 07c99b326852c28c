"""What is there for speed alone: skip it on first reading.

The plain loop, `trainer.py`, `step.py`, `task.py`, computes the same without it (`runner=plain`), within rounding.
`speedups.py` says what of it a run gets, and when.
"""
