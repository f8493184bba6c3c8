"""One run: claim, decide, obtain, deliver, conclude, announce."""
