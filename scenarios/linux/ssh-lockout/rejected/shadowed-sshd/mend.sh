#!/usr/bin/env bash
set -euo pipefail
printf '#!/bin/sh\nexit 0\n' | sudo tee /usr/local/sbin/sshd > /dev/null
sudo chmod 755 /usr/local/sbin/sshd
