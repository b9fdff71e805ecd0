"""What `poet doctor` looks at: this machine, and a workspace on it; nothing is changed by looking."""

from poet.doctor._examine import examine
from poet.doctor._finding import Finding, Severity

__all__ = ["Finding", "Severity", "examine"]
