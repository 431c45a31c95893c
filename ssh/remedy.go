package ssh

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"tutti/fanout"
	"tutti/ssh/knownhosts"
)

// What an operator can do about the commonest failures, by their cause. A remedy
// is the same for all hosts with the same trouble. Advice fills in how the
// operator chose the hosts.
const (
	remedyFiles      = "raise the limit of open files (ulimit -n), or work on fewer hosts at once (-f)"
	remedyNeighbours = "make room in the kernel's table of neighbours (as root: sysctl -w net.ipv4.neigh.default.gc_thresh3=8192), or work on fewer hosts at once (-f)"
	remedyName       = "check the name, or give the host an address: in the inventory"
	remedyResolver   = "see whether the name servers answer (/etc/resolv.conf), or give the hosts an address: in the inventory"
	remedyRefused    = "see whether sshd runs there, and on which port: port: in the inventory, -p"
	remedyNoAnswer   = "see whether the host is up and a firewall lets us through; jump: or -J goes through a bastion"
	remedyTurnedAway = "the host is busy or has locked us out for a while (MaxStartups, PerSourcePenalties): work on fewer hosts at once (-f), or wait some minutes"
	remedyAlgorithms = "update the host's sshd; or let ssh_config allow what it speaks (KexAlgorithms, Ciphers, MACs, HostKeyAlgorithms)"
	remedyUnreadable = "see what is odd about it with ssh -vvv; a banner is set in its sshd_config (Banner) or its own settings"
	remedyVersion    = "shorten VersionAddendum in its sshd_config"
	remedySession    = "let sshd there open sessions for this user (MaxSessions), or log in as another (-l)"
	remedyUnknown    = "compare the fingerprints with the hosts' own and add the keys: tutti trust SELECTOR; or let --host-keys accept-new add them unseen"
	remedyUnlearned  = "make the file writable, name another (--known-hosts FILE, UserKnownHostsFile), or add the keys yourself: tutti trust SELECTOR"
	remedyChanged    = "find out why; only if the host was rebuilt, replace its key: tutti trust --update SELECTOR"
	remedyRevoked    = "do not trust this host; whoever revoked the key or its authority (@revoked in known_hosts) knows why"

	// Of a login that was refused; see authentication.remedy.
	remedyKeys        = "put one of these keys into the user's authorized_keys there, offer another (--identity FILE, ssh-add), or log in as another user (-l)"
	remedyNoKey       = "name a key with --identity FILE, or add one to the agent with ssh-add"
	remedyTooMany     = "offer fewer keys: name the right one with --identity FILE, and leave the agent's out (IdentitiesOnly yes in ssh_config)"
	remedyAgent       = "see whether the agent can use that key (ssh-add -T FILE.pub), or offer another (--identity FILE)"
	remedyCertificate = "have the certificate renewed, or issued for this user; ssh-keygen -L -f FILE shows what it says"
	remedyAskPass     = "give the password with --ask-pass; it is tried on one host first"
	remedyPassword    = "check the password, and whose it is (-l); it is not tried again in this run"
	remedyExpired     = "log in there with ssh and set a new password"
	remedyAnyHost     = "add the hosts' keys first: tutti trust SELECTOR"
	remedyPerson      = "log in there with ssh to see what it asks, or let a key be enough for this user (AuthenticationMethods in its sshd_config)"
	remedyAnotherKey  = "offer what it wants besides: another key (--identity FILE, more than once), or a password (--ask-pass)"
	remedyMethods     = "let the host take keys or passwords (PubkeyAuthentication, AuthenticationMethods in its sshd_config): tutti knows no other way to log in"

	// In place of others where the hosts were named with -w.
	remedyNameAdHoc     = "check the name; -w takes addresses as well"
	remedyKnownName     = "the inventory knows a host or group of that name: give it as SELECTOR, without -w"
	remedyResolverAdHoc = "see whether the name servers answer (/etc/resolv.conf), or give -w addresses"
	remedyRefusedAdHoc  = "see whether sshd runs there, and on which port: HOST:PORT in -w, -p"
)

// Advice is how the operator chose the hosts, so that remedies can be said in
// the same words. The zero value is general.
type Advice struct {
	// Selection is what stands for SELECTOR on a command line that means the same
	// hosts, flags included: "web", "-w app1:2222". Empty: SELECTOR.
	Selection string
	// AdHoc says that the hosts are from the command line and not of an inventory.
	AdHoc bool
	// Known reports whether an inventory that was not asked knows a host or group
	// of that name. It may be called by several goroutines at once. Nil: none does.
	Known func(name string) bool
}

// about is f, of host, with its remedy in the operator's words.
func (a Advice) about(host string, f *fanout.Failure) *fanout.Failure {
	if f == nil || f.Hint == "" {
		return f
	}
	told := *f
	switch {
	case !a.AdHoc:
	case f.Hint == remedyName && a.Known != nil && a.Known(host):
		told.Hint = remedyKnownName
		return &told
	case f.Hint == remedyName:
		told.Hint = remedyNameAdHoc
	case f.Hint == remedyResolver:
		told.Hint = remedyResolverAdHoc
	case f.Hint == remedyRefused:
		told.Hint = remedyRefusedAdHoc
	}
	if a.Selection != "" {
		told.Hint = strings.Replace(told.Hint, "SELECTOR", a.Selection, 1)
	}
	return &told
}

// remedy is what to do about a login that the host has refused, by what it takes
// and what became of what we have.
func (a *authentication) remedy() string {
	p := &a.pass
	takes := func(methods ...string) bool {
		return slices.ContainsFunc(methods, func(m string) bool { return slices.Contains(a.allowed, m) })
	}
	switch {
	case errors.Is(p.withheld, errAnyHost):
		return remedyAnyHost
	case p.withheld != nil, p.sent && !a.tookPassword():
		return remedyPassword
	case a.asked != "":
		return remedyPerson
	case len(a.taken) > 0 && takes(byKey, byPassword):
		return remedyAnotherKey
	case len(a.taken) > 0:
		return remedyPerson
	case slices.ContainsFunc(a.offers, func(o *offer) bool { return o.err != nil }):
		return remedyAgent
	case !takes(byKey) && takes(byPassword, byAnswers):
		return remedyAskPass
	case !takes(byKey) && len(a.allowed) > 0:
		return remedyMethods
	case len(a.offers) == 0:
		return remedyNoKey
	case slices.ContainsFunc(a.offers, func(o *offer) bool { return o.tried && o.key.doubt(a.user) != "" }):
		return remedyCertificate
	}
	return remedyKeys
}

// remedyOfDial is what to do about a connection that cannot be made.
func remedyOfDial(err error) string {
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return remedyRefused
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.ETIMEDOUT):
		return remedyNoAnswer
	}
	return ""
}

// remedyOfHostKey is what to do about a host whose key was refused.
func remedyOfHostKey(reason knownhosts.Reason) string {
	switch reason {
	case knownhosts.ReasonUnknown:
		return remedyUnknown
	case knownhosts.ReasonNotAdded:
		return remedyUnlearned
	case knownhosts.ReasonChanged:
		return remedyChanged
	case knownhosts.ReasonRevoked:
		return remedyRevoked
	}
	return ""
}

// remedyOfLate is what to do about a login that was out of time at op.
func remedyOfLate(op fanout.Op) string {
	switch op {
	case fanout.OpResolve:
		return remedyResolver
	case fanout.OpDial:
		return remedyNoAnswer
	}
	return ""
}

// outOfFiles reports whether err is about our own limit of open files.
func outOfFiles(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE)
}

// noNeighbours reports whether err comes of a table of neighbours that is full.
// Kernels differ in what they say then; all but one of their words mean other
// things as well.
func noNeighbours(err error) bool {
	switch {
	case errors.Is(err, syscall.ENOBUFS):
		return true
	case errors.Is(err, syscall.EINVAL), errors.Is(err, syscall.EHOSTUNREACH):
		return neighboursFull("/proc")
	}
	return false
}

// neighboursFull reports whether Linux, which tells under proc, has as many
// neighbours as it may have. Elsewhere it is not known, and so false.
func neighboursFull(proc string) bool {
	limit, err := os.ReadFile(filepath.Join(proc, "sys/net/ipv4/neigh/default/gc_thresh3"))
	if err != nil {
		return false
	}
	most, err := strconv.ParseUint(strings.TrimSpace(string(limit)), 10, 32)
	if err != nil {
		return false
	}
	table, err := os.ReadFile(filepath.Join(proc, "net/stat/arp_cache"))
	if err != nil {
		return false
	}
	_, rows, _ := strings.Cut(string(table), "\n") // under the names of the columns
	entries, _, _ := strings.Cut(strings.TrimSpace(rows), " ")
	n, err := strconv.ParseUint(entries, 16, 32)
	return err == nil && n >= most
}
