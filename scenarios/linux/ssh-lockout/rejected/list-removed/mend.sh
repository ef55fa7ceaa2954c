#!/usr/bin/env bash
set -euo pipefail
sudo sed -i '/^Allow/d' /etc/ssh/sshd_config.d/20-access.conf
sudo systemctl reload ssh
