#!/usr/bin/env bash
set -euo pipefail
for name in samuel.okafor ines.carvalho; do sudo usermod -aG it "$name"; done
sudo sed -i -e '/^AllowUsers/d' -e '/^AllowGroups/d' /etc/ssh/sshd_config.d/20-access.conf
printf 'AllowGroups it planners\n' | sudo tee -a /etc/ssh/sshd_config.d/20-access.conf > /dev/null
sudo sshd -t
sudo systemctl restart ssh
