"""The camera of a video: motion, cuts and lighting."""
