"""The command line of train."""

import sys

from components.train.component import train
from sluice.contract.cli import main

sys.exit(main(train))
