"""`zipfit.Scorer` inside the frameworks that hold the rows: `ray`, `datatrove`, `datasets`.

Each is a module of its own and imports its framework where it is used; a missing one is a `MissingExtraError` that names
the extra. Scores and chosen rows are those of `zipfit.rank` on the same rows.
"""
