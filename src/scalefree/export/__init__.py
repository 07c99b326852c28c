"""The store as tables for other programs: CSV, Parquet, and the best cells as LaTeX."""
