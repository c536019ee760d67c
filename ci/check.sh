#!/bin/sh
# Format, lint and types, as on a laptop.
set -eu
make check
