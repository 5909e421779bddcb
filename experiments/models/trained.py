"""The networks of ``python -m experiments.train_digits`` by the size of their images.

For ``--model experiments.models.trained:compact_28`` and so on.
"""

from experiments.training.networks import make_network
from fmq_theory.flow import FlowModel
from fmq_theory.flow.digits import draw_labels

_MIDDLE = {"compact": "middle", "unet": "net.mid_block"}


def compact_28() -> FlowModel:
    """Our own small U-Net for MNIST and Fashion-MNIST."""
    return _model("compact", 28)


def unet_28() -> FlowModel:
    """diffusers' U-Net for MNIST and Fashion-MNIST."""
    return _model("unet", 28)


def compact_8() -> FlowModel:
    """Our own small U-Net for scikit-learn's digits."""
    return _model("compact", 8)


def unet_8() -> FlowModel:
    """diffusers' U-Net for scikit-learn's digits."""
    return _model("unet", 8)


def _model(network: str, size: int) -> FlowModel:
    return FlowModel(
        make_network(network, size).eval(),
        sample_shape=(1, size, size),
        data_range=2.0,
        draw_condition=draw_labels,
        latent_layer=_MIDDLE[network],
    )
