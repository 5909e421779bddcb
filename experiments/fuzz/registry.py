"""The campaigns, in the order in which they take turns."""

from experiments.fuzz.calls import CALLS, TRANSPORT
from experiments.fuzz.checkpoints import CHECKPOINTS
from experiments.fuzz.documents import CERTIFICATES, PLANS
from experiments.fuzz.names import NAMES
from experiments.fuzz.packed import PACKED_FILES
from experiments.fuzz.trial import Campaign

__all__ = ["CAMPAIGNS"]

CAMPAIGNS: tuple[Campaign, ...] = (
    CALLS,
    TRANSPORT,
    NAMES,
    CHECKPOINTS,
    CERTIFICATES,
    PACKED_FILES,
    PLANS,
)
