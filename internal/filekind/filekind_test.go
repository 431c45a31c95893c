package filekind

import (
	"errors"
	"testing"
)

func TestCheck(t *testing.T) {
	const private = "this is a private key; advice: " + AdviceIdentity
	tests := []struct{ name, text, want string }{
		{"OpenSSH", "-----BEGIN OPENSSH PRIVATE KEY-----\nb3Bl\n-----END OPENSSH PRIVATE KEY-----\n", private},
		{"PKCS#1", "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n", private},
		{"PKCS#8", "-----BEGIN PRIVATE KEY-----\nMIIE\n", private},
		{"encrypted PKCS#8", "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIE\n", private},
		{"parameters first", "-----BEGIN EC PARAMETERS-----\nBggq\n-----END EC PARAMETERS-----\n-----BEGIN EC PRIVATE KEY-----\n", private},
		{"behind attributes", "Bag Attributes\n    localKeyID: 01\nKey Attributes: <No Attributes>\n-----BEGIN PRIVATE KEY-----\n", private},
		{"behind a comment", "\n# mine\n-----BEGIN DSA PRIVATE KEY-----\n", private},
		{"SSH2", "---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----\nComment: x\n", private},
		{"carriage returns and a mark", "\ufeff-----BEGIN OPENSSH PRIVATE KEY-----\r\nb3Bl\r\n", private},
		{"PGP private", "-----BEGIN PGP PRIVATE KEY BLOCK-----\n", private},
		{"PuTTY", "PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\n", "this is a private key: puttygen FILE -O private-openssh -o NEW converts it"},
		{"age", "AGE-SECRET-KEY-1QQ\n", "this is a private key"},
		{"SSH 1", "SSH PRIVATE KEY FILE FORMAT 1.1\n\x00", "this is a private key: SSH 1 keys are no longer supported"},
		{"certificate", "-----BEGIN CERTIFICATE-----\nMIID\n", "this is a certificate"},
		{"request", "-----BEGIN CERTIFICATE REQUEST-----\nMIID\n", "this is a certificate"},
		{"public", "ssh-ed25519 AAAAC3Nza me\n", "this is a public key: it belongs in a host's authorized_keys"},
		{"public PEM", "-----BEGIN PUBLIC KEY-----\nMIID\n", "this is a public key: it belongs in a host's authorized_keys"},
		{"vault", "$ANSIBLE_VAULT;1.1;AES256\n6162\n", "this is encrypted (Ansible Vault)"},
		{"inventory", "hosts: {web1: }\n", ""},
		{"list", "web1\nweb2\n", ""},
		{"known_hosts", "web1 ssh-ed25519 AAAAC3Nza\n", ""},
		{"a key in YAML", "all:\n  vars:\n    key: |\n      -----BEGIN OPENSSH PRIVATE KEY-----\n", ""},
		{"a key in JSON", "{\"k\": \"-----BEGIN OPENSSH PRIVATE KEY-----\\n\"}", ""},
		{"nothing", "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := ""
			if err := Check([]byte(tt.text)); err != nil {
				got = err.Error()
				if kind, ok := errors.AsType[*Error](err); ok {
					if code, _ := kind.Advice(); code != "" {
						got += "; advice: " + code
					}
				}
			}
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
