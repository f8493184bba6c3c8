"""Operations of an operator: apply, renew, diagnose."""
