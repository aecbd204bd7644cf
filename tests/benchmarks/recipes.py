"""The experiments of docs/experiments.md: what each changes in the demo's generator_training, the expected effect, and
whether the demo preset adopted it. The most important come first."""

from dataclasses import dataclass, field

from stages import InputError
from stages.params import GeneratorTraining, Params

PRESET = "demo"


@dataclass(frozen=True)
class Experiment:
    """`changes` of the demo's parameters, on top of a `variant` of params.yaml. The first experiment is the base."""

    name: str
    expected: str
    changes: dict = field(default_factory=dict)
    variant: str | None = None
    kept: str = "no"

    def block(self, params: Params, seed: int) -> GeneratorTraining:
        """The parameters to train with, validated as params.yaml is."""
        preset = params.with_variants(PRESET, self.variant) if self.variant else params.presets[PRESET]
        block = preset.generator_training.model_dump()
        if unknown := self.changes.keys() - block.keys():
            raise InputError(f"experiment `{self.name}`: generator_training has no {', '.join(sorted(unknown))}; "
                             "name its parameters as params.yaml does")
        return GeneratorTraining(**block | self.changes | {"seed": seed, "device": "cpu"})


EXPERIMENTS = (
    Experiment("base", "what `demo` does", kept="yes"),
    Experiment("adam", "Adam in place of Muon: blurred", {"optimiser": "adam"}),
    Experiment("skeleton maps", "drawn skeletons, as in the paper: hands and feet worse", {"pose_maps": "skeleton"}),
    Experiment("no crop", "full frames: fewer steps in the same time", {"crop": False}),
    Experiment("no discriminators", "no D_q, D_t, VGG or GW: more steps, less sharp",
               {"weight_spatial": 0.0, "weight_temporal": 0.0, "weight_vgg": 0.0, "weight_gw": 0.0},
               kept="no: the paper's method"),
    Experiment("discriminators every step", "fewer steps, sharper", {"adversarial_interval": 1}),
    Experiment("l2", "L2 in place of GW: blurred (Table 2)", variant="l2"),
    Experiment("no dense", "no dense skip connections: less detail (Table 2)", variant="no_dense"),
    Experiment("pose_context 0", "G sees P_t only: limbs in front of or behind the body confused", {"pose_context": 0}),
    Experiment("pose_context 2", "two poses before and after: limbs confused less", {"pose_context": 2}),
    Experiment("turned", "rotated by up to .15, moved by up to .1: unseen poses better",
               {"rotate": 0.15, "resample": 1.0, "augment": 0.1}),
    Experiment("augment 0", "no augmentation: unseen poses worse", {"augment": 0.0}),
    Experiment("edn", "Everybody Dance Now, full width: too few steps in the time", variant="edn"),
    Experiment("body only", "no hands, feet or face in the pose maps: these worse", {"parts": ["body"]}),
    Experiment("max_channels 512", "more weights: fewer steps in the same time", {"max_channels": 512}),
    Experiment("num_downsamples 2", "one downsampling less: more steps, less context", {"num_downsamples": 2}),
    Experiment("ema 0", "last weights in place of their average: noisier", {"ema": 0.0}),
    Experiment("no decay", "the learning rate does not fall: noisier", {"decay_from": 1.0}),
    Experiment("no gw", "no Gromov-Wasserstein: less similar to the person (Eq. 3)", {"weight_gw": 0.0}),
    Experiment("gw patches", "GW between the patches of each frame: more detail", {"gw_points": "patches"}),
    Experiment("gw debiased", "GW without its entropic bias: a better minimum", {"gw_debiased": True}),
    Experiment("feature matching", "more stable discriminators (40 times D_q's weight, as in edn)",
               {"weight_matching": 8.0}),
)
