"""The register component: makes an accepted model a version of its group."""
