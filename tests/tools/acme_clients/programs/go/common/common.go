// Package common has what the programs share: settings, files, and answers to challenges. Each program runs one
// operation in the working folder of the test: `account.pem` is the account's key.
package common

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
)

// Superseded is a revocation reason (RFC 5280 §5.3.1).
const Superseded = 4

const email = "ops@example.com"

// Contact is that of the accounts.
var Contact = []string{"mailto:" + email}

// Settings of the test.
var (
	Directory = os.Getenv("ACME_DIRECTORY")
	KeyID     = os.Getenv("ACME_KEY_ID")
	HMACKey   = os.Getenv("ACME_HMAC_KEY")
)

// Must ends the program with the error of a client.
func Must[T any](value T, err error) T {
	Check(err)
	return value
}

// Check ends the program if there is an error.
func Check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// Client trusts the server's CA only.
func Client() *http.Client {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(Must(os.ReadFile(os.Getenv("ACME_CA_BUNDLE"))))
	return &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
}

// NewKey returns a new private key.
func NewKey() *ecdsa.PrivateKey {
	return Must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
}

// AccountKey returns the account's key, and creates it if it is missing.
func AccountKey(file string) *ecdsa.PrivateKey {
	content, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		key := NewKey()
		StoreKey(file, key)
		return key
	}
	Check(err)
	block, _ := pem.Decode(content)
	return Must(x509.ParseECPrivateKey(block.Bytes))
}

// StoreKey writes a private key.
func StoreKey(file string, key *ecdsa.PrivateKey) {
	content := pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: Must(x509.MarshalECPrivateKey(key))})
	Check(os.WriteFile(file, content, 0o600))
}

// MACKey returns the decoded HMAC key.
func MACKey() []byte {
	return Must(base64.RawURLEncoding.DecodeString(HMACKey))
}

// AnswerPage publishes the answer to http-01.
func AnswerPage(token, keyAuthorization string) error {
	if err := os.MkdirAll("challenges", 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join("challenges", token), []byte(keyAuthorization), 0o644)
}

// AnswerRecord publishes the TXT record of dns-01.
func AnswerRecord(name, value string) error {
	file := filepath.Join(os.Getenv("ACME_RECORDS"), "_acme-challenge."+name+"="+value)
	return os.WriteFile(file, nil, 0o644)
}

// Leaf returns the first certificate of a file.
func Leaf(file string) *x509.Certificate {
	block, _ := pem.Decode(Must(os.ReadFile(file)))
	return Must(x509.ParseCertificate(block.Bytes))
}

// ChainFile returns the file of a chain, which is named after its first name.
func ChainFile(name string) string {
	return strings.ReplaceAll(name, "*", "_") + ".crt"
}

// StoreChain writes a chain.
func StoreChain(name string, chain [][]byte) {
	var text []byte
	for _, one := range chain {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: one})...)
	}
	Check(os.WriteFile(ChainFile(name), text, 0o644))
}
