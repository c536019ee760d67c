"""The command line of register: `python -m components.register --help`."""

import sys

from components.register.component import register
from sluice.contract.cli import main

sys.exit(main(register))
