"""A package, so that it is found before the `tests` that one of the SDK's dependencies installs."""
