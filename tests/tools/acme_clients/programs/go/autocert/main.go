// One operation of golang.org/x/crypto/acme/autocert, or of the client that it contains.
package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/pem"
	"net"
	"net/http"
	"os"
	"time"

	"golang.org/x/crypto/acme"
	"golang.org/x/crypto/acme/autocert"

	"evercert.example/clients/common"
)

const (
	cache       = "cache"
	accountFile = "account.pem"
	longest     = 10_000 * time.Hour
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 90*time.Second)
	defer cancel()
	client := &acme.Client{
		Key: common.AccountKey(accountFile), DirectoryURL: common.Directory, HTTPClient: common.Client(),
	}
	operation, arguments := os.Args[1], os.Args[2:]
	if operation == "issue" || operation == "renew" {
		serve(ctx, client, arguments[1], operation == "renew")
		return
	}
	common.Must(client.GetReg(ctx, ""))
	switch operation {
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

// serve answers http-01, and stores the chain once a TLS client of the name gets it, or gets another one.
func serve(ctx context.Context, client *acme.Client, name string, renew bool) {
	manager := &autocert.Manager{
		Prompt:     autocert.AcceptTOS,
		Cache:      autocert.DirCache(cache),
		HostPolicy: autocert.HostWhitelist(name),
		Client:     client,
		Email:      "ops@example.com",
		ExternalAccountBinding: &acme.ExternalAccountBinding{
			KID: common.KeyID, Key: common.MACKey(),
		},
	}
	var before []byte
	if renew {
		manager.RenewBefore = longest // every certificate is due
		before = common.Leaf(common.ChainFile(name)).Raw
	}
	listener := common.Must(net.Listen("tcp", os.Getenv("ACME_HTTP_ADDRESS")))
	go http.Serve(listener, manager.HTTPHandler(nil))
	hello := &tls.ClientHelloInfo{
		ServerName:       name,
		CipherSuites:     []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256},
		SupportedCurves:  []tls.CurveID{tls.CurveP256},
		SignatureSchemes: []tls.SignatureScheme{tls.ECDSAWithP256AndSHA256},
	}
	for {
		found := common.Must(manager.GetCertificate(hello))
		if !bytes.Equal(found.Certificate[0], before) && cached(ctx, manager, name, found.Certificate[0]) {
			common.StoreChain(name, found.Certificate)
			return
		}
		select {
		case <-ctx.Done():
			common.Check(ctx.Err())
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// cached returns whether the cache has this certificate, so that the next run starts with it.
func cached(ctx context.Context, manager *autocert.Manager, name string, leaf []byte) bool {
	content, err := manager.Cache.Get(ctx, name)
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: leaf})
	return err == nil && bytes.Contains(content, block)
}
