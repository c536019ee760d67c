#!/bin/sh
# After a merge: the images whose content changed are built and pushed, and the pipeline of the environment
# SLUICE_ENVIRONMENT is brought to what the code says. Where nothing changed, nothing is pushed and nothing upserted.
set -eu
make build push
make upsert ENV="$SLUICE_ENVIRONMENT"
