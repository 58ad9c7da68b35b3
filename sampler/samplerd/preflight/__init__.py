"""`samplerd preflight`: the conformance sweep that a pod runs before it is ready (docs/preflight.md)."""
