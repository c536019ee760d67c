"""The command line of preprocess.validate."""

import sys

from components.preprocess.validate.component import validate
from sluice.contract.cli import main

sys.exit(main(validate))
