module evercert.example/clients

go 1.26.0

require (
	github.com/cert-manager/cert-manager v1.21.2
	github.com/mholt/acmez/v3 v3.1.7
	golang.org/x/crypto v0.59.0
)

require (
	golang.org/x/net v0.62.0 // indirect
	golang.org/x/text v0.44.0 // indirect
)
