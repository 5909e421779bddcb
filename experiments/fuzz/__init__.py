"""Damaged, forged and hostile inputs by the thousand: what comes back must be right, or refused by name."""
