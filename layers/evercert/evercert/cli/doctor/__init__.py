"""The checks of `evercert doctor`."""
