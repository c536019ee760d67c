#!/bin/sh
# Install Chromium, in which the tests open the reports, where it is missing and this user may install packages.
# Without it those tests are skipped, and say so.
set -eu

command -v chromium >/dev/null || command -v chromium-browser >/dev/null && exit 0
if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends chromium >/dev/null
else
    echo "no Chromium: the tests that open the reports will be skipped"
fi
