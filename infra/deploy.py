"""Brings a stack to what its template says, and writes its outputs as an environment file."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from orchestration.environment import FOLDER, Environment, _read
from sluice.aws import client, speaking_of
from sluice.contract import AwsError, AwsNotFound, InputError

WAIT_SECONDS = 5.0
SETTLED = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "IMPORT_COMPLETE")
"""The states in which a stack can be changed."""
DEAD = ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED", "DELETE_FAILED", "REVIEW_IN_PROGRESS")
"""Its creation failed: it can only be deleted and made anew."""
