"""Functions on pictures: compositing, optical flow, image quality and contact sheets."""
