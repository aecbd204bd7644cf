"""The studio: a web page on this machine that takes two videos and returns the result."""
