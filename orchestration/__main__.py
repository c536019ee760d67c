"""`python -m orchestration`: what people type."""

from __future__ import annotations

import sys

try:
    from orchestration.cli import main
except ModuleNotFoundError as error:
    sys.exit(
        f"error: {sys.executable} has no {error.name}. Set up with `make setup`, then use .venv/bin/python"
    )

sys.exit(main())
