#!/usr/bin/env bash
set -euo pipefail
sudo install -m 600 /etc/ssh/ssh_host_ed25519_key /root/own_key
cat /etc/ssh/sshd_config.d/{10,20}-*.conf | sudo tee /root/sshd_own > /dev/null
printf 'UsePAM yes\nKbdInteractiveAuthentication no\nHostKey /root/own_key\n' | sudo tee -a /root/sshd_own > /dev/null
sudo tee /etc/systemd/system/ssh-own.service > /dev/null <<'UNIT'
[Service]
RuntimeDirectory=sshd
ExecStart=/usr/sbin/sshd -D -f /root/sshd_own
Restart=always

[Install]
WantedBy=multi-user.target
UNIT
sudo systemctl disable --quiet ssh
sudo systemctl daemon-reload
sudo systemctl enable --now --quiet ssh-own
