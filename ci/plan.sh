#!/bin/sh
# What a merge would change in the environment SLUICE_ENVIRONMENT, into a file: plan.sh FILE
# That something changes is no failure here; that AWS can't be asked is one.
set -eu
make --silent setup >&2
make --silent plan ENV="$SLUICE_ENVIRONMENT" >"$1"
