"""Hand-in: packs what a learner did, and grades it anew on somebody else's machines."""
