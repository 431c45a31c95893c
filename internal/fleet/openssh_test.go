package fleet

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// TestOpenSSH checks the fleet, its key files and its known_hosts with OpenSSH's
// client.
func TestOpenSSH(t *testing.T) {
	ssh, err := exec.LookPath("ssh")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	b := start(t, Options{Hosts: []Host{{Name: "web1"}, {Name: "jump", Forward: true}}})
	dir := t.TempDir()
	if err := b.key.WriteFile(filepath.Join(dir, "id"), ""); err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(dir, "known_hosts"), b.KnownHosts())
	addr, port := b.Endpoint("web1")
	jump, _ := b.Endpoint("jump")
	options := []string{
		"-i " + filepath.Join(dir, "id"), "-p " + strconv.Itoa(port),
		"-oUserKnownHostsFile=" + filepath.Join(dir, "known_hosts"), "-oGlobalKnownHostsFile=none",
		"-oIdentitiesOnly=yes", "-oIdentityAgent=none", "-oBatchMode=yes",
	}
	var args []string
	for _, option := range options {
		args = append(args, strings.Fields(option)...)
	}
	args = append([]string{"-F", "none"}, args...)
	through := "-oProxyCommand=" + ssh + " " + strings.Join(args, " ") + " -W %h:%p demo@" + jump

	tests := []struct {
		name           string
		args           []string
		stdin          string
		stdout, stderr string
		code           int
	}{
		{name: "command", args: []string{"hostname; echo oops >&2; exit 5"}, stdout: "web1\n", stderr: "oops\n", code: 5},
		{name: "stdin", args: []string{"tr a-z A-Z"}, stdin: "loud", stdout: "LOUD"},
		{name: "shell", stdin: "echo $((6 * 7))\n", stdout: "42\n"},
		{name: "killed", args: []string{"kill -KILL $$"}, code: 255},
	}
	for _, test := range tests {
		for _, way := range []string{"direct", "jump"} {
			t.Run(test.name+" "+way, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				defer cancel()
				all := args
				if way == "jump" {
					all = append(all[:len(all):len(all)], through)
				}
				all = append(append(all[:len(all):len(all)], "demo@"+addr), test.args...)
				cmd := exec.CommandContext(ctx, ssh, all...)
				cmd.Stdin = strings.NewReader(test.stdin)
				var stdout, stderr strings.Builder
				cmd.Stdout, cmd.Stderr = &stdout, &stderr
				if err := cmd.Run(); cmd.ProcessState == nil {
					t.Fatal(err)
				}
				if got := cmd.ProcessState.ExitCode(); got != test.code || stdout.String() != test.stdout {
					t.Errorf("got %q, %q, status %d, want %q, status %d", stdout.String(), stderr.String(), got, test.stdout, test.code)
				}
				if !strings.Contains(stderr.String(), test.stderr) {
					t.Errorf("got stderr %q, want %q in it", stderr.String(), test.stderr)
				}
			})
		}
	}
}
