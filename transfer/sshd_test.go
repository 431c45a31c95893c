package transfer_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"tutti/fanout"
	"tutti/internal/hostkeys"
	"tutti/internal/sshdtest"
	"tutti/ssh"
)

// sshdBench is a client for the real server, which serves SFTP, and this one only if a
// line of its configuration says so.
func sshdBench(tb testing.TB, config ...string) *bench {
	tb.Helper()
	server := sshdtest.Start(tb, sshdtest.Options{Config: config})
	b := &bench{home: server.Dir}
	var err error
	b.Client, err = ssh.New(tb.Context(), ssh.Options{
		KnownHosts: []string{server.KnownHosts},
		Endpoints: []ssh.Endpoint{{
			Address: server.Addr, Port: server.Port, User: server.User, Identities: []string{server.KeyFile}, IdentitiesOnly: true, HostKeys: hostkeys.Strict,
		}},
	})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = b.Client.Close() })
	b.target = fanout.Target{Name: "web01", Limits: fanout.Limits{ConnectTimeout: time.Minute}}
	return b
}

func TestRealServer(t *testing.T) {
	for _, server := range []struct {
		name   string
		way    way
		config []string
	}{
		{"sftp", ways[0], []string{"Subsystem sftp internal-sftp"}},
		{"one session", ways[0], []string{"Subsystem sftp internal-sftp", "MaxSessions 1"}},
		{"sftp and nothing else", ways[0], []string{"Subsystem sftp internal-sftp", "ForceCommand internal-sftp"}},
		{"shell", ways[1], nil},
	} {
		t.Run(server.name, func(t *testing.T) {
			b := sshdBench(t, server.config...)
			dir := t.TempDir()
			content := pattern(2_000_000)
			write(t, dir, "tree/big", content)
			write(t, dir, "tree/sub/two words", "small")
			if err := os.Symlink("../big", filepath.Join(dir, "tree/sub/link")); err != nil {
				t.Fatal(err)
			}
			to := filepath.Join(b.home, "copied")
			src := filepath.Join(dir, "tree")
			b.copy(t, server.way, to, nil, src).want(t, fanout.OK,
				"sent "+to+"/", "sent "+to+"/sub/", "sent "+to+"/big", "sent "+to+"/sub/two words", "sent "+to+"/sub/link")
			wantFile(t, filepath.Join(to, "sub/link"), content)
			wantNames(t, to, "big", "sub/", "sub/two words", "sub/link")
			to += "/tree"
			b.copy(t, server.way, to+"/", nil, filepath.Join(src, "big")).want(t, fanout.OK, "sent "+to+"/", "sent "+to+"/big")
			b.copy(t, server.way, to+"/", nil, filepath.Join(src, "big")).want(t, fanout.OK, "unchanged "+to+"/big")

			got := t.TempDir()
			from := filepath.Join(b.home, "copied")
			b.fetch(t, server.way, got, trees, from).want(t, fanout.OK,
				"sent "+from+"/big", "sent "+from+"/sub/two words", "sent "+from+"/sub/link", "sent "+from+"/tree/big")
			wantFile(t, filepath.Join(got, "web01/copied/sub/link"), content)
			b.copy(t, server.way, "/proc/none", nil, filepath.Join(src, "big")).want(t, fanout.Failed, "failed /proc/none")
		})
	}
}
