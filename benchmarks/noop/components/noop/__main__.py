import sys

from components.noop.component import noop
from sluice.contract.cli import main

sys.exit(main(noop))
