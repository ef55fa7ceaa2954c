#!/usr/bin/env bash
set -euo pipefail
sudo sed -i 's|- url: http://duty:8080/ring|&\n        send_resolved: false|' /etc/prometheus/alertmanager.yml
amtool check-config /etc/prometheus/alertmanager.yml
sudo systemctl reload prometheus-alertmanager
