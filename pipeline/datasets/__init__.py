"""People and clips of data sets as entries of params.yaml."""
