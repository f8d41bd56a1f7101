"""Counting: the recorder of the request path, histograms, the snapshot that goes up, the access log. Knows nothing of HTTP or YAML."""
