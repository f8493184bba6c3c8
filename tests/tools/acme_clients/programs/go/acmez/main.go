// One operation of acmez, the client of CertMagic.
package main

import (
	"context"
	"crypto/x509"
	"os"
	"time"

	"github.com/mholt/acmez/v3"
	"github.com/mholt/acmez/v3/acme"

	"evercert.example/clients/common"
)

const accountFile = "account.pem"

type solver struct{}

func (solver) Present(_ context.Context, challenge acme.Challenge) error {
	if challenge.Type == acme.ChallengeTypeHTTP01 {
		return common.AnswerPage(challenge.Token, challenge.KeyAuthorization)
	}
	return common.AnswerRecord(challenge.Identifier.Value, challenge.DNS01KeyAuthorization())
}

func (solver) CleanUp(context.Context, acme.Challenge) error { return nil }

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 90*time.Second)
	defer cancel()
	client := &acmez.Client{
		Client:           &acme.Client{Directory: common.Directory, HTTPClient: common.Client()},
		ChallengeSolvers: map[string]acmez.Solver{},
	}
	account := acme.Account{Contact: common.Contact, TermsOfServiceAgreed: true, PrivateKey: common.AccountKey(accountFile)}
	operation, arguments := os.Args[1], os.Args[2:]
	if operation == "register" {
		binding := acme.EAB{KeyID: common.KeyID, MACKey: common.HMACKey}
		common.Check(account.SetExternalAccountBinding(ctx, client.Client, binding))
		common.Must(client.NewAccount(ctx, account))
		return
	}
	account = common.Must(client.GetAccount(ctx, account))
	switch operation {
	case "issue":
		issue(ctx, client, account, arguments[0], arguments[1:], nil)
	case "renew":
		old := common.Leaf(common.ChainFile(arguments[1]))
		common.Must(client.GetRenewalInfo(ctx, old))
		issue(ctx, client, account, arguments[0], arguments[1:], old)
	case "revoke":
		common.Check(client.RevokeCertificate(ctx, account, common.Leaf(arguments[0]), nil, common.Superseded))
	case "change-key":
		replacement := common.NewKey()
		common.Must(client.AccountKeyRollover(ctx, account, replacement))
		common.StoreKey(accountFile, replacement)
	case "deactivate":
		account.Status = acme.StatusDeactivated
		common.Must(client.UpdateAccount(ctx, account))
	}
}

func issue(
	ctx context.Context, client *acmez.Client, account acme.Account, kind string, names []string, old *x509.Certificate,
) {
	client.ChallengeSolvers[kind] = solver{}
	csr := common.Must(acmez.NewCSR(common.NewKey(), names))
	parameters := common.Must(acmez.OrderParametersFromCSR(account, csr))
	parameters.Replaces = old
	chains := common.Must(client.ObtainCertificate(ctx, parameters))
	common.Check(os.WriteFile(common.ChainFile(names[0]), chains[0].ChainPEM, 0o644))
}
