package keeper

import (
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"

	"tutti/internal/safefile"
)

const (
	socketName = "keeper.sock"
	lockName   = "keeper.lock"
	// maxSocketPath is the longest path of a socket that every system takes, in bytes.
	maxSocketPath = 103
)

// Directory is where the keeper of this user and machine has its socket: below the
// runtime directory, which is the user's and of this machine, or else below state, the
// user's directory for state, in one named after the machine.
func Directory(getenv func(string) string, state string) string {
	runtime := getenv("XDG_RUNTIME_DIR")
	if runtime == "" {
		runtime = fmt.Sprintf("/run/user/%d", os.Geteuid())
		if checkPrivate(runtime) != nil {
			runtime = ""
		}
	}
	if filepath.IsAbs(runtime) {
		return filepath.Join(runtime, "tutti")
	}
	host, err := os.Hostname()
	if err != nil || host == "" {
		host = "localhost"
	}
	return filepath.Join(state, "keeper-"+filepath.Base(host))
}

// open makes the directory if there is none, and refuses one that others can use.
func openDirectory(dir string) (string, error) {
	if len(filepath.Join(dir, socketName)) > maxSocketPath {
		return "", fmt.Errorf("%s: the path is too long for a socket: set XDG_RUNTIME_DIR to a short one", dir)
	}
	path, err := safefile.MkdirAll(dir)
	if err != nil {
		return "", err
	}
	return path, checkPrivate(path)
}

// checkPrivate refuses what is no directory of this user's that nobody else can use.
func checkPrivate(dir string) error {
	info, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	switch {
	case !info.IsDir():
		return fmt.Errorf("%s is not a directory", dir)
	case !ok || int(stat.Uid) != os.Geteuid():
		return fmt.Errorf("%s belongs to another user", dir)
	case info.Mode().Perm()&0o077 != 0:
		return fmt.Errorf("%s can be used by other users: chmod 700 %s", dir, dir)
	}
	return nil
}

// lock waits for the lock of the directory, which whoever starts or ends a keeper holds.
func lock(dir string) (unlock func(), err error) {
	f, err := safefile.OpenOwn(filepath.Join(dir, lockName), os.Geteuid(), os.Getegid())
	if err != nil {
		return nil, err
	}
	for {
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX)
		if err != unix.EINTR { //nolint:errorlint // as the system call returns it
			break
		}
	}
	if err != nil {
		_ = f.Close() // nothing was written
		return nil, &fs.PathError{Op: "lock", Path: f.Name(), Err: err}
	}
	return func() { _ = f.Close() }, nil // it holds nothing
}

// listen makes the socket in dir. The caller holds the lock, and has seen that no keeper
// answers there.
func listen(dir string) (*net.UnixListener, error) {
	path := filepath.Join(dir, socketName)
	if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
		return nil, err
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, err
	}
	l.SetUnlinkOnClose(false) // it is the keeper's, from now on
	if err := os.Chmod(path, 0o600); err != nil {
		_ = l.Close() // nobody has connected
		return nil, err
	}
	return l, nil
}

// connect connects to the keeper in dir. The error wraps fs.ErrNotExist or
// syscall.ECONNREFUSED if there is none.
func connect(dir string) (*net.UnixConn, error) {
	conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: filepath.Join(dir, socketName), Net: "unix"})
	if err != nil {
		return nil, err
	}
	if err := checkPeer(conn); err != nil {
		_ = conn.Close() // nothing was sent
		return nil, err
	}
	return conn, nil
}

// checkPeer refuses a connection with a process of another user.
func checkPeer(conn *net.UnixConn) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	var uid int
	var peerErr error
	if err := raw.Control(func(fd uintptr) { uid, peerErr = peerUser(int(fd)) }); err != nil {
		return err
	}
	if peerErr != nil {
		return fmt.Errorf("ask who the keeper's socket leads to: %w", peerErr)
	}
	if uid != os.Geteuid() {
		return fmt.Errorf("the other side of the keeper's socket is another user (user id %d)", uid)
	}
	return nil
}
