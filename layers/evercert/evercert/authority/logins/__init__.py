"""Authentication: logins with client secrets or AWS IAM, and access tokens."""
