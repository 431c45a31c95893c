package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"
)

// streamsOfToken is how many streams a token has: a principal may have 32.
const streamsOfToken = 25

// followersRole follows a run with many clients, some of which read nothing. It says
// "ready" once the others have got their first event, and "ended" with how many of them
// have seen the end of the run, when all have, or when its standard input ends.
func followersRole(args []string, stdin io.Reader, stdout io.Writer) error {
	f := flag.NewFlagSet("followers", flag.ContinueOnError)
	fs := &followers{}
	f.StringVar(&fs.socket, "socket", "", "")
	f.StringVar(&fs.path, "path", "", "")
	f.IntVar(&fs.first, "first", 0, "") // of the clients that use the tokens
	clients := f.Int("clients", 0, "")
	silent := f.Int("silent", 0, "")
	tokens := f.String("tokens", "", "")
	if err := f.Parse(args); err != nil {
		return err
	}
	list, err := os.ReadFile(*tokens)
	if err != nil {
		return err
	}
	fs.tokens = strings.Fields(string(list))
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() { // it ends with the process
		_, _ = io.Copy(io.Discard, stdin)
		cancel()
	}()
	var silence sync.WaitGroup
	for i := range *silent {
		silence.Go(func() { _, _ = fs.one(ctx, *clients+i, false) }) // it may be cut off, as it reads nothing
	}
	err = fs.read(ctx, *clients, stdout)
	cancel()
	silence.Wait()
	return err
}

type followers struct {
	socket, path string
	tokens       []string
	first        int
	begun        sync.WaitGroup // clients that wait for their first event
}

// read follows with clients that read, and tells of them.
func (f *followers) read(ctx context.Context, clients int, stdout io.Writer) error {
	var all sync.WaitGroup
	errs := make([]error, clients)
	saw := make([]bool, clients)
	f.begun.Add(clients)
	for i := range clients {
		all.Go(func() { saw[i], errs[i] = f.one(ctx, i, true) })
	}
	f.begun.Wait()
	if _, err := fmt.Fprintln(stdout, "ready"); err != nil {
		return err
	}
	all.Wait()
	ended := 0
	for _, s := range saw {
		if s {
			ended++
		}
	}
	_, err := fmt.Fprintln(stdout, "ended", ended)
	for _, one := range errs {
		if one != nil {
			return one // the others say the same
		}
	}
	return err
}

// one is one client, until ctx is done, or, if it reads, it saw the end of the run.
func (f *followers) one(ctx context.Context, i int, reads bool) (saw bool, err error) {
	begun := sync.OnceFunc(f.begun.Done)
	if reads {
		defer begun() // also if it failed
	}
	c, err := (&net.Dialer{}).DialContext(ctx, "unix", f.socket)
	if err != nil {
		return false, err
	}
	defer func() { _ = c.Close() }() // it was read
	defer context.AfterFunc(ctx, func() { _ = c.Close() })()
	token := f.tokens[(f.first+i)/streamsOfToken%len(f.tokens)]
	if _, err := fmt.Fprintf(c, "GET /api/v1%s HTTP/1.1\r\nHost: tutti\r\nAuthorization: Bearer %s\r\n\r\n", f.path, token); err != nil {
		return false, err
	}
	if !reads {
		<-ctx.Done()
		return false, nil
	}
	answer, err := http.ReadResponse(bufio.NewReaderSize(c, 4<<10), nil)
	if err != nil {
		return false, err
	}
	defer func() { _ = answer.Body.Close() }() // the same
	if answer.StatusCode != http.StatusOK {
		return false, fmt.Errorf("client %d: %s", i, answer.Status)
	}
	saw, err = readToEnd(answer.Body, begun)
	if saw || ctx.Err() != nil {
		return saw, nil
	}
	return false, fmt.Errorf("client %d: the stream ended without its end: %w", i, err)
}

// readToEnd reads events and reports whether the last was the end of the run.
func readToEnd(r io.Reader, begun func()) (saw bool, err error) {
	mark := []byte("\nevent: end\n")
	buf, kept := make([]byte, 32<<10), 0
	for {
		n, err := r.Read(buf[kept:])
		if n > 0 {
			begun()
		}
		have := buf[:kept+n]
		if bytes.Contains(have, mark) {
			return true, nil
		}
		if err != nil {
			return false, err
		}
		kept = copy(buf, have[max(0, len(have)-len(mark)):])
	}
}

// A crowd is followers in a process of their own.
type crowd struct {
	cmd   *exec.Cmd
	stdin io.Closer
	said  *bufio.Reader
}

// follow starts followers of a run, the first of which is that of all clients, and returns
// once they have begun.
func (d *daemon) follow(ctx context.Context, g *rig, run int64, first, clients, silent int) (*crowd, error) {
	c := &crowd{cmd: exec.CommandContext(ctx, g.self, "followers", "-socket", d.socket, "-tokens", d.tokens,
		"-path", fmt.Sprintf("/runs/%d/events", run), "-first", fmt.Sprint(first), "-clients", fmt.Sprint(clients), "-silent", fmt.Sprint(silent))}
	c.cmd.Stderr = g.log
	c.cmd.WaitDelay = 10 * time.Second
	stdin, err1 := c.cmd.StdinPipe()
	stdout, err2 := c.cmd.StdoutPipe()
	if err := errors.Join(err1, err2, c.cmd.Start()); err != nil {
		return nil, fmt.Errorf("start followers: %w", err)
	}
	c.stdin, c.said = stdin, bufio.NewReader(stdout)
	if line, err := c.said.ReadString('\n'); err != nil || line != "ready\n" {
		return nil, errors.Join(fmt.Errorf("start followers: they said %q", line), err, c.close())
	}
	return c, nil
}

// await waits until those that read have seen the end of the run, and returns how many
// have.
func (c *crowd) await() (ended int, err error) {
	limit := time.AfterFunc(patience, func() { _ = c.cmd.Process.Kill() })
	defer limit.Stop()
	for line := ""; err == nil; line, err = c.said.ReadString('\n') {
		_, _ = fmt.Sscanf(line, "ended %d", &ended) // whether there are enough is for the caller
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return ended, errors.Join(err, c.stdin.Close(), c.cmd.Wait())
}

// close ends the followers.
func (c *crowd) close() error {
	err := c.stdin.Close()
	_, _ = io.Copy(io.Discard, c.said) // until they have ended
	return errors.Join(err, c.cmd.Wait())
}
