"""Who asks: logins by client secret and by AWS IAM, and access tokens."""
