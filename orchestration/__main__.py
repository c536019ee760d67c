"""`python -m orchestration`: what people type."""

from __future__ import annotations

import sys

from orchestration.cli import main

sys.exit(main())
