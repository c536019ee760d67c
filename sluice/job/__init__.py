"""What runs inside a SageMaker job: a component by name, its progress told to a table, its failure told in words.

It is in every image and imports nothing of the SageMaker SDK.
"""

from __future__ import annotations

from sluice.job.step import NOT_GIVEN, record_uri, run_step

__all__ = ["NOT_GIVEN", "record_uri", "run_step"]
