"""The signer, which alone can sign: it checks each order, records it, and signs with KMS."""
