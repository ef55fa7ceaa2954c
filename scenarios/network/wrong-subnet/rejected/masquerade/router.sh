#!/usr/bin/env bash
set -euo pipefail
sudo tee -a /etc/nftables.conf > /dev/null <<'END'

table ip nat {
	chain postrouting {
		type nat hook postrouting priority srcnat; policy accept;
		iifname "lan0" oifname "lan1" masquerade
	}
}
END
sudo nft -f /etc/nftables.conf
