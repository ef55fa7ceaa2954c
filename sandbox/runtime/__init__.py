"""What runs the machines: a Protocol, and the Docker engine behind it."""
