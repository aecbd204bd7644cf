"""The training losses of G, D_q and D_t (paper sections 2.2 and 2.4).

    loss of G = sum over the terms of weight_<term> * <term>
      gw        Eqs. 1-7   Gromov-Wasserstein between the feature vectors of generated and real frames
      l1, l2               error of the premultiplied colour
      alpha                error of alpha, the mask M of Eq. 12
      detail               whether each neighbourhood contains as much detail as in the real frame
      vgg                  perceptual loss: L1 between VGG features
      spatial   Eq. 13     adversarial loss of D_q, on single frames
      temporal  Eq. 14     adversarial loss of D_t, on windows of consecutive frames
      matching             feature matching: L1 between the discriminators' features (pix2pixHD)
    loss of D_q: Eq. 13, and of D_t: Eq. 14, both negated

The paper does not contain the terms without an equation, except `l2`, the baseline `L2 loss` of Table 2.

All terms except `gw` are means over frames. `gw` depends on all pairs of frames of a batch.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from stages.learning import devices
from stages.losses.adversarial import discriminator_loss, feature_matching, generator_loss
from stages.losses.detail import detail_loss
from stages.losses.gromov_wasserstein import gromov_wasserstein_loss
from stages.losses.perceptual import perceptual_loss
from stages.nets import vgg
from stages.nets.discriminators import DiscriminatorOutputs, background_change

if TYPE_CHECKING:
    from lightning_fabric import Fabric

    from stages.learning.batches import Batch
    from stages.params import GeneratorTraining

PIXEL_TERMS = ("l1", "l2", "alpha", "detail")  # computed in every step, because they need no other network
TERMS = (*PIXEL_TERMS, "vgg", "gw", "matching", "spatial", "temporal")
LOSSES = (*TERMS, "d_spatial", "d_temporal")

FeaturePair = tuple[vgg.Features, vgg.Features]  # of generated and of real foregrounds


class Objective:
    """The losses of G and of its discriminators: "spatial" is D_q, "temporal" is D_t.

    The terms that need another network (a discriminator or VGG) are computed only every `adversarial_interval` steps,
    with their weight multiplied by this interval. The argument `adversarial` says whether this is such a step. A term
    whose weight is 0 is not computed."""

    def __init__(self, params: "GeneratorTraining", fabric: "Fabric", discriminators: dict[str, nn.Module]):
        self.params, self.fabric, self.discriminators = params, fabric, discriminators
        self.vgg = vgg.Vgg(params.features, params.features_depth).to(
            fabric.device, memory_format=torch.channels_last)

    def gromov_wasserstein(self, features: Iterable[FeaturePair]) -> tuple[Tensor, list[Tensor]]:
        """The term `gw` of the whole batch. features: for each micro-batch of this process, the VGG features of its
        generated and real frames. The feature vectors of other processes are gathered.

        Returns the value, and for each micro-batch the gradient of the weighted term with respect to its feature
        vectors."""
        p = self.params
        fake, real = zip(*([self.feature_vectors(one).detach() for one in pair] for pair in features))
        own, every_real, num_processes = torch.cat(fake).requires_grad_(), torch.cat(real), 1
        every_fake = own
        if p.gw_points == "frames":  # frames of all processes are compared
            others, num_processes = devices.gather(self.fabric, own.detach()), p.devices
            every_real = devices.gather(self.fabric, every_real)
            start = self.fabric.global_rank * len(own)
            every_fake = torch.cat([others[:start], own, others[start + len(own) :]])
        value = gromov_wasserstein_loss(
            every_fake, every_real, p.gw_epsilon, p.gw_outer, p.gw_inner, p.gw_debiased)
        # multiplied by the number of processes, because gradients are averaged over them
        grad, = torch.autograd.grad(self.weight("gw") * num_processes * value, own)
        return value.detach(), list(grad.split([len(vectors) for vectors in fake]))

    def generator_terms(self, batch: "Batch", fake: Tensor, features: FeaturePair, adversarial: bool
                        ) -> dict[str, Tensor]:
        """All terms of G except `gw`, without their weights. fake (B, 4, h, w): the generated foregrounds. features:
        what `perceptual_features` returns for them."""
        p, real, terms = self.params, batch.real, {}
        colour_error, alpha_error = fake[:, :3] - real[:, :3], fake[:, 3] - real[:, 3]
        if p.weight_l1:
            terms["l1"] = colour_error.abs().mean()
        if p.weight_l2:
            terms["l2"] = colour_error.square().mean()
        if p.weight_alpha:
            terms["alpha"] = alpha_error.abs().mean()
        if p.weight_detail:
            terms["detail"] = detail_loss(fake[:, :3], real[:, :3])
        if not adversarial:
            return terms
        if p.weight_vgg:
            terms["vgg"] = perceptual_loss(*features)
        for name in self.discriminators:  # D_q, Eq. 13, and D_t, Eq. 14
            fake_outputs = self.disc_outputs(name, batch, fake)
            terms[name] = generator_loss(fake_outputs, p.adversarial)
            if p.weight_matching:
                with torch.no_grad():
                    real_outputs = self.disc_outputs(name, batch, real)
                terms["matching"] = terms.get("matching", 0) + feature_matching(real_outputs, fake_outputs)
        return terms

    def discriminator_loss(self, name: str, batch: "Batch", fake: Tensor) -> Tensor:
        """The loss of D_q ("spatial", Eq. 13) or D_t ("temporal", Eq. 14)."""
        real_outputs, fake_outputs = (self.disc_outputs(name, batch, x) for x in (batch.real, fake.detach()))
        return discriminator_loss(real_outputs, fake_outputs, self.params.adversarial)

    def weight(self, term: str) -> float:
        """The weight of a term of G, multiplied by the interval at which it is computed."""
        interval = 1 if term in PIXEL_TERMS else self.params.adversarial_interval
        return interval * getattr(self.params, f"weight_{term}")

    def weighted_sum(self, terms: dict[str, Tensor]) -> Tensor:
        return sum(self.weight(name) * term for name, term in terms.items())

    def disc_outputs(self, name: str, batch: "Batch", foregrounds: Tensor) -> DiscriminatorOutputs:
        """The outputs of the discriminator `name` for real or generated foregrounds (B, 4, h, w)."""
        discriminator = self.discriminators[name]
        skeletons, frames = batch.skeletons, background_change(foregrounds, batch.backgrounds)
        if batch.reduction > 1:
            frames = F.interpolate(frames, scale_factor=batch.reduction)
        if (length := discriminator.num_frames) > 1:
            skeletons, frames = batch.frame_windows(skeletons, length), batch.frame_windows(frames, length)
        with self.fabric.autocast():
            return discriminator(skeletons, frames)

    def perceptual_features(self, batch: "Batch", fake: Tensor, adversarial: bool) -> FeaturePair:
        """VGG features of the generated and of the real foregrounds; two empty lists if no term of this step needs
        them."""
        if not (adversarial and (self.params.weight_vgg or self.params.weight_gw)):
            return [], []
        with torch.no_grad():
            real_features = self._vgg_features(batch.real)
        return self._vgg_features(fake), real_features

    def _vgg_features(self, foregrounds: Tensor) -> vgg.Features:
        """VGG features of the premultiplied colour, after downscaling to `features_size` pixels if it is larger."""
        scale = min(1.0, self.params.features_size / max(foregrounds.shape[-2:]))
        colour = foregrounds[:, :3]
        if scale < 1:
            colour = F.interpolate(colour, [round(side * scale) for side in colour.shape[-2:]], mode="area")
        with self.fabric.autocast():
            return [feature.float() for feature in self.vgg(colour)]

    def feature_vectors(self, features: vgg.Features) -> Tensor:
        """z of Eq. 1: one vector for each frame (B, d) or, with `gw_points: patches`, one for each of 64 cells of each
        frame (B, 64, d)."""
        return vgg.frame_vectors(features) if self.params.gw_points == "frames" else vgg.patch_vectors(features)
