package cli

import (
	"strconv"
	"strings"
	"syscall"

	"tutti/fanout"
	"tutti/internal/errno"
	"tutti/internal/phrase"
	"tutti/runner"
	"tutti/ssh"
)

// remedyWords are what an operator can do about the causes of failures. A remedy is
// the same for all hosts with the same trouble. SELECTOR stands for how the operator
// chose the hosts.
var remedyWords = map[fanout.Cause]string{
	ssh.CauseNeighbours:      "increase the ARP/neighbor table (as root: sysctl -w net.ipv4.neigh.default.gc_thresh3=8192), or work on fewer hosts at once (-f)",
	ssh.CauseName:            "check the name, or give the host an address: in the inventory",
	ssh.CauseResolver:        "check that the name servers respond (/etc/resolv.conf), or give the hosts an address: in the inventory",
	ssh.CausePort:            "check that sshd is running and that the port is right (port: in the inventory, or --port)",
	ssh.CauseNoAnswer:        "check that the host is up and no firewall blocks the connection; jump: or -J connects through a bastion",
	ssh.CauseTurnedAway:      "the host is busy or has temporarily locked out this machine (MaxStartups, PerSourcePenalties): work on fewer hosts at once (-f), or wait some minutes",
	ssh.CauseAlgorithms:      "update the host's sshd; or allow its algorithms in ssh_config (KexAlgorithms, Ciphers, MACs, HostKeyAlgorithms)",
	ssh.CauseUnreadable:      "debug with ssh -vvv; a banner is set in its sshd_config (Banner) or in the settings of the device",
	ssh.CauseVersion:         "shorten VersionAddendum in its sshd_config",
	ssh.CauseSession:         "allow sessions for this user in its sshd_config (MaxSessions), or log in as another (-l)",
	ssh.CauseKeyUnknown:      "compare the fingerprints and add the keys: tutti trust SELECTOR; or add them without a check: --host-keys accept-new",
	ssh.CauseKeyNotAdded:     "make the file writable, name another (--known-hosts FILE, UserKnownHostsFile), or add the keys yourself: tutti trust SELECTOR",
	ssh.CauseKeyChanged:      "find out why; if the host was rebuilt, replace its key: tutti trust --update SELECTOR",
	ssh.CauseKeyRevoked:      "do not trust this host: its key or CA was revoked (@revoked in known_hosts)",
	ssh.CauseKeys:            "put one of these keys into the user's authorized_keys there, offer another (--identity FILE, ssh-add), or log in as another user (-l)",
	ssh.CauseKeysOrPassword:  "put one of these keys into the user's authorized_keys there, offer another (--identity FILE, ssh-add), use a password (--ask-pass), or log in as another user (-l)",
	ssh.CauseNoKey:           "name a key with --identity FILE, or add one to the agent with ssh-add",
	ssh.CauseNoKeyOrPassword: "name a key with --identity FILE, or add one to the agent with ssh-add; or enter a password with --ask-pass",
	ssh.CauseTooManyKeys:     "offer fewer keys: name the right one with --identity FILE, and leave the agent's out (IdentitiesOnly yes in ssh_config)",
	ssh.CauseAgent:           "check that the agent can use the key (ssh-add -T FILE.pub), or offer another (--identity FILE)",
	ssh.CauseCertificate:     "renew the certificate, or get one for this user; check it with ssh-keygen -L -f FILE",
	ssh.CausePasswordWanted:  "enter the password with --ask-pass; it is tried on one host first",
	ssh.CausePasswordBarred:  "allow passwords for the host in ssh_config (PasswordAuthentication, KbdInteractiveAuthentication, PreferredAuthentications), and use --ask-pass",
	ssh.CausePassword:        "check the password and the user (-l); it is not tried again in this run",
	ssh.CausePasswordExpired: "log in with ssh and set a new password",
	ssh.CauseAnyHost:         "add the hosts' keys first: tutti trust SELECTOR",
	ssh.CausePerson:          "log in with ssh to see what it asks (--ask-pass answers with a password), or allow key-only login for this user (AuthenticationMethods in its sshd_config)",
	ssh.CauseMoreWanted:      "also offer what it requires: another key (repeat --identity FILE), or a password (--ask-pass)",
	ssh.CauseMethods:         "allow keys or passwords on the host (PubkeyAuthentication, AuthenticationMethods in its sshd_config): tutti supports no other method",
	ssh.CauseSudoPassword:    "enter the sudo password with --ask-sudo-pass, or get it from a program with --sudo-pass-command; or allow sudo without one (NOPASSWD in sudoers)",
	ssh.CauseSudoSilent:      "check what sudo waits for on that host (ssh to it and run sudo -k, sudo true); with NOPASSWD in sudoers no password is needed",
}

// adHocWords are in place of these where the hosts were named with -w.
var adHocWords = map[fanout.Cause]string{
	ssh.CauseName:     "check the name; -w also accepts addresses",
	ssh.CauseResolver: "check that the name servers respond (/etc/resolv.conf), or give -w addresses",
	ssh.CausePort:     "check that sshd is running and that the port is right (HOST:PORT in -w, or --port)",
}

// knownNameWords are for a name of -w that does not exist and is in the inventory.
const knownNameWords = "the inventory has a host or group of that name: use it as SELECTOR, without -w"

// Remedies say what an operator at a command line can do about a cause, in the words
// of that command line.
func Remedies(getenv func(string) string) func(runner.Choice, string, fanout.Cause) string {
	return func(by runner.Choice, host string, cause fanout.Cause) string {
		text := remedyOf(by, host, cause)
		if text == knownNameWords || !strings.Contains(text, selectorWord) {
			return text
		}
		return strings.Replace(text, selectorWord, selectionWords(by, getenv), 1)
	}
}

// selectorWord stands in a remedy for how the hosts were chosen.
const selectorWord = "SELECTOR"

func remedyOf(by runner.Choice, host string, cause fanout.Cause) string {
	switch adHoc := by.Request.Hosts.AdHoc(); {
	case adHoc && cause == ssh.CauseName && by.Known(host):
		return knownNameWords
	case adHoc && adHocWords[cause] != "":
		return adHocWords[cause]
	case cause == ssh.CauseOpenFiles:
		return errnoHint(syscall.EMFILE)
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
	return phrase.ShellWords(words)
}
