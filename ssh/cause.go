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

// The causes of failures that an operator can do something about. What that is
// depends on how the run was asked for, and is said by Options.Hint.
const (
	CauseOpenFiles   fanout.Cause = "open_files"           // this process has too many open files
	CauseSystemFiles fanout.Cause = "open_files_of_system" // all of this machine has
	CauseNeighbours  fanout.Cause = "neighbour_table"      // this machine's table of neighbours is full
	CauseName        fanout.Cause = "no_such_name"         // the name does not exist
	CauseResolver    fanout.Cause = "name_servers"         // the name cannot be resolved just now
	CausePort        fanout.Cause = "port_closed"          // nothing listens there, or what does speaks no SSH
	CauseNoAnswer    fanout.Cause = "no_answer"            // the host, or the way there, does not answer
	CauseTurnedAway  fanout.Cause = "turned_away"          // the host hangs up on strangers
	CauseAlgorithms  fanout.Cause = "no_common_algorithm"  // both sides have no algorithm in common
	CauseUnreadable  fanout.Cause = "unreadable_login"     // the host sent what cannot be read
	CauseVersion     fanout.Cause = "long_version"         // its version line is too long
	CauseSession     fanout.Cause = "session_refused"      // the host opens no session
	CauseKeyUnknown  fanout.Cause = "host_key_unknown"     // known_hosts does not have the host
	CauseKeyNotAdded fanout.Cause = "host_key_not_added"   // its key could not be added there
	CauseKeyChanged  fanout.Cause = "host_key_changed"     // known_hosts has another key
	CauseKeyRevoked  fanout.Cause = "host_key_revoked"     // its key was revoked

	// Of a login that was refused; see authentication.cause.
	CauseKeys            fanout.Cause = "keys_refused"          // it takes none of the keys
	CauseKeysOrPassword  fanout.Cause = "keys_refused_password" // the same, and it would take a password
	CauseNoKey           fanout.Cause = "no_key"                // there is no key to offer
	CauseNoKeyOrPassword fanout.Cause = "no_key_password"       // the same, and it would take a password
	CauseTooManyKeys     fanout.Cause = "too_many_keys"         // more keys were offered than it bears
	CauseAgent           fanout.Cause = "agent_refused"         // the agent did not sign
	CauseCertificate     fanout.Cause = "certificate_refused"   // a certificate is not good there
	CausePasswordWanted  fanout.Cause = "password_wanted"       // it takes a password and no key
	CausePasswordBarred  fanout.Cause = "password_barred"       // it takes a password and no key, and ssh_config allows none
	CausePassword        fanout.Cause = "password_refused"      // password rejected, there or elsewhere
	CausePasswordExpired fanout.Cause = "password_expired"      // the password has expired
	CauseAnyHost         fanout.Cause = "password_withheld"     // the key of the host is not checked
	CausePerson          fanout.Cause = "person_wanted"         // it asks what only a person can say
	CauseMoreWanted      fanout.Cause = "more_wanted"           // it took a key, and wants more
	CauseMethods         fanout.Cause = "no_common_method"      // it takes neither keys nor passwords

	// Of a command that sudo did not run.
	CauseSudoPassword fanout.Cause = "sudo_password_wanted" // sudo requires a password, and there is none
	CauseSudoSilent   fanout.Cause = "sudo_silent"          // sudo got the password and does not respond
)

// A hinter is Options.Hint.
type hinter func(host string, cause fanout.Cause) string

// about returns f, of host, with what the operator can do about it.
func (h hinter) about(host string, f *fanout.Failure) *fanout.Failure {
	if f == nil || f.Cause == "" || h == nil {
		return f
	}
	told := *f // it may be that of other hosts as well
	told.Hint = h(host, f.Cause)
	return &told
}

// cause is why the host has refused a login, by what it takes and what became of
// what we have.
func (a *authentication) cause() fanout.Cause {
	p := &a.pass
	takes := func(methods ...string) bool {
		return slices.ContainsFunc(methods, func(m string) bool { return slices.Contains(a.allowed, m) })
	}
	password := a.may(byPassword) || a.may(byAnswers)
	switch {
	case errors.Is(p.withheld, errAnyHost):
		return CauseAnyHost
	case p.withheld != nil, p.sent && !a.tookPassword():
		return CausePassword
	case a.asked != "":
		return CausePerson
	case len(a.taken) > 0 && takes(byKey, byPassword):
		return CauseMoreWanted
	case len(a.taken) > 0:
		return CausePerson
	case slices.ContainsFunc(a.offers, func(o *offer) bool { return o.err != nil }):
		return CauseAgent
	case !takes(byKey) && password:
		return CausePasswordWanted
	case !takes(byKey) && takes(byPassword, byAnswers):
		return CausePasswordBarred
	case !takes(byKey) && len(a.allowed) > 0:
		return CauseMethods
	case len(a.offers) == 0 && password && len(p.password) == 0:
		return CauseNoKeyOrPassword
	case len(a.offers) == 0:
		return CauseNoKey
	case slices.ContainsFunc(a.offers, func(o *offer) bool { return o.tried && o.key.doubt(a.user) != "" }):
		return CauseCertificate
	case password && len(p.password) == 0:
		return CauseKeysOrPassword
	}
	return CauseKeys
}

// causeOfDial is why a connection cannot be made.
func causeOfDial(err error) fanout.Cause {
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return CausePort
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.ETIMEDOUT):
		return CauseNoAnswer
	}
	return ""
}

// causeOfHostKey is why a host's key was refused.
func causeOfHostKey(reason knownhosts.Reason) fanout.Cause {
	switch reason {
	case knownhosts.ReasonUnknown:
		return CauseKeyUnknown
	case knownhosts.ReasonNotAdded:
		return CauseKeyNotAdded
	case knownhosts.ReasonChanged:
		return CauseKeyChanged
	case knownhosts.ReasonRevoked:
		return CauseKeyRevoked
	}
	return ""
}

// causeOfLate is why a login was out of time at op.
func causeOfLate(op fanout.Op) fanout.Cause {
	switch op {
	case fanout.OpResolve:
		return CauseResolver
	case fanout.OpDial:
		return CauseNoAnswer
	}
	return ""
}

// causeOfFiles is whose limit of open files err, which is about one, has reached.
func causeOfFiles(err error) fanout.Cause {
	if errors.Is(err, syscall.ENFILE) {
		return CauseSystemFiles
	}
	return CauseOpenFiles
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
