package cmd

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	gossh "golang.org/x/crypto/ssh"
)

// TestFilesNamedByMistakeAreNotQuoted gives files that hold secrets to every
// option that reads a file. Nothing of them may be in what is printed, or in the
// history: a line of a private key is enough to rebuild the rest.
func TestFilesNamedByMistakeAreNotQuoted(t *testing.T) {
	tutti, err := exec.LookPath("tutti") // which is this test, as for the scripts
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range secretFiles(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := wrongFile{t: t, dir: t.TempDir(), tutti: tutti, text: text}
			w.path = filepath.Join(w.dir, "secret")
			w.write(w.path, 0o600)
			w.tryAll()
		})
	}
}

type wrongFile struct {
	t               *testing.T
	dir, path, text string
	tutti           string
}

func (w *wrongFile) write(path string, mode os.FileMode) {
	w.t.Helper()
	if err := os.WriteFile(path, []byte(w.text), mode); err != nil {
		w.t.Fatal(err)
	}
}

// tryAll runs the program with the file in every place, under every name that
// makes it another kind of file.
func (w *wrongFile) tryAll() {
	good := filepath.Join(w.dir, "hosts.yaml")
	if err := os.WriteFile(good, []byte("hosts: {web1: {address: 127.0.0.1, port: 1}}\n"), 0o600); err != nil {
		w.t.Fatal(err)
	}
	for _, ending := range []string{"", ".yaml", ".json", ".ini", ".list", ".conf"} {
		path := w.path + ending
		w.write(path, 0o600)
		w.run("hosts", "-i", path, "nosuchhost")
	}
	w.run("run", "-i", w.path, "--dry-run", "nosuchhost", "uptime")
	w.run("doctor", "-i", w.path, "--json", "nosuchhost")
	program := filepath.Join(w.dir, "program")
	w.write(program, 0o700)
	w.run("hosts", "-i", program, "nosuchhost")
	printing := filepath.Join(w.dir, "printing")
	script := fmt.Sprintf("#!/bin/sh\ncat %s\n", w.path)
	if err := os.WriteFile(printing, []byte(script), 0o700); err != nil {
		w.t.Fatal(err)
	}
	w.run("hosts", "-i", printing, "nosuchhost")
	directory := filepath.Join(w.dir, "site", "group_vars")
	if err := os.MkdirAll(directory, 0o700); err != nil {
		w.t.Fatal(err)
	}
	w.write(filepath.Join(directory, "all"), 0o600)
	w.write(filepath.Join(directory, "web.yml"), 0o600)
	list := filepath.Join(w.dir, "site", "hosts")
	if err := os.WriteFile(list, []byte("[web]\nweb1\n"), 0o600); err != nil {
		w.t.Fatal(err)
	}
	w.run("hosts", "-i", list)
	for _, args := range [][]string{
		{"run", "-i", good, "@" + w.path, "uptime"},
		{"run", "-i", good, "all,!@" + w.path, "uptime"},
		{"run", "-i", good, "-x", "@" + w.path, "all", "uptime"},
		{"run", "-i", good, "--only", "@" + w.path, "all", "uptime"},
		{"run", "--dry-run", "-w", "web1,@" + w.path, "uptime"},
		{"run", "-i", good, "-F", w.path, "web1", "uptime"},
		{"run", "-i", good, "--known-hosts", w.path, "web1", "uptime"},
		{"run", "-i", good, "--host-keys", "accept-new", "--known-hosts", w.path, "web1", "uptime"},
		{"trust", "-i", good, "--yes", "--known-hosts", w.path, "web1"},
		{"run", "-i", good, "--identity", w.path, "web1", "uptime"},
		{"script", "-i", good, "web1", w.path},
		{"job", "apply", "-f", w.path},
		{"job", "apply", "--dry-run", "-f", w.path},
		{"job", "add", "a", "--schedule", "@hourly", "-i", w.path, "web1", "uptime"},
		{"job", "add", "b", "--schedule", "@hourly", "-i", good, "@" + w.path, "uptime"},
		{"job", "add", "c", "--schedule", "@hourly", "-i", good, "--script", w.path, "web1"},
		{"job", "add", "d", "--schedule", "@hourly", "-i", good, "-F", w.path, "--notify-secret-file", w.path, "web1", "uptime"},
		{"job", "run", "d"},
		{"run", "--history", w.path, "-i", good, "web1", "uptime"},
		{"history", "--history", w.path},
		{"serve", "--check"},
		{"doctor", "-i", good, "-F", w.path, "--known-hosts", w.path, "--identity", w.path},
		{"history", "--json"},
		{"job", "list", "--json"},
	} {
		w.run(args...)
	}
	w.lookInHistory()
}

// run runs the program and looks for the file in what it prints.
func (w *wrongFile) run(args ...string) {
	w.t.Helper()
	cmd := exec.CommandContext(w.t.Context(), w.tutti, args...)
	cmd.Dir = w.dir
	cmd.Env = []string{"HOME=" + w.dir, "PATH=" + os.Getenv("PATH"), "TUTTI_HISTORY=" + filepath.Join(w.dir, "history.db"), "USER=tester", "TZ=UTC", "GORACE=atexit_sleep_ms=10"}
	out, _ := cmd.CombinedOutput() // that it is a mistake is not what is asked
	if word := w.shownIn(out); word != "" {
		w.t.Errorf("tutti %s shows %q:\n%s", strings.Join(args, " "), word, out)
	}
	if data, err := os.ReadFile(w.path); err != nil || string(data) != w.text {
		w.t.Errorf("tutti %s has changed the file", strings.Join(args, " "))
	}
}

// lookInHistory looks for the file in what was recorded.
func (w *wrongFile) lookInHistory() {
	files, err := filepath.Glob(filepath.Join(w.dir, "history.db*"))
	if err != nil {
		w.t.Fatal(err)
	}
	for _, path := range files {
		data, err := os.ReadFile(path)
		if err != nil {
			w.t.Fatal(err)
		}
		if word := w.shownIn(data); word != "" {
			w.t.Errorf("%s holds %q", filepath.Base(path), word)
		}
	}
}

// shownIn is a piece of the file, of six characters, that stands in what was
// printed; empty if there is none. Words that every such file has are no secret.
func (w *wrongFile) shownIn(out []byte) string {
	const length = 6
	for line := range strings.Lines(w.text) {
		line = strings.TrimSpace(line)
		if strings.Contains(line, "-----") || strings.HasPrefix(line, "#") || strings.HasPrefix(line, "[") {
			continue
		}
		for i := 0; i+length <= len(line); i++ {
			piece := line[i : i+length]
			if strings.ContainsAny(piece, " :=") || notSecret(line, i) {
				continue
			}
			if bytes.Contains(out, []byte(piece)) {
				return piece
			}
		}
	}
	return ""
}

// notSecret reports whether what stands at an offset is a name before the value.
func notSecret(line string, at int) bool {
	return strings.ContainsAny(line[at:], ":= ") && !strings.Contains(line[at:min(len(line), at+6)], "SECRET")
}

// secretFiles are files that people have next to their inventories.
func secretFiles(t *testing.T) map[string]string {
	t.Helper()
	files := map[string]string{
		"PuTTY": "PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\nComment: mine\nPublic-Lines: 1\nSECRETAAAAC3NzaC1lZDI1NTE5AAAAIF\n" +
			"Private-Lines: 1\nSECRETAAAAIQCdFgT7\nPrivate-MAC: SECRETb1f3c9\n",
		"certificate":             "-----BEGIN CERTIFICATE-----\nSECRETMIIDdzCCAl+gAwIBAgIE\nSECRETAl+g\n-----END CERTIFICATE-----\n",
		"shadow":                  "root:$6$SECRETsalt$SECREThash/x.y:19000:0:99999:7:::\nbob:!SECRET*:19000::::::\n",
		"shadow with a bare hash": "root:SECREThashhash:19000:0:99999:7:::\n",
		"binary":                  "\x7fELF\x02\x01SECRET\x00\x00SECRETSECRET\xff\xfe\n",
		"binary without NUL":      "\x93SECRETnumpy\xff\nSECRETSECRET\n",
		"token":                   "ghp_SECRETSECRETSECRETSECRETSECRETSECRET\n",
		"JWT":                     "eyJSECRETciOiJIUzI1NiJ9.SECRETyJzdWIiOiIxMjM0.SECRETSflKxwRJSM\n",
		"passwords":               "p@ssSECRET/word\nSECRET hunter2\nSECRET;x\n",
		"credentials":             "[default]\naws_access_key_id = AKIASECRETSECRET\naws_secret_access_key = SECRET/wJalrXUtnFEMI\n",
		"credentials in one word": "[default]\nkey=SECRETwJalrXUtnFEMI/K7\n",
		"my.cnf":                  "[client]\nuser=SECRETuser\npassword=SECREThunter2\n",
		"netrc":                   "machine example.com login SECRETme password SECREThunter2\n",
		"pgpass":                  "db:5432:SECRETdb:SECRETuser:SECRETpass\n",
		"env":                     "API_TOKEN=SECRETtoken\nDB=SECRET://u:p@h/\n",
		"YAML secrets":            "SECRETname: SECRETvalue\nSECRETname: SECRETother\nlist: [SECRETa, *SECRETb]\n",
		"YAML with an open quote": "db: 'SECRETvalue\nx: SECRETy\n",
		"YAML with tags":          "db: !SECRETtag SECRETvalue\n",
		"JSON secrets":            `{"SECRETuser": "SECRETvalue", "list": ["SECRETa"], "n": 12345678901234567890SECRET}` + "\n",
		"JSON":                    `{"user": "SECRETvalue"}` + "\n",
		"age":                     "# created: today\nAGE-SECRET-KEY-1SECRETSECRETQQQQ\n",
		"WireGuard":               "[Interface]\nPrivateKey = SECRETkAxK3yAbc/+defg=\n[Peer]\nPublicKey = SECRETxyz\n",
		"vault":                   "$ANSIBLE_VAULT;1.1;AES256\nSECRET61626364\n",
		"known hosts marker":      "@SECRETmarker host ssh-ed25519 SECRETAAAA\nhost SECRETtype AAAAC3NzaC1lZDI1NTE5\n",
	}
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	rs, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	openssh, err := gossh.MarshalPrivateKey(ed, "")
	if err != nil {
		t.Fatal(err)
	}
	locked, err := gossh.MarshalPrivateKeyWithPassphrase(ed, "", []byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(ec)
	if err != nil {
		t.Fatal(err)
	}
	sec1, err := x509.MarshalECPrivateKey(ec)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{
		"OpenSSH key": openssh, "locked OpenSSH key": locked,
		"PKCS#8 key": {Type: "PRIVATE KEY", Bytes: pkcs8},
		"EC key":     {Type: "EC PRIVATE KEY", Bytes: sec1},
		"RSA key":    {Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(rs)},
	} {
		text := string(pem.EncodeToMemory(block))
		files[name] = text
		_, body, _ := strings.Cut(text, "\n")
		files[name+" without its header"] = body
	}
	files["key with Windows' line ends"] = strings.ReplaceAll(files["OpenSSH key"], "\n", "\r\n")
	return files
}
