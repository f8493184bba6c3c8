"""The one part that signs: it checks by itself, writes down what it is about to do, and asks KMS."""
