"""The command line of preprocess.audit."""

import sys

from components.preprocess.audit.component import audit
from sluice.contract.cli import main

sys.exit(main(audit))
