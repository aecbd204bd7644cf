"""Networks as torch modules: generators, discriminators, refiners, the inpainter, VGG and RAFT."""
