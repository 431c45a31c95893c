package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	gossh "golang.org/x/crypto/ssh"
)

// bareRole is the bare client: it runs a command on every target at once, as far
// as fanout allows, and passes on what they say. It does nothing else, and what
// it takes is the least that a program around this library can take. With -steps
// it prints instead, for each target, how many milliseconds passed after the login
// until it had a channel, and until the command had ended.
func bareRole(args []string, _ io.Reader, stdout io.Writer) error {
	f := flag.NewFlagSet("bare", flag.ContinueOnError)
	targets := f.String("targets", "", "")
	user := f.String("user", "bench", "")
	key := f.String("key", "", "")
	fanout := f.Int("fanout", 1024, "")
	steps := f.Bool("steps", false, "")
	if err := f.Parse(args); err != nil {
		return err
	}
	list, err := os.ReadFile(*targets)
	if err != nil {
		return err
	}
	pem, err := os.ReadFile(*key)
	if err != nil {
		return err
	}
	signer, err := gossh.ParsePrivateKey(pem)
	if err != nil {
		return err
	}
	b := &bare{
		config: &gossh.ClientConfig{
			User:            *user,
			Auth:            []gossh.AuthMethod{gossh.PublicKeys(signer)},
			HostKeyCallback: gossh.InsecureIgnoreHostKey(), // the fleet is bench's own, and the client does the minimum
			Timeout:         time.Minute,
		},
		command: strings.Join(f.Args(), " "),
		steps:   *steps,
		stdout:  stdout,
	}
	return b.all(strings.Fields(string(list)), *fanout)
}

type bare struct {
	config  *gossh.ClientConfig
	command string
	steps   bool

	mu     sync.Mutex // guards what follows
	stdout io.Writer
	errs   []error
}

func (b *bare) all(targets []string, fanout int) error {
	var wg sync.WaitGroup
	slots := make(chan struct{}, fanout)
	for _, target := range targets {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			if err := b.one(target); err != nil {
				b.mu.Lock()
				defer b.mu.Unlock()
				b.errs = append(b.errs, fmt.Errorf("%s: %w", target, err))
			}
		})
	}
	wg.Wait()
	return errors.Join(b.errs...)
}

func (b *bare) one(target string) error {
	tcp, err := net.Dial("tcp", target)
	if err != nil {
		return err
	}
	conn, channels, requests, err := gossh.NewClientConn(tcp, target, b.config)
	if err != nil {
		return errors.Join(err, tcp.Close())
	}
	client := gossh.NewClient(conn, channels, requests)
	defer func() { _ = client.Close() }() // it has done what it was for
	began := time.Now()
	session, err := client.NewSession()
	if err != nil {
		return err
	}
	opened := time.Now()
	session.Stdout = b
	err = session.Run(b.command)
	if b.steps {
		_, _ = fmt.Fprintf(b, "%.3f %.3f\n", ms(opened.Sub(began)), ms(time.Since(began))) // as below
	}
	return err
}

// Write passes on what a host says, one at a time.
func (b *bare) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.stdout.Write(p)
}
