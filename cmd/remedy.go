package cmd

import (
	"strconv"
	"strings"
	"syscall"

	"tutti/fanout"
	"tutti/internal/errno"
	"tutti/runner"
	"tutti/ssh"
)

// remedyWords are what an operator can do about the causes of failures. A remedy is
// the same for all hosts with the same trouble. SELECTOR stands for how the operator
// chose the hosts.
var remedyWords = map[fanout.Cause]string{
	ssh.CauseNeighbours:      "make room in the kernel's table of neighbours (as root: sysctl -w net.ipv4.neigh.default.gc_thresh3=8192), or work on fewer hosts at once (-f)",
	ssh.CauseName:            "check the name, or give the host an address: in the inventory",
	ssh.CauseResolver:        "see whether the name servers answer (/etc/resolv.conf), or give the hosts an address: in the inventory",
	ssh.CausePort:            "see whether sshd runs there, and on which port: port: in the inventory, -p",
	ssh.CauseNoAnswer:        "see whether the host is up and a firewall lets us through; jump: or -J goes through a bastion",
	ssh.CauseTurnedAway:      "the host is busy or has locked us out for a while (MaxStartups, PerSourcePenalties): work on fewer hosts at once (-f), or wait some minutes",
	ssh.CauseAlgorithms:      "update the host's sshd; or let ssh_config allow what it speaks (KexAlgorithms, Ciphers, MACs, HostKeyAlgorithms)",
	ssh.CauseUnreadable:      "see what is odd about it with ssh -vvv; a banner is set in its sshd_config (Banner) or its own settings",
	ssh.CauseVersion:         "shorten VersionAddendum in its sshd_config",
	ssh.CauseSession:         "let sshd there open sessions for this user (MaxSessions), or log in as another (-l)",
	ssh.CauseKeyUnknown:      "compare the fingerprints with the hosts' own and add the keys: tutti trust SELECTOR; or let --host-keys accept-new add them unseen",
	ssh.CauseKeyNotAdded:     "make the file writable, name another (--known-hosts FILE, UserKnownHostsFile), or add the keys yourself: tutti trust SELECTOR",
	ssh.CauseKeyChanged:      "find out why; only if the host was rebuilt, replace its key: tutti trust --update SELECTOR",
	ssh.CauseKeyRevoked:      "do not trust this host; whoever revoked the key or its authority (@revoked in known_hosts) knows why",
	ssh.CauseKeys:            "put one of these keys into the user's authorized_keys there, offer another (--identity FILE, ssh-add), or log in as another user (-l)",
	ssh.CauseKeysOrPassword:  "put one of these keys into the user's authorized_keys there, offer another (--identity FILE, ssh-add), give a password (--ask-pass), or log in as another user (-l)",
	ssh.CauseNoKey:           "name a key with --identity FILE, or add one to the agent with ssh-add",
	ssh.CauseNoKeyOrPassword: "name a key with --identity FILE, or add one to the agent with ssh-add; --ask-pass asks you for a password",
	ssh.CauseTooManyKeys:     "offer fewer keys: name the right one with --identity FILE, and leave the agent's out (IdentitiesOnly yes in ssh_config)",
	ssh.CauseAgent:           "see whether the agent can use that key (ssh-add -T FILE.pub), or offer another (--identity FILE)",
	ssh.CauseCertificate:     "have the certificate renewed, or issued for this user; ssh-keygen -L -f FILE shows what it says",
	ssh.CausePasswordWanted:  "give the password with --ask-pass; it is tried on one host first",
	ssh.CausePasswordBarred:  "let ssh_config use a password there (PasswordAuthentication, KbdInteractiveAuthentication, PreferredAuthentications), and give it with --ask-pass",
	ssh.CausePassword:        "check the password, and whose it is (-l); it is not tried again in this run",
	ssh.CausePasswordExpired: "log in there with ssh and set a new password",
	ssh.CauseAnyHost:         "add the hosts' keys first: tutti trust SELECTOR",
	ssh.CausePerson:          "log in there with ssh to see what it asks, or let a key be enough for this user (AuthenticationMethods in its sshd_config)",
	ssh.CauseMoreWanted:      "offer what it wants besides: another key (--identity FILE, more than once), or a password (--ask-pass)",
	ssh.CauseMethods:         "let the host take keys or passwords (PubkeyAuthentication, AuthenticationMethods in its sshd_config): tutti knows no other way to log in",
	ssh.CauseSudoPassword:    "give sudo the password: --ask-sudo-pass asks you for it, --sudo-pass-command gets it from a program; or let its sudoers ask for none (NOPASSWD)",
	ssh.CauseSudoSilent:      "see what sudo waits for on that host (ssh to it and run sudo -k, sudo true); NOPASSWD in its sudoers needs no password",
}

// adHocWords are in place of these where the hosts were named with -w.
var adHocWords = map[fanout.Cause]string{
	ssh.CauseName:     "check the name; -w takes addresses as well",
	ssh.CauseResolver: "see whether the name servers answer (/etc/resolv.conf), or give -w addresses",
	ssh.CausePort:     "see whether sshd runs there, and on which port: HOST:PORT in -w, -p",
}

// knownNameWords are for a name of -w that does not exist and is in the inventory.
const knownNameWords = "the inventory knows a host or group of that name: give it as SELECTOR, without -w"

// remedies say what an operator at a command line can do about a cause, in the words
// of that command line.
func remedies(getenv func(string) string) func(runner.Choice, string, fanout.Cause) string {
	return func(by runner.Choice, host string, cause fanout.Cause) string {
		text := remedyOf(by, host, cause)
		if text == knownNameWords || !strings.Contains(text, selectorWord) {
			return text
		}
		return strings.Replace(text, selectorWord, selectionWords(by, getenv), 1)
	}
}

// selectorWord is what in a remedy stands for how the hosts were chosen.
const selectorWord = "SELECTOR"

func remedyOf(by runner.Choice, host string, cause fanout.Cause) string {
	switch adHoc := by.Request.Hosts.AdHoc(); {
	case adHoc && cause == ssh.CauseName && by.Known(host):
		return knownNameWords
	case adHoc && adHocWords[cause] != "":
		return adHocWords[cause]
	case cause == ssh.CauseOpenFiles:
		return errno.Hint(syscall.EMFILE)
	case cause == ssh.CauseSystemFiles:
		return errno.Hint(syscall.ENFILE)
	}
	return remedyWords[cause]
}

// selectionWords are how hosts are chosen on a command line, with the flags that decide
// which hosts these are and where their keys are kept.
func selectionWords(by runner.Choice, getenv func(string) string) string {
	r := by.Request
	var words []string
	add := func(flag, value string) {
		if value != "" {
			words = append(words, flag, value)
		}
	}
	for _, file := range r.Hosts.Inventory {
		add("-i", file)
	}
	if r.Login.Port != 0 {
		add("-p", strconv.Itoa(r.Login.Port))
	}
	add("-J", r.Login.Jump)
	add("-F", r.Login.SSHConfig)
	if r.Login.KnownHosts != getenv("TUTTI_KNOWN_HOSTS") {
		add("--known-hosts", r.Login.KnownHosts)
	}
	if r.Hosts.AdHoc() {
		add("-w", r.Hosts.Named)
	} else {
		words = append(words, by.Decision.Plan.Selector)
	}
	return shellWords(words)
}
