#!/bin/sh
# The machine is the sandbox: Chromium's own needs namespaces.
set -eu
cat >/tmp/page.html
/usr/lib/chromium/chromium --headless --no-sandbox --disable-gpu --hide-scrollbars --window-size=320,240 \
    --user-data-dir=/tmp/profile --screenshot=/tmp/page.png file:///tmp/page.html >&2
cat /tmp/page.png
