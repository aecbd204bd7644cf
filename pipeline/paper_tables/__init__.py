"""The paper's Tables 1 and 2, beside our scores and those of other systems."""
