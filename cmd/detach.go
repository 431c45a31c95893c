package cmd

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"tutti/client"
	"tutti/daemon"
	"tutti/fanout"
	"tutti/internal/fault"
	"tutti/runner"
)

// maxSubmitted bounds a script and an input that are submitted, in bytes.
const maxSubmitted = 1 << 20

func (o *launchOptions) addDetachFlag(f *pflag.FlagSet) {
	f.BoolVar(&o.detach, "detach", false, "let tutti serve on this machine execute the run, print its number, and do not wait")
}

// addDetachedCareFlags are those of commands whose runs can be detached.
func (o *launchOptions) addDetachedCareFlags(f *pflag.FlagSet) {
	o.addCareFlags(f)
	o.addDetachFlag(f)
}

// detach submits a run to the daemon of this machine, and says how to watch it. body has
// what is executed.
func (c *console) detach(ctx context.Context, cmd *cobra.Command, o *launchOptions, selector string, body map[string]any) error {
	if err := checkDetached(cmd.Flags()); err != nil {
		return err
	}
	body["selector"] = selector
	if err := c.addKeys(&o.Request, body); err != nil {
		return err
	}
	path, err := runner.HistoryPath(c.Getenv)
	if err != nil {
		return err
	}
	socket := daemon.SocketPath(c.Getenv, runner.Absolute(path))
	if _, err := os.Stat(socket); err != nil {
		return noDaemon(socket)
	}
	server, err := client.New(client.Config{Address: client.Address{Socket: socket}, Version: moduleVersion()})
	if err != nil {
		return err
	}
	defer server.Close()
	run, err := server.Start(ctx, body)
	var advised fault.Adviser
	if errors.As(err, &advised) {
		if code, _ := advised.Advice(); code == client.AdviceSocket {
			return noDaemon(socket)
		}
	}
	if err != nil {
		return usageOfServer(err)
	}
	for _, text := range run.Warnings {
		c.warn(text)
	}
	id := run.Run.Run
	_, _ = fmt.Fprintf(c.Err, "run %d on %s; tutti show --follow %[1]d shows it, tutti kill %[1]d stops it\n", id, count(run.Hosts, "host")) // an error of stderr has nowhere to go
	return c.print("%d\n", id)
}

// noDaemon is the error of a socket that no daemon serves.
func noDaemon(socket string) error {
	return hint(fmt.Errorf("no daemon answers on %s; nothing was queued", socket), "start: tutti serve")
}

// checkDetached refuses flags that a run which is detached cannot have.
func checkDetached(f *pflag.FlagSet) (refused error) {
	f.Visit(func(flag *pflag.Flag) {
		_, isKey := runner.KeyNamed(flag.Name)
		reason := localReason(flag)
		switch {
		case refused != nil || flag.Name == "detach" || aboutServer(flag):
			return
		case flag.Name == "run-id-file":
			reason = "the number is printed"
		case !isKey:
			reason = "nothing of the run is shown or asked here; tutti show shows it"
		case reason == "":
			return
		}
		reason = strings.ReplaceAll(strings.ReplaceAll(reason, "the server", "the daemon"), "a server", "a daemon")
		refused = syntaxf("--%s cannot be combined with --detach: %s", flag.Name, reason)
	})
	return refused
}

// addKeys adds the keys of r that were set to the body of a request, with the values of
// secrets, and the input.
func (c *console) addKeys(r *runner.Request, body map[string]any) error {
	for _, k := range runner.Keys() {
		if !r.Given(k.Name) {
			continue
		}
		texts := r.Get(k.Name)
		var value any = texts[0]
		switch {
		case k.Name == "env":
			if err := c.addVariables(texts, body); err != nil {
				return err
			}
			continue
		case k.Name == "stdin":
			data, err := c.readInput(texts[0])
			if err != nil {
				return err
			}
			body["stdin_base64"] = base64.StdEncoding.EncodeToString(data)
			continue
		case k.Name == "retry-on":
			value = strings.Split(texts[0], ",")
		case k.Kind() == "list":
			value = texts
		case k.IsSwitch():
			value = texts[0] == "true"
		case k.Kind() == "int":
			n, err := strconv.Atoi(texts[0])
			if err != nil {
				return err
			}
			value = n
		}
		body[k.Option()] = value
	}
	return nil
}

// addVariables adds variables: those without a value are secrets of this environment.
func (c *console) addVariables(texts []string, body map[string]any) error {
	plain, secret := map[string]string{}, map[string]string{}
	for _, text := range texts {
		name, value, given := strings.Cut(text, "=")
		delete(plain, name)
		delete(secret, name) // the later one counts
		if given {
			plain[name] = value
			continue
		}
		value, set := c.env().LookupEnv(name)
		if !set {
			return hint(usagef("-e %s: %[1]s is not set in your environment", name), fmt.Sprintf("export %s first; -e %[1]s=VALUE sets it, and is recorded", name))
		}
		secret[name] = value
	}
	body["env"], body["secret_env"] = plain, secret
	return nil
}

// readInput reads a file, or standard input, whole.
func (c *console) readInput(path string) ([]byte, error) {
	from := c.In
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return nil, usagef("--stdin: %w", err)
		}
		defer func() { _ = f.Close() }() // it was only read
		from = f
	}
	return readSubmitted(from, "--stdin "+path)
}

// readSubmitted reads what is submitted with a run.
func readSubmitted(from io.Reader, what string) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(from, maxSubmitted+1))
	if err != nil {
		return nil, usagef("%s: %w", what, err)
	}
	if len(data) > maxSubmitted {
		return nil, usagef("%s is larger than 1MiB, the most that a detached run may have", what)
	}
	return data, nil
}

// scriptBody is a script as it is submitted.
func scriptBody(ctx context.Context, script *fanout.Script, name string) (map[string]any, error) {
	text, err := readSubmitted(script.Source.Open(ctx), "the script "+name)
	if err != nil {
		return nil, err
	}
	if !utf8.Valid(text) {
		return nil, usagef("the script %s is not UTF-8, as a detached one has to be", name)
	}
	return map[string]any{"script": map[string]any{"text": string(text), "args": script.Args, "name": name}}, nil
}
