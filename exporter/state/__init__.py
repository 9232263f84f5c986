"""The commands about the state itself: what is in it, whether it adds up, and histograms that begin afresh."""
