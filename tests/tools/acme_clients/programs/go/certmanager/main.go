// One operation of cert-manager's own ACME client.
package main

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"fmt"
	"os"
	"time"

	"github.com/cert-manager/cert-manager/third_party/forked/acme"

	"evercert.example/clients/common"
)

const accountFile = "account.pem"

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 90*time.Second)
	defer cancel()
	key := common.AccountKey(accountFile)
	client := &acme.Client{Key: key, DirectoryURL: common.Directory, HTTPClient: common.Client()}
	operation, arguments := os.Args[1], os.Args[2:]
	if operation == "register" {
		binding := &acme.ExternalAccountBinding{KID: common.KeyID, Key: common.MACKey()}
		account := &acme.Account{Contact: common.Contact, ExternalAccountBinding: binding}
		common.Must(client.Register(ctx, account, acme.AcceptTOS))
		return
	}
	common.Must(client.GetReg(ctx, ""))
	switch operation {
	case "issue":
		issue(ctx, client, arguments[0], arguments[1:])
	case "renew":
		// As cert-manager does: ask for the renewal window, and name the certificate that the order replaces.
		old := common.Leaf(common.ChainFile(arguments[1]))
		common.Must(client.GetRenewalInfo(ctx, old))
		issue(ctx, client, arguments[0], arguments[1:], common.Must(acme.WithOrderReplacesCertificate(old)))
	case "revoke":
		common.Check(client.RevokeCert(ctx, nil, common.Leaf(arguments[0]).Raw, acme.CRLReasonSuperseded))
	case "change-key":
		replacement := common.NewKey()
		common.Check(client.AccountKeyRollover(ctx, replacement))
		common.StoreKey(accountFile, replacement)
	case "deactivate":
		common.Check(client.DeactivateReg(ctx))
	}
}

func issue(ctx context.Context, client *acme.Client, kind string, names []string, options ...acme.OrderOption) {
	order := common.Must(client.AuthorizeOrder(ctx, acme.DomainIDs(names...), options...))
	for _, url := range order.AuthzURLs {
		answer(ctx, client, kind, common.Must(client.GetAuthorization(ctx, url)))
	}
	ready := common.Must(client.WaitOrder(ctx, order.URI))
	template := &x509.CertificateRequest{DNSNames: names}
	csr := common.Must(x509.CreateCertificateRequest(rand.Reader, template, common.NewKey()))
	chain, _, err := client.CreateOrderCert(ctx, ready.FinalizeURL, csr, true)
	common.Check(err)
	common.StoreChain(names[0], chain)
}

func answer(ctx context.Context, client *acme.Client, kind string, authorization *acme.Authorization) {
	for _, challenge := range authorization.Challenges {
		if challenge.Type != kind {
			continue
		}
		if kind == "http-01" {
			common.Check(common.AnswerPage(challenge.Token, common.Must(client.HTTP01ChallengeResponse(challenge.Token))))
		} else {
			value := common.Must(client.DNS01ChallengeRecord(challenge.Token))
			common.Check(common.AnswerRecord(authorization.Identifier.Value, value))
		}
		common.Must(client.Accept(ctx, challenge))
		common.Must(client.WaitAuthorization(ctx, authorization.URI))
		return
	}
	common.Check(fmt.Errorf("%s has no challenge %s", authorization.Identifier.Value, kind))
}
