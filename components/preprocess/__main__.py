"""The command line: `python -m components.preprocess`."""

import sys

from components.preprocess.component import preprocess
from sluice.contract.cli import main

sys.exit(main(preprocess))
