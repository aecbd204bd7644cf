"""Pictures as arrays: compositing, optical flow, image quality and contact sheets."""
