"""`zipfit.Scorer` inside the frameworks that hold the rows: `ray`, `datatrove`, `datasets`.

Each is a module of its own, in an extra of the same name; without it the first use (of `datatrove` the import) is a
`MissingExtraError`. Scores and chosen rows are those of `zipfit.rank` on the same rows.
"""
