package sshconfig

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tutti/internal/hostkeys"
)

const (
	// oracleCases is how many configurations ssh itself is asked about, each for
	// one host.
	oracleCases = 600
	// oracleAnswers is how many of them it must take: versions of ssh differ in
	// what they refuse.
	oracleAnswers = 500
)

// TestAgreesWithSSH asks ssh -G about made-up configurations, and
// expects the same values for all keywords that count here. The generator's seed
// is fixed: what fails once fails again.
func TestAgreesWithSSH(t *testing.T) {
	ssh, err := exec.LookPath("ssh")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("ssh is needed as the oracle")
		}
		t.Skip("ssh is needed as the oracle")
	}
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	o := &oracle{ssh: ssh, dir: t.TempDir(), me: me}
	if o.usual, err = o.ask(t, "-G", "-F", "none", "x"); err != nil {
		t.Fatal(err)
	}
	cases := make(chan int)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for n := range cases {
				o.compare(t, n)
			}
		})
	}
	for n := range oracleCases {
		cases <- n
	}
	close(cases)
	wg.Wait()
	if n := o.answered.Load(); n < oracleAnswers {
		t.Errorf("ssh took %d configurations of %d, want at least %d", n, oracleCases, oracleAnswers)
	}
}

type oracle struct {
	ssh, dir string
	me       *user.User
	usual    map[string]string // values where nothing is configured
	lists    sync.Map          // what ssh makes of a list of algorithms, by keyword and list
	answered atomic.Int32
}

func (o *oracle) compare(t *testing.T, n int) {
	g := &generator{Rand: rand.New(rand.NewPCG(4, uint64(n))), dir: filepath.Join(o.dir, strconv.Itoa(n)), user: o.me.Username}
	q := g.query()
	path := g.write(t)
	args := []string{"-G", "-F", path}
	if q.User != "" {
		args = append(args, "-l", q.User)
	}
	if q.Port != 0 {
		args = append(args, "-p", strconv.Itoa(q.Port))
	}
	if q.Address != "" {
		args = append(args, "-o", "HostName="+q.Address)
	}
	want, err := o.ask(t, append(args, q.Name)...)
	if err != nil {
		t.Logf("case %d: ssh refuses: %v", n, err)
		return
	}
	o.answered.Add(1)
	c, err := Load(Options{File: path, Home: o.me.HomeDir, User: o.me.Username, Getenv: os.Getenv})
	if err != nil {
		t.Errorf("case %d: %v\n%s", n, err, g.text())
		return
	}
	s, err := c.Resolve(q)
	if err != nil {
		t.Errorf("case %d: %v\n%s", n, err, g.text())
		return
	}
	answers := o.answers(t, s)
	if q.User != "" {
		answers["user"] = q.User
	}
	if q.Port != 0 {
		answers["port"] = strconv.Itoa(q.Port)
	}
	for keyword, got := range answers {
		if got != want[keyword] {
			t.Errorf("case %d, ssh %s: %s: got %q, want %q\n%s", n, strings.Join(args[3:], " ")+" "+q.Name, keyword, got, want[keyword], g.text())
		}
	}
}

// ask runs ssh and returns the values by their keywords, those of several lines
// with a | between them.
func (o *oracle) ask(t *testing.T, args ...string) (map[string]string, error) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), o.ssh, args...).Output()
	if err != nil {
		return nil, fmt.Errorf("ssh %s: %w", strings.Join(args, " "), err)
	}
	values := make(map[string]string)
	for line := range strings.Lines(string(out)) {
		keyword, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		if old, ok := values[keyword]; ok {
			value = old + "|" + value
		}
		values[keyword] = value
	}
	return values, nil
}

// algorithms is what ssh would make of a list that stands in its command line;
// what a + means depends on the version of ssh.
func (o *oracle) algorithms(t *testing.T, keyword, list string) string {
	t.Helper()
	if list == "" {
		return o.usual[strings.ToLower(keyword)]
	}
	if known, ok := o.lists.Load(keyword + " " + list); ok {
		return known.(string)
	}
	values, err := o.ask(t, "-G", "-F", "none", "-o", keyword+"="+list, "x")
	if err != nil {
		t.Error(err)
	}
	value := values[strings.ToLower(keyword)]
	o.lists.Store(keyword+" "+list, value)
	return value
}

// answers are our values in the form of ssh -G. Those of files and proxies are
// compared as they are written, because it does not expand them.
func (o *oracle) answers(t *testing.T, s *Settings) map[string]string {
	t.Helper()
	v := &s.values
	or := func(text, otherwise string) string {
		if text == "" {
			return otherwise
		}
		return text
	}
	set := func(k keyword, value, otherwise string) string {
		if v.first[k] == nil {
			return otherwise
		}
		return value
	}
	seconds := func(d time.Duration) string { return strconv.Itoa(int(d.Seconds())) }
	answers := map[string]string{
		"hostname":              s.HostName,
		"user":                  or(s.User, o.me.Username),
		"port":                  set(kwPort, strconv.Itoa(s.Port), "22"),
		"identityfile":          or(written(v.identities), o.usual["identityfile"]),
		"certificatefile":       written(v.certificates),
		"identitiesonly":        or(v.text(kwIdentitiesOnly), "no"),
		"identityagent":         s.Agent,
		"hostkeyalias":          s.HostKeyAlias,
		"userknownhostsfile":    set(kwUserKnownHostsFile, or(strings.Join(s.KnownHosts, " "), "none"), o.usual["userknownhostsfile"]),
		"globalknownhostsfile":  set(kwGlobalKnownHostsFile, or(strings.Join(s.GlobalKnownHosts, " "), "none"), o.usual["globalknownhostsfile"]),
		"stricthostkeychecking": set(kwStrictHostKeyChecking, strictWords[s.HostKeys], "ask"),
		"connecttimeout":        set(kwConnectTimeout, seconds(s.ConnectTimeout), "none"),
		"serveraliveinterval":   set(kwServerAliveInterval, seconds(s.KeepaliveInterval), "0"),
		"serveralivecountmax":   set(kwServerAliveCountMax, strconv.Itoa(s.KeepaliveCount), "3"),
		"proxycommand":          unlessNone(v.text(kwProxyCommand)),
		"proxyjump":             unlessNone(v.text(kwProxyJump)),
	}
	yes := func(b bool) string { return map[bool]string{true: "yes", false: "no"}[b] }
	answers["sendenv"] = strings.Join(v.sent(), "|")
	answers["hashknownhosts"] = yes(s.HashKnownHosts)
	answers["checkhostip"] = yes(s.CheckHostIP)
	answers["nohostauthenticationforlocalhost"] = yes(s.LoopbackTrusted)
	answers["requiredrsasize"] = set(kwRequiredRSASize, strconv.Itoa(s.RequiredRSASize), o.usual["requiredrsasize"])
	answers["revokedhostkeys"] = s.RevokedHostKeys
	answers["passwordauthentication"] = set(kwPasswordAuthentication, v.text(kwPasswordAuthentication), "yes")
	answers["kbdinteractiveauthentication"] = set(kwKbdInteractiveAuthentication, v.text(kwKbdInteractiveAuthentication), "yes")
	answers["preferredauthentications"] = v.text(kwPreferredAuthentications)
	if d := v.first[kwSetEnv]; d != nil {
		answers["setenv"] = strings.Join(d.list, "|")
	} else {
		answers["setenv"] = ""
	}
	if v.text(kwStrictHostKeyChecking) == "ask" {
		answers["stricthostkeychecking"] = "ask"
	}
	for keyword, list := range map[string]string{
		"Ciphers": s.Ciphers, "MACs": s.MACs, "KexAlgorithms": s.KexAlgorithms, "HostKeyAlgorithms": s.HostKeyAlgorithms,
		"PubkeyAcceptedAlgorithms": s.PubkeyAlgorithms, "CASignatureAlgorithms": s.CASignatureAlgorithms,
	} {
		answers[strings.ToLower(keyword)] = o.algorithms(t, keyword, list)
	}
	return answers
}

var strictWords = map[hostkeys.Mode]string{hostkeys.Strict: "true", hostkeys.AcceptNew: "accept-new", hostkeys.Off: "false"}

func written(list []*directive) string {
	texts := make([]string, len(list))
	for i, d := range list {
		texts[i] = d.text
	}
	return strings.Join(texts, "|")
}

func unlessNone(text string) string {
	if strings.EqualFold(text, "none") {
		return ""
	}
	return text
}

// A generator makes up a configuration of several files.
type generator struct {
	*rand.Rand
	dir, user string
	files     []string // texts
}

func (g *generator) text() string { return strings.Join(g.files, "--- next file\n") }

func (g *generator) pick(words ...string) string { return words[g.IntN(len(words))] }

func (g *generator) query() Query {
	q := Query{Name: g.host()}
	if g.IntN(4) == 0 {
		q.User = g.pick("root", "deploy", "git")
	}
	if g.IntN(6) == 0 {
		q.Port = 1 + g.IntN(65535)
	}
	if g.IntN(6) == 0 {
		q.Address = g.pick("10.1.2.3", "web1.prod", "DB1.example.com")
	}
	return q
}

func (g *generator) host() string {
	return g.pick("web1", "web2", "db1", "Web1", "db1.example.com", "web1.prod", "10.1.2.3", "::1", "gw")
}

// write makes up the files and returns the path of the first.
func (g *generator) write(t *testing.T) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Join(g.dir, "d"), 0o755); err != nil {
		t.Error(err)
	}
	names := []string{"config", "d/a.conf", "d/b.conf", "c.conf"}
	for i, name := range names {
		text := g.file(i)
		g.files = append(g.files, text)
		if err := os.WriteFile(filepath.Join(g.dir, name), []byte(text), 0o644); err != nil {
			t.Error(err)
		}
	}
	return filepath.Join(g.dir, names[0])
}

// file makes up a file. The first includes others, and of those the ones in d
// the last.
func (g *generator) file(number int) string {
	var b strings.Builder
	for range 2 + g.IntN(6) {
		b.WriteString(g.condition())
		for range g.IntN(5) {
			b.WriteString(g.indent() + g.value() + g.end())
		}
		if number == 0 && g.IntN(3) == 0 {
			fmt.Fprintf(&b, "Include %s\n", g.pick(g.dir+"/d/*.conf", g.dir+"/d/a.con? "+g.dir+"/d/none", `"`+g.dir+`/d/[b-c].conf"`, g.dir+"/d/[!a]*"))
		}
		if number == 0 && g.IntN(8) == 0 || number < 3 && number > 0 && g.IntN(4) == 0 {
			fmt.Fprintf(&b, "include=%s/c.conf\n", g.dir)
		}
	}
	return b.String()
}

func (g *generator) indent() string { return g.pick("", "  ", "\t", "    ") }

func (g *generator) end() string {
	return g.pick("\n", "\n", "\n", " \n", "\r\n", "\n# a comment\n\n")
}

func (g *generator) condition() string {
	switch g.IntN(7) {
	case 0, 1, 2:
		return g.pick("Host", "host", "HOST") + g.pick(" ", "=", "\t", " = ") + g.patterns(" ", true) + g.pick("\n", "\n", " # c\n")
	case 3, 4, 5:
		return g.pick("Match", "match") + " " + g.match() + "\n"
	}
	return "\n"
}

func (g *generator) patterns(separator string, quotes bool) string {
	words := make([]string, 1+g.IntN(3))
	for i := range words {
		words[i] = g.pick("", "", "", "", "!") + g.pick("*", "web*", "web?", "web1", "WEB1", "db1", "*.prod", "*.example.com", "10.*", "?b1", "*1", "gw", "::1", "zz")
		if quotes && g.IntN(6) == 0 {
			words[i] = g.pick(`"`, `'`) + words[i]
			words[i] += words[i][:1]
		}
	}
	return strings.Join(words, separator)
}

func (g *generator) match() string {
	if g.IntN(8) == 0 {
		return g.pick("all", "!all", "ALL", "final", "!final", "final all", "canonical", "!canonical", "final host *.prod", "host web1 all")
	}
	var words []string
	for range 1 + g.IntN(2) {
		switch g.IntN(5) {
		case 0, 1:
			words = append(words, g.pick("host", "!host", "Host", "originalhost", "!originalhost"), g.patterns(",", false))
		case 2:
			words = append(words, g.pick("host", "originalhost")+"="+g.patterns(",", false))
		case 3:
			words = append(words, g.pick("user", "!user"), g.pick("root", "deploy,git", "d*", "!git,*", `"root"`))
		case 4:
			words = append(words, g.pick("localuser", "!localuser"), g.pick(g.user, "nobody", "*", "!"+g.user+",*"))
		}
	}
	return strings.Join(words, " ")
}

func (g *generator) value() string {
	n := strconv.Itoa(1 + g.IntN(60))
	file := g.pick("~/.ssh/id_"+n, "/keys/%h-"+n, "none", `"~/a key"`, "%d/k%%", "keys/"+n)
	known := g.pick("~/kh"+n, "/kh/%h", `"/a b/%n"`, "%d/%u-%r-%p", "/x/%k/%i", "/y/%L/%l", "${HOME}/z")
	return g.pick("", "", " ") + g.pick(
		"HostName "+g.pick("%h.prod", "%h", "10.1.2.3", "Gw.example.com", "a%%b", `"web1"`),
		"Port "+n, "port="+n, "Port "+g.pick("ssh", "telnet", "0"+n),
		"User "+g.pick("root", "deploy", "git", "a=b", `"a b"`, `a\ b`, `x\"y`), "USER = root",
		"IdentityFile "+file, "IdentityFile="+file, "CertificateFile "+file,
		"IdentitiesOnly "+g.pick("yes", "no", "True", "FALSE"),
		"IdentityAgent "+g.pick("none", "~/agent-%h", "/run/%u/%r.sock", "${HOME}/s"),
		"HostKeyAlias "+g.pick("Alias-"+n, "alias"),
		"UserKnownHostsFile "+g.pick(known, known+" "+known, "none", "/dev/null"),
		"GlobalKnownHostsFile "+g.pick("/g/"+n, "~/g /h/%h", "NONE"),
		"StrictHostKeyChecking "+g.pick("yes", "no", "ask", "accept-new", "off", "Yes", "true", "false"),
		"ConnectTimeout "+g.pick(n, "none", "1m", n+"s", "1h2M", "2m3", "1W"),
		"ServerAliveInterval "+g.pick(n, "0", "none", n+"m"), "ServerAliveCountMax "+g.pick(n, "0"),
		"Ciphers "+g.pick("aes128-ctr", "aes256-ctr,aes128-ctr", "+3des-cbc", "-aes*", "^aes256-ctr"),
		"MACs "+g.pick("hmac-sha2-256", "+hmac-md5", "-*etm*", "^hmac-sha2-512"),
		"KexAlgorithms "+g.pick("curve25519-sha256", "+diffie-hellman-group14-sha1", "-sntrup*", "^ecdh-sha2-nistp256"),
		"HostKeyAlgorithms "+g.pick("ssh-ed25519", "+ssh-rsa", "-ecdsa*", "^rsa-sha2-512"),
		"ProxyJump "+g.pick("via", "none", "u@via:2222", "a,b@c:1,d", "[::2]:22", "ssh://x@y:9", "via # c", "u%h@%hh"),
		"ProxyCommand "+g.pick("nc %h %p", "none", `ssh -W "%h:%p" gw # x`, "= nc x"),
		"ForwardAgent yes", "LogLevel INFO", "Compression no",
		"SendEnv "+g.pick("LANG LC_*", "FOO_?", "-LC_*", "A -A", "-*"), "SetEnv "+g.pick("A=1", `A=2 "B=x y"`, "C=a=b"),
		"HashKnownHosts "+g.pick("yes", "no"), "CheckHostIP "+g.pick("yes", "no"), "RequiredRSASize "+g.pick("2048", "3072"),
		"NoHostAuthenticationForLocalhost "+g.pick("yes", "no"), "PasswordAuthentication "+g.pick("yes", "no"),
		"KbdInteractiveAuthentication "+g.pick("yes", "no"), "RevokedHostKeys "+g.pick("/r/"+n, "/r/x"),
		"PubkeyAcceptedAlgorithms "+g.pick("ssh-ed25519", "+ssh-rsa", "-ecdsa*", "^rsa-sha2-512"),
		"CASignatureAlgorithms "+g.pick("ssh-ed25519", "+ssh-rsa", "-ecdsa*", "^rsa-sha2-512"),
		"PreferredAuthentications "+g.pick("publickey", "password,publickey", "hostbased"),
	)
}
