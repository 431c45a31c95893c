package keeper

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"tutti/internal/fleet"
)

// nobody is a user who is neither root nor the one that runs the tests.
const nobody = 65534

// asNobody runs this program as another user, in a role, with the file rights of the
// socket out of the way, so that nothing but the question for the peer's user is left.
func asNobody(tb testing.TB, role, path string) *exec.Cmd {
	tb.Helper()
	if os.Geteuid() != 0 {
		tb.Skip("only root can start a process of another user")
	}
	program := filepath.Join(privateDir(tb), "test") // where the other user may read it
	data, err := os.ReadFile(os.Args[0])
	if err == nil {
		err = errors.Join(os.WriteFile(program, data, 0o755), os.Chmod(filepath.Dir(program), 0o755)) //nolint:gosec // as said
	}
	if err != nil {
		tb.Fatal(err)
	}
	cmd := exec.CommandContext(tb.Context(), program, path) //nolint:gosec // this program
	cmd.Dir, cmd.Env = "/", []string{roleVariable + "=" + role}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	return cmd
}

// intrude asks a keeper of another user what it holds.
func intrude(socket string) error {
	conn, err := net.Dial("unix", socket)
	if err != nil {
		return err
	}
	_, _ = conn.Write(message{kindHello, 0, encode(hello{Want: wantList})}.append(nil))
	said, err := io.ReadAll(conn)
	fmt.Printf("said %d bytes, %v\n", len(said), err)
	return nil
}

// pretend is a keeper in the place of another user's.
func pretend(socket string) error {
	l, err := net.Listen("unix", socket)
	if err != nil {
		return err
	}
	if err := os.Chmod(socket, 0o666); err != nil { //nolint:gosec // so that others can connect
		return err
	}
	fmt.Println("ready")
	conn, err := l.Accept()
	if err != nil {
		return err
	}
	said, err := io.ReadAll(conn)
	fmt.Printf("heard %d bytes, %v\n", len(said), err)
	return nil
}

func TestStrangerIsNotAnswered(t *testing.T) {
	b := newBench(t, []fleet.Host{{Name: "h"}}, nil)
	socket := filepath.Join(b.dir, socketName)
	cmd := asNobody(t, "stranger", socket)
	if err := errors.Join(os.Chmod(b.dir, 0o755), os.Chmod(socket, 0o666)); err != nil { //nolint:gosec // as asNobody says
		t.Fatal(err)
	}
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.HasPrefix(string(out), "said 0 bytes") {
		t.Errorf("got %q, %v, want nothing said", out, err)
	}
}

func TestImpostorIsToldNothing(t *testing.T) {
	b := newFleet(t, []fleet.Host{{Name: "h"}}, nil)
	if err := os.Chmod(b.dir, 0o777); err != nil { //nolint:gosec // as asNobody says
		t.Fatal(err)
	}
	cmd := asNobody(t, "impostor", filepath.Join(b.dir, socketName))
	from, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(from)
	if !lines.Scan() || lines.Text() != "ready" {
		t.Fatalf("got %q from the impostor", lines.Text())
	}
	conn, err := connect(b.dir)
	if err == nil {
		_ = conn.Close()
	}
	if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("another user (user id %d)", nobody)) {
		t.Errorf("got %v, want another user", err)
	}
	if !lines.Scan() || !strings.HasPrefix(lines.Text(), "heard 0 bytes") {
		t.Errorf("got %q from the impostor, want nothing heard", lines.Text())
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

// TestPublicDirectoryIsNotUsed: a directory is not used that others could look into, or
// plant something in.
func TestPublicDirectoryIsNotUsed(t *testing.T) {
	b := newFleet(t, []fleet.Host{{Name: "h"}}, nil)
	c := b.client(t)
	defer func() { _ = c.Close() }()
	opts := keeperCommand(b.options())
	for name, change := range map[string]func(dir string) error{
		"open to a group": func(dir string) error { return os.Chmod(dir, 0o750) },
		"open to all":     func(dir string) error { return os.Chmod(dir, 0o777) },
		"a file": func(dir string) error {
			return errors.Join(os.Remove(dir), os.WriteFile(dir, nil, 0o600))
		},
	} {
		t.Run(name, func(t *testing.T) {
			opts.Directory = filepath.Join(privateDir(t), "k")
			if err := errors.Join(os.Mkdir(opts.Directory, 0o700), change(opts.Directory)); err != nil {
				t.Fatal(err)
			}
			if e, err := Dial(context.Background(), c, []int{0}, opts); err == nil {
				_ = e.Close()
				t.Error("the directory was used")
			}
		})
	}
}
