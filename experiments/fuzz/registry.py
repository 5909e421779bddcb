"""The campaigns, in the order in which they take turns."""

from experiments.fuzz.budgets import AUDITS, BUDGETS
from experiments.fuzz.calls import CALLS, TRANSPORT
from experiments.fuzz.checkpoints import ARCHIVES, CHECKPOINTS
from experiments.fuzz.documents import CERTIFICATES, PLANS
from experiments.fuzz.laws import LAWS
from experiments.fuzz.limits import LIMITS
from experiments.fuzz.modules import MODULES
from experiments.fuzz.names import NAMES
from experiments.fuzz.outputs import OUTPUTS
from experiments.fuzz.packed import FIRST_FORMAT, PACKED_FILES
from experiments.fuzz.stopped import AUDIT_STORES, KILLS, PARTS
from experiments.fuzz.tables import CODEBOOK_TABLES, SENSITIVITIES
from experiments.fuzz.theory import THEORY
from experiments.fuzz.trial import Campaign

__all__ = ["CAMPAIGNS"]

CAMPAIGNS: tuple[Campaign, ...] = (
    CALLS,
    TRANSPORT,
    LAWS,
    THEORY,
    AUDITS,
    BUDGETS,
    ARCHIVES,
    *CHECKPOINTS.values(),
    *PACKED_FILES.values(),
    FIRST_FORMAT,
    MODULES,
    PLANS,
    SENSITIVITIES,
    CERTIFICATES,
    CODEBOOK_TABLES,
    AUDIT_STORES,
    PARTS,
    KILLS,
    NAMES,
    OUTPUTS,
    LIMITS,
)
