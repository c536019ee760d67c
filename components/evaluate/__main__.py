"""The command line: `python -m components.evaluate`."""

import sys

from components.evaluate.component import evaluate
from sluice.contract.cli import main

sys.exit(main(evaluate))
