"""Audits: what every scheme costs at every bit-width, tensor by tensor, and what follows from it."""

from fmq_theory.checkpoint.audit.result import Audit
from fmq_theory.checkpoint.audit.run import AUDIT_SCHEMES, AuditError, audit

__all__ = ["AUDIT_SCHEMES", "Audit", "AuditError", "audit"]
