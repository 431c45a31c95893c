package fleet

import (
	"io"
	"sync"

	"github.com/pkg/sftp"
)

// SFTP returns a handler that serves the files of this machine. Relative paths begin in
// dir; the empty dir is that of [Shell]. The client can reach every file that this
// process can.
func SFTP(dir string) Handler { return sftpServer(dir) }

type sftpServer string

// Run serves until the client has closed its side.
func (dir sftpServer) Run(s *Session) Exit {
	home := string(dir)
	if home == "" {
		var err error
		if home, err = s.conn.fleet.work.home(s.Host); err != nil {
			return Exit{Code: 1}
		}
	}
	both := &joined{Reader: s.Stdin, to: s.Stdout}
	defer both.end()
	server, err := sftp.NewServer(both, sftp.WithServerWorkingDirectory(home))
	if err != nil {
		return Exit{Code: 1}
	}
	_ = server.Serve() // the client has gone
	_ = server.Close() // of what it has left open
	return Exit{}
}

// joined are the two directions of a session. The library's server may still answer
// when it has returned: the client does not hear that.
type joined struct {
	io.Reader

	mu   sync.Mutex // guards what follows
	to   io.Writer
	over bool
}

func (j *joined) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.over {
		return 0, io.ErrClosedPipe
	}
	return j.to.Write(p)
}

// end lets nothing more be written.
func (j *joined) end() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.over = true
}

// Close does nothing: the session ends with its handler.
func (*joined) Close() error { return nil }
