package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
)

// bulkFiles is how many files there are to be read, of which each of several hosts
// reads its part: the first ten for a tenth.
const bulkFiles = 100

// sshdBulkLines move much from the real sshd, whose packets are full, in the ways in
// which people do. What is compared with is ssh itself.
var sshdBulkLines = func() []spec {
	var lines []spec
	for i, hosts := range []int{1, 10} {
		for k, way := range bulkWays {
			lines = append(lines, spec{
				id:   fmt.Sprintf("5.%d", 5+i*len(bulkWays)+k),
				what: fmt.Sprintf("wall of much output of %s at the real sshd, in all from %d, of that of as many ssh", way.name, hosts),
				bar:  times(1.3),
				measure: func(ctx context.Context, l *lab) (reading, error) {
					return l.bulk.sshd(ctx, hosts, way, false)
				},
			})
		}
	}
	return append(lines, spec{
		id:   "5.13",
		what: "wall of ten long lines by dd at the real sshd, through a pipe that gets each in one piece, of that of as many ssh",
		bar:  times(1.3),
		measure: func(ctx context.Context, l *lab) (reading, error) {
			return l.bulk.sshd(ctx, 10, bulkWays[1], true)
		},
	})
}()

// A bulkWay is a command that says much: bytes bytes, out of the files in dir that
// begin with prefix, if it is about files.
type bulkWay struct {
	name    string
	command func(dir, prefix string, bytes int) string
}

var bulkWays = []bulkWay{
	{"cat", func(dir, prefix string, _ int) string { return fmt.Sprintf("cat %s/%s*", dir, prefix) }},
	{"dd", func(_, _ string, n int) string {
		return fmt.Sprintf("dd if=/dev/zero bs=%d count=%d status=none", min(n, 1_000_000), max(1, n/1_000_000))
	}},
	{"tar", func(dir, prefix string, _ int) string { return fmt.Sprintf("cd %s && tar cf - %s*", dir, prefix) }},
	{"yes", func(_, _ string, n int) string { return fmt.Sprintf("yes | head -c %d", n) }},
}

// sshd compares tutti with as many ssh as there are hosts, all of which are the
// same server. Their output goes to the null device, or there through a pipe: tutti puts
// no lines together for the null device.
func (b *bulkRuns) sshd(ctx context.Context, hosts int, way bulkWay, piped bool) (_ reading, err error) {
	if _, err := exec.LookPath("ssh"); err != nil {
		return reading{}, fmt.Errorf("%w: ssh is not installed", errAbsent)
	}
	s, err := b.startSSHD(ctx)
	if err != nil {
		return reading{}, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	dir, err := b.files.get(b.writeFiles)
	if err != nil {
		return reading{}, err
	}
	prefix := "f"
	if hosts == 10 {
		prefix = "f0"
	}
	words := way.command(dir, prefix, b.sshdBytes/hosts)
	ssh, tutti, err := s.bulkRuns(hosts, words)
	if err != nil {
		return reading{}, err
	}
	if piped {
		ssh.argv, tutti.argv = throughPipe(ssh.argv), throughPipe(tutti.argv)
	}
	u, err := b.race(ctx, few(b.repeat), ssh, tutti)
	if err != nil {
		return reading{}, err
	}
	return reading{ratio(u[1].wall, u[0].wall), fmt.Sprintf("%.2f s against %.2f s for %d × %.3g MB; CPU %.2f s against %.2f s, %.0f MiB",
		u[1].wall.Seconds(), u[0].wall.Seconds(), hosts, float64(b.sshdBytes/hosts)/1e6,
		u[1].cpu.Seconds(), u[0].cpu.Seconds(), mib(u[1].rss))}, nil
}

// throughPipe is argv with its output read by another process.
func throughPipe(argv []string) []string {
	return append([]string{"sh", "-c", `"$@" | cat >/dev/null`, "sh"}, argv...)
}

// writeFiles writes the files, which cannot be compressed, where the guest can read
// them. The directory it returns is there also after an error.
func (b *bulkRuns) writeFiles() (string, error) {
	dir, err := os.MkdirTemp("", "tutti-bench-bulk-")
	if err != nil {
		return "", err
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		return dir, err
	}
	piece := make([]byte, b.sshdBytes/bulkFiles)
	rng := rand.NewChaCha8([32]byte{})
	for i := range bulkFiles {
		_, _ = rng.Read(piece) // never fails
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("f%02d", i)), piece, 0o644); err != nil {
			return dir, err
		}
	}
	return dir, nil
}

// bulkRuns are words on so many hosts by ssh, all at once, and by tutti.
func (s *sshd) bulkRuns(hosts int, words string) (ssh, tutti command, err error) {
	host, port, err := net.SplitHostPort(s.addr)
	if err != nil {
		return ssh, tutti, err
	}
	var inventory bytes.Buffer
	fmt.Fprintf(&inventory, "defaults: {port: %s, user: %s, identity: %q}\nhosts:\n", port, s.user, s.file("id"))
	for i := range hosts {
		fmt.Fprintf(&inventory, "  %s: {address: %s}\n", hostName(i), host)
	}
	if err := os.WriteFile(s.file("hosts.yaml"), inventory.Bytes(), 0o600); err != nil {
		return ssh, tutti, err
	}
	one := []string{
		"ssh", "-F", "none", "-i", s.file("id"), "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes",
		"-o", "UserKnownHostsFile=" + s.file("known_hosts"), "-p", port, s.user + "@" + host, words,
	}
	ssh = command{name: "ssh", argv: one}
	if hosts > 1 {
		script := `n=$1; shift; p=; while [ $n -gt 0 ]; do "$@" & p="$p $!"; n=$((n-1)); done; for i in $p; do wait $i || exit; done`
		ssh.argv = append([]string{"sh", "-c", script, "sh", fmt.Sprint(hosts)}, one...)
	}
	tutti = command{name: "tutti", argv: []string{
		s.bed.tutti, "run", "-F", "none", "-i", s.file("hosts.yaml"), "--known-hosts", s.file("known_hosts"),
		"--history", s.bed.path("history.db"), "--no-prefix", "all", words,
	}}
	return ssh, tutti, nil
}
