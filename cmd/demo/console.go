package demo

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"

	"tutti/cmd/internal/cli"
	"tutti/internal/phrase"
)

// demoPast is what has happened on the hosts of the demo before the console starts: runs, in
// which some hosts fail, and jobs.
var demoPast = [][]string{
	{"run", "-q", "--note", "before the release", "-t", "1s", "all", "cat release"},
	{"run", "-q", "web", `printf 'nginx \033[32mactive\033[0m since %s\n' "$(cat release)"`},
	{"job", "add", "--schedule", "30 2 * * *", "-t", "1s", "backup", "db,cache", `test -s release && echo "backup of $(cat release) done" || { echo "nothing to back up" >&2; exit 2; }`},
	{"job", "add", "--schedule", "*/5 * * * *", "sync", "web", "sleep 3; echo synced"},
	{"job", "add", "--schedule", "0 3 * * 6", "patch", "all,!db", "echo patched"},
	{"job", "pause", "--until", "14d", "--note", "freeze before the holidays", "patch"},
	{"run", "-q", "--note", "after the release", "-t", "1s", "all", "cat release"},
	{"run", "-q", "db[1-3].demo", `echo "$HOSTNAME: $(seq 400 | tail -1) rows"; seq 400`},
}

// demoReleased is the release of a host that was updated between the two runs.
const demoReleased = "web05.demo"

// demoConsole serves the console for the site, until a signal comes, and prints where it
// is.
func demoConsole(ctx context.Context, std cli.Streams, run CommandLine, site *demoSite) error {
	quiet := site.streams(std)
	quiet.Out = io.Discard
	for i, args := range demoPast {
		var said bytes.Buffer
		quiet.Err = &said
		code := run(ctx, args, quiet)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if code != 0 && args[0] != "run" {
			return fmt.Errorf("cannot set up the demo: tutti %s ended with exit status %d: %s", phrase.ShellWords(args), code, said.String())
		}
		if i == 1 {
			release := filepath.Join(site.dir, "hosts", demoReleased, "release")
			if err := os.WriteFile(release, []byte("4.3.0\n"), 0o600); err != nil {
				return err
			}
		}
	}
	var secret, said bytes.Buffer
	quiet.Out, quiet.Err = &secret, &said
	if code := run(ctx, []string{"user", "add", "demo", "--role", "admin"}, quiet); code != 0 {
		return fmt.Errorf("cannot set up the demo: %s", said.String())
	}
	address, err := freeAddress()
	if err != nil {
		return err
	}
	if err := std.Print("http://%s/login/%s\n", address, strings.TrimSpace(secret.String())); err != nil {
		return err
	}
	_, _ = fmt.Fprintln(std.Err, "# open this in a browser: it works once, and asks for a password of your choice\n# Ctrl-C here stops the console and the hosts")
	said.Reset()
	quiet.Out = io.Discard
	code := run(ctx, []string{"serve", "--listen", address, "--socket", filepath.Join(site.dir, "api.sock")}, quiet)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return fmt.Errorf("the console ended with exit status %d: %s", code, said.String())
}

// freeAddress is one of this machine at which nothing listens.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close() //nolint:errcheck // it has only reserved a port
	return l.Addr().String(), nil
}
