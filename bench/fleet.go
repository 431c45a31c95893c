package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	gossh "golang.org/x/crypto/ssh"

	"tutti/internal/fleet"
)

// hostVersion is what the canned hosts say they are, since that is what most hosts
// are: clients do less for a server whose ways they know.
const hostVersion = "SSH-2.0-OpenSSH_9.2p1"

// fleetRole serves a fleet until its standard input ends, which it does when the
// process that started it is gone. In its directory it leaves what the clients need,
// for each of the sizes; see files.
func fleetRole(args []string, stdin io.Reader, stdout io.Writer) error {
	f := flag.NewFlagSet("fleet", flag.ContinueOnError)
	dir := f.String("dir", "", "")
	sizes := f.String("sizes", "", "")
	latency := f.Duration("latency", 0, "")
	if err := f.Parse(args); err != nil {
		return err
	}
	var counts []int
	most := 0
	for size := range strings.SplitSeq(*sizes, ",") {
		n, err := strconv.Atoi(size)
		if err != nil {
			return err
		}
		counts, most = append(counts, n), max(most, n)
	}
	key := fleet.NewKey()
	opts := fleet.Options{
		Authorized: []gossh.PublicKey{key.PublicKey()},
		Exec:       fleet.HandlerFunc(canned),
		Latency:    *latency,
	}
	for i := range most {
		opts.Hosts = append(opts.Hosts, fleet.Host{Name: hostName(i), HostKey: fleet.NewKey(), Terminals: true, Version: hostVersion})
	}
	fl, err := fleet.Start(opts)
	if err != nil {
		return err
	}
	err = writeFiles(fl, *dir, key, counts)
	if err == nil {
		_, err = fmt.Fprintln(stdout, "ready")
	}
	if err == nil {
		_, err = io.Copy(io.Discard, stdin)
	}
	return errors.Join(err, fl.Close())
}

// hostName is the name of the host with that index.
func hostName(i int) string { return fmt.Sprintf("h%05d", i+1) }

// canned is what the hosts can do, without a process of their own:
//
//	say WORDS            say WORDS
//	own                  say a few lines that no other host says
//	fail                 exit with 1
//	lines SIZE TOTAL     say TOTAL bytes in lines of SIZE, line ends included
//	flood N              say something until the connection is gone, but every Nth
//	                     host says nothing
//	idle DURATION        say nothing for so long
func canned(s *fleet.Session) fleet.Exit {
	word, rest, _ := strings.Cut(s.Command, " ")
	var err error
	switch word {
	case "say":
		_, err = fmt.Fprintln(s.Stdout, rest)
	case "own":
		_, err = fmt.Fprintf(s.Stdout, "%[1]s\n%[2]s of %[1]s\nend of %[1]s\n", s.Host, strings.Repeat("word ", 20))
	case "fail":
		return fleet.Exit{Code: 1}
	case "lines":
		err = lines(s.Stdout, rest)
	case "flood":
		err = flood(s, rest)
	case "idle":
		var d time.Duration
		if d, err = time.ParseDuration(rest); err == nil {
			select {
			case <-time.After(d):
			case <-s.Done:
			}
		}
	default:
		err = errors.New("not a command of this fleet")
	}
	if err != nil {
		_, _ = fmt.Fprintf(s.Stderr, "%s: %v\n", s.Command, err) // the client may be gone
		return fleet.Exit{Code: 127}
	}
	return fleet.Exit{}
}

func flood(s *fleet.Session, share string) error {
	n, err := strconv.Atoi(share)
	if err != nil || n < 1 {
		return fmt.Errorf("share %q", share)
	}
	if i, err := strconv.Atoi(strings.TrimPrefix(s.Host, "h")); err != nil || i%n == 0 {
		return err
	}
	for err == nil {
		err = lines(s.Stdout, "64 1048576")
	}
	return err
}

// lines writes what the command "lines" does, in pieces of up to 32 KiB, as a
// server does.
func lines(w io.Writer, sizes string) error {
	var size, total int
	if _, err := fmt.Sscan(sizes, &size, &total); err != nil {
		return err
	}
	if size < 1 || total < 0 {
		return fmt.Errorf("sizes %d and %d", size, total)
	}
	const piece = 32 << 10
	block := bytes.Repeat([]byte{'x'}, piece)
	for at := 0; at < total; at += piece {
		p := block[:min(piece, total-at)]
		for i := range p {
			p[i] = 'x'
			if (at+i)%size == size-1 {
				p[i] = '\n'
			}
		}
		if _, err := w.Write(p); err != nil {
			return err
		}
	}
	return nil
}

// files are what the clients need to reach the first n hosts of a fleet.
type files struct {
	dir string
	n   int
}

func (f files) name(what string) string { return filepath.Join(f.dir, fmt.Sprintf("%s-%d", what, f.n)) }

func (f files) key() string        { return filepath.Join(f.dir, "id") }
func (f files) sshConfig() string  { return filepath.Join(f.dir, "ssh_config") }
func (f files) knownHosts() string { return f.name("known_hosts") }
func (f files) hashed() string     { return f.name("known_hosts_hashed") }
func (f files) inventory() string  { return f.name("hosts") + ".yaml" }
func (f files) targets() string    { return f.name("targets") }   // address:port, one in a line
func (f files) addresses() string  { return f.name("addresses") } // without the port
