package sshdtest

import (
	"os/exec"
	"strconv"
	"strings"
	"testing"
)

// TestStart logs in with OpenSSH's own client.
func TestStart(t *testing.T) {
	s := Start(t, Options{HostKeys: []string{"ed25519", "ecdsa"}})
	ssh := Tool(t, "ssh")
	cmd := exec.CommandContext(t.Context(), ssh, "-F", "none", "-i", s.KeyFile, "-o", "BatchMode=yes",
		"-o", "UserKnownHostsFile="+s.KnownHosts, "-o", "GlobalKnownHostsFile=none", "-o", "StrictHostKeyChecking=yes",
		"-p", strconv.Itoa(s.Port), s.User+"@"+s.Addr, "id -un; test -w "+s.Dir+" && echo writable")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("ssh: %v: %s", err, out)
	}
	if got, want := string(out), s.User+"\nwritable\n"; !strings.HasSuffix(got, want) {
		t.Errorf("got %q, want the user and a directory to write to: %q", got, want)
	}
}
