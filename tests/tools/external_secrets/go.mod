// The External Secrets Operator, whose module contains the schemas of its resources.
module evercert.test/external-secrets

go 1.24

require github.com/external-secrets/external-secrets v1.3.2
