"""The true timeline: reports as samples at the time they happened, and the ways they leave by."""
