package sshconfig

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"tutti/internal/sshdtest"
	"tutti/inventory/layer"
)

// TestEveryKeywordHasItsPlace: no keyword of ssh is unknown here, none has two
// places, and the document has all that matter.
func TestEveryKeywordHasItsPlace(t *testing.T) {
	out, err := exec.Command(sshdtest.Tool(t, "ssh"), "-G", "-F", "none", "x").Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		word, _, _ := strings.Cut(strings.ToLower(strings.TrimSpace(line)), " ")
		if word != "host" && rowsByName[word] == nil && !harmlessKeywords[word] {
			t.Errorf("%s has no place in the table", word)
		}
	}
	doc, err := os.ReadFile("../../docs/ssh_config.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range table {
		if harmlessKeywords[strings.ToLower(row.name)] {
			t.Errorf("%s is in the table and harmless", row.name)
		}
		if !strings.Contains(string(doc), "`"+row.name+"`") {
			t.Errorf("%s is not in docs/ssh_config.md", row.name)
		}
	}
	for k := range numKeywords {
		if row := rowByKeyword[k]; row == nil || (row.effect == effectHonoured) != (row.setting != "") || (k < firstIgnored) != (row.effect == effectHonoured) {
			t.Errorf("key %d has the row %v", k, row)
		}
	}
}

// TestUnheeded: which values lead to a warning, which make the host unusable, and
// which do no harm.
func TestUnheeded(t *testing.T) {
	tests := []struct{ line, ignored, refused string }{
		{"GSSAPIAuthentication yes", "", ""},
		{"ControlMaster auto", "", ""},
		{"LocalForward 1 a:2", "", ""},
		{"ForwardAgent no", "", ""},
		{"ForwardAgent yes", "ForwardAgent", ""},
		{"ForwardAgent $SOCK", "ForwardAgent", ""},
		{"RequestTTY auto", "", ""},
		{"RequestTTY force", "RequestTTY", ""},
		{"RemoteCommand date", "RemoteCommand", ""},
		{"RemoteCommand none", "", ""},
		{"SessionType none", "SessionType", ""},
		{"RemoteForward 1 a:2", "RemoteForward", ""},
		{"RemoteForward 1 a:2\nClearAllForwardings yes", "", ""},
		{"LocalCommand date", "", ""},
		{"LocalCommand date\nPermitLocalCommand yes", "LocalCommand", ""},
		{"VerifyHostKeyDNS yes", "VerifyHostKeyDNS", ""},
		{"UpdateHostKeys no", "", ""},
		{"KnownHostsCommand none", "", ""},
		{"KnownHostsCommand /bin/keys %H", "", "KnownHostsCommand"},
		{"RefuseConnection closed for repairs", "", "RefuseConnection"},
		{"CanonicalizeHostname no", "", ""},
		{"CanonicalizeHostname yes", "CanonicalizeHostname", ""},
		{"CanonicalizeHostname yes\nCanonicalDomains example.com", "", "CanonicalizeHostname"},
		{"CanonicalizeHostname yes\nCanonicalDomains none", "CanonicalizeHostname", ""},
		{"CanonicalizeHostname yes\nCanonicalDomains example.com\nHostName 192.0.2.7", "CanonicalizeHostname", ""},
		{"CanonicalizeHostname yes\nCanonicalDomains example.com\nHostName a.b.c", "CanonicalizeHostname", ""},
		{"CanonicalizeHostname yes\nCanonicalDomains example.com\nProxyJump b", "CanonicalizeHostname", ""},
		{"CanonicalizeHostname always\nCanonicalDomains example.com\nProxyJump b", "", "CanonicalizeHostname"},
	}
	keys := func(list []layer.Setting) string {
		var names []string
		for _, s := range list {
			names = append(names, string(s.Key))
		}
		return strings.Join(names, " ")
	}
	for _, tt := range tests {
		c, err := Load(writeFiles(t, map[string]string{"config": tt.line + "\n"}))
		if err != nil {
			t.Fatal(err)
		}
		s, err := c.Resolve(Query{Name: "web1"})
		if err != nil {
			t.Fatal(err)
		}
		if ignored, refused := keys(s.Ignored), keys(s.Refused); ignored != tt.ignored || refused != tt.refused {
			t.Errorf("%q: got %q ignored and %q refused, want %q and %q", tt.line, ignored, refused, tt.ignored, tt.refused)
		}
	}
}

// TestEnvironment: which variables are sent, and that values are shown nowhere.
func TestEnvironment(t *testing.T) {
	o := writeFiles(t, map[string]string{"config": "SendEnv LANG LC_*\nSendEnv -LC_S* KEY?\nSetEnv A=1 \"B=secret word\"\nSetEnv C=3\nPasswordAuthentication no\n"})
	o.Environ = []string{"LANG=C", "LC_ALL=de", "LC_SECRET=x", "KEY1=y=z", "KEY=no", "HOME=/"}
	c, err := Load(o)
	if err != nil {
		t.Fatal(err)
	}
	s, err := c.Resolve(Query{Name: "web1"})
	if err != nil {
		t.Fatal(err)
	}
	// -LC_S* takes no pattern away that it does not match.
	want := []string{"LANG=C", "LC_ALL=de", "LC_SECRET=x", "KEY1=y=z", "A=1", "B=secret word"}
	if !slices.Equal(s.Environment, want) {
		t.Errorf("got %q, want %q", s.Environment, want)
	}
	for _, x := range s.Settings() {
		if strings.Contains(x.Value, "secret word") {
			t.Errorf("%s shows %q", x.Key, x.Value)
		}
	}
	if want := []string{"publickey", "keyboard-interactive"}; !slices.Equal(s.Methods, want) {
		t.Errorf("got methods %q, want %q", s.Methods, want)
	}
}
