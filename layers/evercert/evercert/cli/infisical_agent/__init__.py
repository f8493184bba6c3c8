"""Documents of the Infisical certificate agent: read, checked as the agent would, and translated."""
