"""Command `evercert agent`: its file, its logs, its connection to the stack."""
