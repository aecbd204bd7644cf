"""Alpha mattes, and the empty background that they are refined against."""
