package testdb

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Certificate writes a certificate for 127.0.0.1 that is its own authority, and its key, in PEM.
func Certificate(t testing.TB) (string, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "mesh"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	directory := t.TempDir()
	files := [2]string{filepath.Join(directory, "tls.crt"), filepath.Join(directory, "tls.key")}
	for i, block := range []*pem.Block{{Type: "CERTIFICATE", Bytes: certificate}, {Type: "EC PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(files[i], pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return files[0], files[1]
}

// TLS makes the server speak it from now on, too, until the test ends.
func (s *Server) TLS(t testing.TB, certificateFile, keyFile string) {
	t.Helper()
	owner, err := serverUser()
	if err != nil {
		t.Fatal(err)
	}
	for from, name := range map[string]string{certificateFile: "server.crt", keyFile: "server.key"} {
		text, err := os.ReadFile(from)
		to := filepath.Join(s.data, name)
		if err == nil {
			err = os.WriteFile(to, text, 0o600)
		}
		if err == nil && owner != nil {
			err = os.Chown(to, int(owner.Uid), int(owner.Gid))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	Exec(t, s.DSN("postgres"), "ALTER SYSTEM SET ssl = on")
	Exec(t, s.DSN("postgres"), "SELECT pg_reload_conf()")
	t.Cleanup(func() {
		Exec(t, s.DSN("postgres"), "ALTER SYSTEM RESET ssl")
		Exec(t, s.DSN("postgres"), "SELECT pg_reload_conf()")
	})
}
