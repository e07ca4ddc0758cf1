"""Which runs a study asks for, and the driver that has them run."""
