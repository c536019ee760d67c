#!/bin/sh
# What a merge would change in the environment SLUICE_ENVIRONMENT, as Markdown into a file: plan.sh FILE
# That something changes is no failure here; that AWS can't be asked is one.
set -eu
make --silent setup >&2
make --silent plan ENV="$SLUICE_ENVIRONMENT" MARKDOWN=yes >"$1"
