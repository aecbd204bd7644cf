"""The studio: a web page on loopback for two videos and no terminal."""
