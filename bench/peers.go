package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
)

// A peer is another program that does the job.
type peer struct {
	name    string
	program string // that must be there
	debian  string // package
	// slow peers are measured with few hosts, and are in no bar.
	slow bool
	// run is it with a command for the hosts of f, fanout at once.
	run func(f files, fanout int, words string) command
}

var allPeers = []peer{
	{name: "pdsh", program: "pdsh", debian: "pdsh", run: func(f files, fanout int, words string) command {
		return command{
			argv: []string{"pdsh", "-R", "ssh", "-f", strconv.Itoa(fanout), "-w", "^" + f.addresses(), words},
			env:  []string{"PDSH_SSH_ARGS_APPEND=-F " + f.sshConfig()},
		}
	}},
	{name: "clush", program: "clush", debian: "clustershell", run: func(f files, fanout int, words string) command {
		return command{argv: []string{"clush", "-o", "-F " + f.sshConfig(), "-f", strconv.Itoa(fanout), "--hostfile", f.addresses(), words}}
	}},
	{name: "pssh", program: "parallel-ssh", debian: "pssh", run: func(f files, fanout int, words string) command {
		return command{argv: []string{"parallel-ssh", "-i", "-t", "0", "-x", "-F " + f.sshConfig(), "-p", strconv.Itoa(fanout), "-h", f.addresses(), words}}
	}},
	{name: "ansible raw", program: "ansible", debian: "ansible-core", slow: true, run: func(f files, fanout int, words string) command {
		return command{
			argv: []string{"ansible", "all", "-i", f.addresses(), "-f", strconv.Itoa(fanout), "-m", "raw", "-a", words, "-e", "ansible_ssh_use_tty=false"},
			env:  []string{"ANSIBLE_SSH_ARGS=-F " + f.sshConfig(), "ANSIBLE_NOCOLOR=1"},
		}
	}},
}

// peerRun is p with the short command for the hosts of f, in the form that race
// takes.
func (g *rig) peerRun(p peer, f files, fanout int) command {
	c := p.run(f, fanout, shortCommand)
	c.name, c.stdout = p.name, g.path("peer.out")
	return c
}

// findPeers returns those that were asked for and are there, after installing
// what is missing, if that was asked for.
func findPeers(ctx context.Context, o options, log io.Writer) ([]peer, error) {
	var names []string
	switch o.peers {
	case "none":
		return nil, nil
	case "all":
		for _, p := range allPeers {
			names = append(names, p.name)
		}
	default:
		names = strings.Split(o.peers, ",")
	}
	var found []peer
	for _, name := range names {
		i := slices.IndexFunc(allPeers, func(p peer) bool { return p.name == name || p.program == name })
		if i < 0 {
			return nil, fmt.Errorf("-peers: no peer %q; there are pdsh, clush, pssh, ansible", name)
		}
		p := allPeers[i]
		if _, err := exec.LookPath(p.program); err != nil && o.install {
			if err := install(ctx, p.debian, log); err != nil {
				return nil, err
			}
		}
		if _, err := exec.LookPath(p.program); err == nil {
			found = append(found, p)
		}
	}
	return found, nil
}

// install gets a package from Debian or Ubuntu, as .ci/need does.
func install(ctx context.Context, debian string, log io.Writer) error {
	argv := []string{"apt-get", "install", "-q", "-y", "--no-install-recommends", debian}
	if os.Geteuid() != 0 {
		argv = append([]string{"sudo"}, argv...)
	}
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("install %s: %w: -peers none does without", debian, err)
	}
	return nil
}
