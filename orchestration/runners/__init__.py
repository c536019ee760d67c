"""The runners: each takes the same graph and leaves the same manifests."""

RUNNERS = ("local", "docker", "sagemaker-local", "sagemaker")
"""The names that `--runner` takes."""
