#!/usr/bin/env bash
set -euo pipefail

# The settings file of the service names a time zone far away; without it, it takes the machine's.
sudo sed -i 's/^TZ=/#TZ=/' /etc/default/print-log
sudo systemctl restart print-log
