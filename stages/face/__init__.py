"""Face orientation and face enhancement (paper section 2.3, Eqs. 8 and 9)."""
