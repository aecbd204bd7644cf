"""Who is who in a video: boxes, clothes and tracks of people."""
