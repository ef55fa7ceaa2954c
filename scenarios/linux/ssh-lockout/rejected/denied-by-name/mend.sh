#!/usr/bin/env bash
set -euo pipefail
sudo sed -i -e '/^Allow/d' -e '1a DenyUsers temps' /etc/ssh/sshd_config.d/20-access.conf
sudo systemctl reload ssh
