import sys

from components.relay.component import relay
from sluice.contract.cli import main

sys.exit(main(relay))
