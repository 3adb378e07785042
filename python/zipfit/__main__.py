"""``python -m zipfit``: the same as the command ``zipfit``."""

from zipfit.cli import main

raise SystemExit(main())
