package fleet

import (
	"io"

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
	server, err := sftp.NewServer(joined{s.Stdin, s.Stdout}, sftp.WithServerWorkingDirectory(home))
	if err != nil {
		return Exit{Code: 1}
	}
	_ = server.Serve() // the client has gone
	_ = server.Close() // of what it has left open
	return Exit{}
}

// joined are the two directions of a session.
type joined struct {
	io.Reader
	io.Writer
}

// Close does nothing: the session ends with its handler.
func (joined) Close() error { return nil }
