package pgtest

import (
	"bufio"
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// dieWithTests has the system stop the server at once when the tests' process has died.
func dieWithTests(attr *syscall.SysProcAttr) { attr.Pdeathsig = syscall.SIGQUIT }

// memory returns what removes the shared memory of a server that could not do so. Its
// number is in the last field of the line of postmaster.pid that has two.
func (s *Server) memory() (remove func() error) {
	status, err := os.ReadFile(filepath.Join(s.data(), "postmaster.pid"))
	if err != nil {
		return func() error { return err }
	}
	for lines := bufio.NewScanner(bytes.NewReader(status)); lines.Scan(); {
		fields := bytes.Fields(lines.Bytes())
		if len(fields) != 2 {
			continue
		}
		id, err := strconv.Atoi(string(fields[1]))
		if err != nil {
			continue
		}
		return func() error {
			_, err := unix.SysvShmCtl(id, unix.IPC_RMID, nil)
			return err
		}
	}
	return func() error { return nil }
}
