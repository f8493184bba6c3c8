"""Read, check and translate the documents of the Infisical certificate agent."""
