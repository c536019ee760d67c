#!/bin/sh
# The images whose content changed. Those that REGISTRY has are not built again.
set -eu
make build
