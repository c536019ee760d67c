#!/bin/sh
# The tests, as on a laptop.
set -eu
make test
