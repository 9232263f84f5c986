"""`make soak`: what is run for a few seconds in the tests, for as long as you like."""
