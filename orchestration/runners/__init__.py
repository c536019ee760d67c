"""The runners: each takes the same graph and leaves the same manifests."""
