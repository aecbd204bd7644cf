"""Training and inference of the generator, the local GANs and the inpainter: data, losses, steps, trained weights."""
