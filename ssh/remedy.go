package ssh

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"tutti/fanout"
)

// What an operator can do about the commonest failures. A remedy is the same
// for all hosts with the same trouble.
const (
	remedyFiles      = "raise the limit of open files (ulimit -n), or work on fewer hosts at once (-f)"
	remedyNeighbours = "make room in the kernel's table of neighbours (as root: sysctl -w net.ipv4.neigh.default.gc_thresh3=8192), or work on fewer hosts at once (-f)"
	remedyName       = "check the name, or give the host an address: in the inventory"
	remedyResolver   = "see whether the name servers answer (/etc/resolv.conf), or give the hosts an address: in the inventory"
	remedyRefused    = "see whether sshd runs there, and on which port: port: in the inventory, -p"
	remedyNoAnswer   = "see whether the host is up and a firewall lets us through; jump: or -J goes through a bastion"
	remedyTurnedAway = "the host is busy or has locked us out for a while (MaxStartups, PerSourcePenalties): work on fewer hosts at once (-f), or wait some minutes"
	remedyAlgorithms = "update the host's sshd; or let ssh_config allow what it speaks (KexAlgorithms, Ciphers, MACs, HostKeyAlgorithms)"
	remedyKeys       = "put one of these keys into the user's authorized_keys there, offer another (--identity FILE, ssh-add), or log in as another user (-l)"
	remedyUnreadable = "see what is odd about it with ssh -vvv; a banner is set in its sshd_config (Banner) or its own settings"
	remedyVersion    = "shorten VersionAddendum in its sshd_config"
	remedySession    = "let sshd there open sessions for this user (MaxSessions), or log in as another (-l)"
	remedyUnknown    = "compare the fingerprints with the hosts' own and add the keys: tutti trust SELECTOR; or let --host-keys accept-new add them unseen"
	remedyUnlearned  = "make the file writable, name another (--known-hosts FILE, UserKnownHostsFile), or add the keys yourself: tutti trust SELECTOR"
	remedyChanged    = "find out why; only if the host was rebuilt, replace its key: tutti trust --update SELECTOR"
	remedyRevoked    = "do not trust this host; whoever revoked the key or its authority (@revoked in known_hosts) knows why"
)

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
