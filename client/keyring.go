package client

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"tutti/internal/fault"
	"tutti/internal/safefile"
	"tutti/internal/yamltree"
)

// AdviceOpenFile is the code of advice about a file with a token that others can read;
// its argument is the file.
const AdviceOpenFile = "client-open-file"

// A Server is an entry of a Keyring.
type Server struct {
	// Token is the secret of the token, Name its name on the server, and User its owner;
	// Name is empty for one that was made elsewhere.
	Token, Name, User string
	// CA is the file with the authorities that are trusted for it; empty: the system's.
	CA string
	// Insecure: plain HTTP is allowed, although it is another machine.
	Insecure bool
}

// A Keyring is a file with the tokens of servers, which only its owner may read.
type Keyring struct {
	// Path is the file; it need not exist.
	Path string
}

// maxKeyring bounds the file.
const maxKeyring = 1 << 20

// Servers are all entries, by address; none if there is no file.
func (k Keyring) Servers() (map[string]Server, error) {
	f, err := safefile.ReadOwn(k.Path, os.Geteuid())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // it was only read
	data, err := readSecretFile(f, maxKeyring)
	if err != nil {
		return nil, err
	}
	return readServers(k.Path, data)
}

// readSecretFile is the content of a file that only its owner may read.
func readSecretFile(f *os.File, limit int64) ([]byte, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Mode().IsRegular() && info.Mode().Perm()&0o077 != 0 {
		return nil, fault.Advise(fmt.Errorf("%s can be read by other users (mode %04o)", f.Name(), info.Mode().Perm()), AdviceOpenFile, f.Name())
	}
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(data)) > limit {
		err = fmt.Errorf("%s is larger than %d bytes", f.Name(), limit)
	}
	return data, err
}

func readServers(path string, data []byte) (map[string]Server, error) {
	root, err := yamltree.Parse(path, data)
	if err != nil {
		return nil, yamltree.Bare(err) // it has tokens
	}
	var problems yamltree.Problems
	servers := map[string]Server{}
	problems.Fields(root, "file of servers", []string{"servers"}, func(_, all yamltree.Node) {
		for name, n := range all.Fields() {
			var s Server
			problems.Fields(n, "server", []string{"token", "name", "user", "ca", "insecure_http"}, func(key, value yamltree.Node) {
				switch key.Text() {
				case "token":
					s.Token = value.Text()
				case "name":
					s.Name = value.Text()
				case "user":
					s.User = value.Text()
				case "ca":
					s.CA = value.Text()
				case "insecure_http":
					s.Insecure = value.Text() == "true"
				}
			})
			servers[name.Text()] = s
		}
	})
	if err := problems.Err(); err != nil {
		return nil, yamltree.Bare(err)
	}
	return servers, nil
}

// Server is the entry of the server at an address.
func (k Keyring) Server(a Address) (Server, bool, error) {
	servers, err := k.Servers()
	s, ok := servers[a.String()]
	return s, ok, err
}

// Put stores s as the entry of the server at an address.
func (k Keyring) Put(a Address, s Server) error {
	return k.change(func(servers map[string]Server) { servers[a.String()] = s })
}

// Remove removes the entry of the server at an address.
func (k Keyring) Remove(a Address) error {
	return k.change(func(servers map[string]Server) { delete(servers, a.String()) })
}

func (k Keyring) change(do func(map[string]Server)) error {
	servers, err := k.Servers()
	if err != nil {
		return err
	}
	if servers == nil {
		servers = map[string]Server{}
	}
	do(servers)
	if _, err := safefile.MkdirAll(filepath.Dir(k.Path)); err != nil {
		return err
	}
	return safefile.Replace(k.Path, func(w io.Writer) error {
		_, err := w.Write(writeServers(servers))
		return err
	})
}

// writeServers is the file. A quoted ASCII string of Go is one of YAML too.
func writeServers(servers map[string]Server) []byte {
	var b bytes.Buffer
	b.WriteString("# The servers that tutti asks. The tokens are secrets.\nservers:")
	if len(servers) == 0 {
		b.WriteString(" {}")
	}
	b.WriteByte('\n')
	for _, name := range slices.Sorted(maps.Keys(servers)) {
		s := servers[name]
		fmt.Fprintf(&b, "  %s:\n", strconv.QuoteToASCII(name))
		for _, f := range [][2]string{{"token", s.Token}, {"name", s.Name}, {"user", s.User}, {"ca", s.CA}} {
			if f[1] != "" {
				fmt.Fprintf(&b, "    %s: %s\n", f[0], strconv.QuoteToASCII(f[1]))
			}
		}
		if s.Insecure {
			b.WriteString("    insecure_http: true\n")
		}
	}
	return b.Bytes()
}

const (
	// maxToken bounds a token.
	maxToken = 4096
	asciiDEL = 0x7f
)

// ReadToken reads a token: one line.
func ReadToken(from io.Reader) (string, error) {
	data, err := io.ReadAll(io.LimitReader(from, maxToken+1))
	if err != nil {
		return "", err
	}
	text := string(bytes.TrimSpace(data))
	switch {
	case text == "":
		return "", errors.New("there is no token in it")
	case len(data) > maxToken:
		return "", errors.New("it is too long for a token")
	}
	for _, c := range []byte(text) {
		if c <= ' ' || c >= asciiDEL {
			return "", errors.New("it is not a token: want one line without spaces")
		}
	}
	return text, nil
}

// ReadTokenFile reads the token in a file. If this user owns the file, others must not be
// able to read it.
func ReadTokenFile(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }() // it was only read
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	if err := safefile.CheckWriters(info); info.Mode().IsRegular() && err != nil {
		if w, ok := errors.AsType[*safefile.WritersError](err); ok {
			err = w.About(path)
		}
		return "", err
	}
	if owned(info) && info.Mode().IsRegular() && info.Mode().Perm()&0o077 != 0 {
		return "", fault.Advise(fmt.Errorf("%s can be read by other users (mode %04o)", path, info.Mode().Perm()), AdviceOpenFile, path)
	}
	token, err := ReadToken(f)
	if err != nil {
		return "", fmt.Errorf("%s: %w", path, err)
	}
	return token, nil
}
