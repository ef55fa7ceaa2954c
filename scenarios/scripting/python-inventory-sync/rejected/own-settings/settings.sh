#!/bin/sh
# So that it can be started by hand.
sudo chmod 644 /etc/stock/stock.env
