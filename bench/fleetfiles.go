package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/crypto/ssh/knownhosts"

	"tutti/internal/fleet"
)

// writeFiles writes the files of a fleet for its first hosts, as many as each of
// sizes says.
func writeFiles(fl *fleet.Fleet, dir string, key fleet.Key, sizes []int) error {
	if err := key.WriteFile(files{dir: dir}.key(), ""); err != nil {
		return err
	}
	known := bytes.SplitAfter(bytes.TrimSpace(fl.KnownHosts()), []byte("\n"))
	for _, n := range sizes {
		f := files{dir: dir, n: n}
		var inventory, targets, addresses strings.Builder
		fmt.Fprintf(&inventory, "defaults: {user: bench, identity: %q}\nhosts:\n", f.key())
		for i := range n {
			address, port := fl.Endpoint(hostName(i))
			fmt.Fprintf(&inventory, "  %s: {address: %s, port: %d}\n", hostName(i), address, port)
			fmt.Fprintf(&targets, "%s:%d\n", address, port)
			fmt.Fprintln(&addresses, address)
		}
		hashed, err := hash(known[:n])
		if err != nil {
			return err
		}
		for path, text := range map[string][]byte{
			f.inventory():  []byte(inventory.String()),
			f.targets():    []byte(targets.String()),
			f.addresses():  []byte(addresses.String()),
			f.knownHosts(): bytes.Join(known[:n], nil),
			f.hashed():     hashed,
		} {
			if err := os.WriteFile(path, text, 0o600); err != nil {
				return err
			}
		}
	}
	_, port := fl.Endpoint(hostName(0))
	return writeSSHConfig(dir, port, known)
}

// hash gives lines of a known_hosts file hashed names.
func hash(lines [][]byte) ([]byte, error) {
	var out bytes.Buffer
	for _, line := range lines {
		name, rest, ok := bytes.Cut(line, []byte(" "))
		if !ok {
			return nil, fmt.Errorf("known_hosts line %q", line)
		}
		out.WriteString(knownhosts.HashHostname(string(name)))
		out.WriteByte(' ')
		out.Write(bytes.TrimSpace(rest))
		out.WriteByte('\n')
	}
	return out.Bytes(), nil
}

// writeSSHConfig writes what makes ssh, which the peers call, do what tutti does:
// one key, strict checks, and neither the user's files nor a shared connection.
func writeSSHConfig(dir string, port int, known [][]byte) error {
	all := filepath.Join(dir, "known_hosts")
	if err := os.WriteFile(all, bytes.Join(known, nil), 0o600); err != nil {
		return err
	}
	f := files{dir: dir}
	text := fmt.Sprintf(`Host *
	Port %d
	User bench
	IdentityFile %s
	IdentitiesOnly yes
	UserKnownHostsFile %s
	GlobalKnownHostsFile /dev/null
	StrictHostKeyChecking yes
	UpdateHostKeys no
	BatchMode yes
	ControlMaster no
	LogLevel ERROR
`, port, f.key(), all)
	return os.WriteFile(f.sshConfig(), []byte(text), 0o600)
}
