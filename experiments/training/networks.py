"""The networks that the trainer knows, by the size of the images."""

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from fmq_theory.errors import FlowError
from fmq_theory.flow.compact_unet import CompactUNet


def make_network(name: str, size: int) -> nn.Module:
    """A network with fresh weights for images of ``size`` by ``size``.

    Raises:
        FlowError: an unknown name, or a library that is not installed.
    """
    if name not in NETWORKS:
        raise FlowError(f"model {name!r}", "there is no network of that name", f"choose one of {[*NETWORKS]}")
    return NETWORKS[name](size)


def _compact(size: int) -> nn.Module:
    """A quarter million weights for 8 by 8; one more resolution for images beyond 16 by 16."""
    return CompactUNet(size, (32, 64) if size <= 16 else (32, 64, 64), dropout=0.1)


def _unet(size: int) -> nn.Module:
    return DiffusersUNet(size)


class DiffusersUNet(nn.Module):
    """diffusers' UNet2DModel as v(x, t, y): three resolutions, about six million weights."""

    def __init__(self, size: int, num_classes: int = 10) -> None:
        super().__init__()
        try:
            from diffusers import UNet2DModel  # pyright: ignore[reportPrivateImportUsage]
        except ImportError as error:
            raise FlowError(
                "model 'unet'", "diffusers is not installed", "pip install 'fmq_theory[models]'"
            ) from error
        self.net: Any = UNet2DModel(
            sample_size=size,
            in_channels=1,
            out_channels=1,
            layers_per_block=2,
            block_out_channels=(64, 128, 128),
            down_block_types=("DownBlock2D", "DownBlock2D", "AttnDownBlock2D"),
            up_block_types=("AttnUpBlock2D", "UpBlock2D", "UpBlock2D"),
            num_class_embeds=num_classes,
        )

    def forward(self, x: Tensor, t: Tensor, y: Tensor) -> Tensor:
        # Its sinusoids are made for a thousand integer times.
        return self.net(x, 1000.0 * t, class_labels=y).sample


NETWORKS: dict[str, Callable[[int], nn.Module]] = {"compact": _compact, "unet": _unet}
