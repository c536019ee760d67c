"""The model registry: accepted models, their status, and who decided what and why; one interface, a home per place.

The home on this machine is MLflow's SQLite store. Reading it needs no MLflow; registering and deciding do.
"""

from sluice.registry.base import Candidate, Registry
from sluice.registry.home import RegistryHome
from sluice.registry.records import Decision, ModelVersion, Status
from sluice.registry.who import current_user

__all__ = ["Candidate", "Decision", "ModelVersion", "Registry", "RegistryHome", "Status", "current_user"]
