"""What tells a result from a recording: the label, the watermark, the signed credentials, and how they are checked."""
