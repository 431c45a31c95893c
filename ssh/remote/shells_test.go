package remote

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"tutti/fanout"
	"tutti/internal/sshdtest"
)

// needed are the shells that the tests install: one whose printf is a program,
// as on Android and OpenBSD, and one that has hardly more than POSIX asks for.
var needed = []string{"mksh", "posh"}

// TestSecretsInNoArgument: whatever shell is a host's sh, and although all of
// its tools are programs, no secret is in the arguments of one, and every byte
// of it arrives.
func TestSecretsInNoArgument(t *testing.T) {
	var all []byte
	for c := 1; c < 256; c++ {
		all = append(all, byte(c))
	}
	secrets := []string{
		"correct horse", "", "\n", "-n", "\\0101%s", " \t leads and trails \n\n", string(all), "é\x1b中",
		strings.Repeat("x", 3*maxLine), strings.Repeat("y\n", maxLine), strings.Repeat("z", maxLine),
	}
	for _, shell := range append([]string{"sh", "dash", "bash", "ksh", "ksh93", "zsh", "busybox"}, needed...) {
		path, err := exec.LookPath(shell)
		if err != nil && !slices.Contains(needed, shell) {
			continue
		}
		t.Run(shell, func(t *testing.T) {
			if err != nil {
				sshdtest.Tool(t, shell)
			}
			for _, secret := range secrets {
				checkSecret(t, path, secret)
			}
		})
	}
}

// checkSecret hands secret to a command on a machine where path is sh and
// printf is a program, which keeps its arguments.
func checkSecret(t *testing.T, path, secret string) {
	t.Helper()
	bin := t.TempDir()
	if err := os.Symlink(path, filepath.Join(bin, "sh")); err != nil {
		t.Fatal(err)
	}
	spied := filepath.Join(bin, "arguments")
	spy := fmt.Sprintf("#!/bin/sh\nfor a do /usr/bin/printf '%%s\\n' \"$a\"; done >>%s\nexec /usr/bin/printf \"$@\"\n", spied)
	if err := os.WriteFile(filepath.Join(bin, "printf"), []byte(spy), 0o700); err != nil { //nolint:gosec // it is a program
		t.Fatal(err)
	}
	o := NewOrder(&fanout.Task{
		Action: fanout.Command("/usr/bin/env -0; /bin/cat"),
		Env:    []fanout.Variable{{Name: "A", Secret: fanout.Secret(secret)}, {Name: "B", Secret: fanout.Secret("last")}},
	}, nil)
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(t.Context(), filepath.Join(bin, "sh"), "-c", o.Command)
	cmd.Env = []string{"PATH=" + bin, "SHELL=/bin/sh", "LC_ALL=C.UTF-8"}
	cmd.Stdin = bytes.NewReader(append(o.Secrets, "input"...))
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("got %v, stderr %q", err, stderr.String())
	}
	if got, want := stdout.String(), "A="+secret+"\x00"; !strings.Contains(got, want) || !strings.Contains(got, "B=last\x00") || !strings.HasSuffix(got, "\x00input") {
		t.Errorf("got %.1000q, want %.300q, B and the input in it", got, want)
	}
	seen, err := os.ReadFile(spied)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	for _, args := range []string{string(seen), o.Command} {
		// The encoded form of old was octal numbers.
		if len(secret) > 4 && (strings.Contains(args, secret) || strings.Contains(args, octalOfAll(secret[:4]))) {
			t.Errorf("the secret %.100q is in the arguments %.1000q", secret, args)
		}
	}
}

func octalOfAll(s string) string {
	var b strings.Builder
	for i := range len(s) {
		fmt.Fprintf(&b, `\0%03o`, s[i])
	}
	return b.String()
}
