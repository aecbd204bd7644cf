"""Loss functions (paper sections 2.2 to 2.4)."""
