"""The experiments of docs/experiments.md: what is changed of the demo's generator_training, what was expected of it,
and whether the demo keeps it. The most telling come first."""

from dataclasses import dataclass, field

from stages import InputError
from stages.params import GeneratorTraining, Params

PRESET = "demo"


@dataclass(frozen=True)
class Experiment:
    """`variant` names one of params.yaml, and `changes` are laid over it. All differ from the first one, the base."""

    name: str
    expected: str
    changes: dict = field(default_factory=dict)
    variant: str | None = None
    kept: str = "no"

    def block(self, params: Params, seed: int) -> GeneratorTraining:
        """What is trained; checked as params.yaml is."""
        preset = params.varied(PRESET, self.variant) if self.variant else params.presets[PRESET]
        block = preset.generator_training.model_dump()
        if unknown := self.changes.keys() - block.keys():
            raise InputError(f"experiment `{self.name}`: generator_training has no {', '.join(sorted(unknown))}; "
                             "name its parameters as params.yaml does")
        return GeneratorTraining(**block | self.changes | {"seed": seed, "device": "cpu"})


EXPERIMENTS = (
    Experiment("base", "what `demo` does", kept="yes"),
    Experiment("adam", "Adam in place of Muon: blurred", {"optimiser": "adam"}),
    Experiment("lines", "lines alone, as in the paper: hands and feet suffer", {"pose_maps": "skeleton"}),
    Experiment("no window", "the whole square: fewer steps", {"crop": False}),
    Experiment("no judges", "no D_q, D_t, VGG or GW: more steps, less sharp",
               {"weight_spatial": 0.0, "weight_temporal": 0.0, "weight_vgg": 0.0, "weight_gw": 0.0},
               kept="no: the paper's method"),
    Experiment("judges every step", "fewer steps, sharper", {"adversarial_interval": 1}),
    Experiment("l2", "L2 in place of GW: blurred (Table 2)", variant="l2"),
    Experiment("no dense", "no dense skip connections: less detail (Table 2)", variant="no_dense"),
    Experiment("temporal 0", "G sees P_t alone: limbs before or behind the body are told apart worse", {"pose_context": 0}),
    Experiment("temporal 2", "two poses on either side: they are told apart better", {"pose_context": 2}),
    Experiment("turned", "turned by up to .15, moved by up to .1: unseen poses gain", {"rotate": 0.15, "resample": 1.0, "augment": 0.1}),
    Experiment("augment 0", "frames as they are: unseen poses lose", {"augment": 0.0}),
    Experiment("edn", "Everybody Dance Now, full width: too few steps in the time", variant="edn"),
    Experiment("body only", "no hands, feet or face in the drawing: these suffer", {"parts": ["body"]}),
    Experiment("widest 512", "more weights: fewer steps", {"max_channels": 512}),
    Experiment("levels 2", "one halving less: more steps, less context", {"num_downsamples": 2}),
    Experiment("ema 0", "last weights instead of their average: noisier", {"ema": 0.0}),
    Experiment("no decay", "the learning rate does not fall: noisier", {"decay_from": 1.0}),
    Experiment("no gw", "no Gromov-Wasserstein: less like the person (Eq. 3)", {"weight_gw": 0.0}),
    Experiment("gw patches", "GW between the patches of each frame: more detail", {"gw_points": "patches"}),
    Experiment("gw debiased", "GW without its entropic bias: a better minimum", {"gw_debiased": True}),
    Experiment("feature matching", "steadier judges (forty times D_q's weight, as in edn)", {"weight_matching": 8.0}),
)
