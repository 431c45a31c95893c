package cmd

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"unicode/utf8"

	"tutti/api"
	"tutti/fanout"
	"tutti/inventory"
	"tutti/runner"
)

// maxSubmitted bounds a script and an input that are submitted, in bytes.
const maxSubmitted = 1 << 20

// A submission is a run as a server is asked for it.
type submission struct {
	// operation is the path of what the server is asked for, and body the JSON of the
	// request.
	operation []string
	body      map[string]any
	// task is what is asked for, as it is shown.
	task fanout.Task
	// warnings are those that are still to be shown.
	warnings []string
}

// newSubmission is the run of task with the keys of o that were set, on the hosts of
// selector. script is what the command line calls the script, if task is one.
func (c *console) newSubmission(ctx context.Context, o *launchOptions, selector string, task fanout.Task, script string) (*submission, error) {
	if err := checkFilesOf(selector); err != nil {
		return nil, err
	}
	s := &submission{operation: []string{"runs"}, body: map[string]any{"selector": selector}}
	switch action := task.Action.(type) {
	case fanout.Command:
		s.body["command"] = string(action)
	case *fanout.Script:
		form, err := scriptForm(ctx, action, script)
		if err != nil {
			return nil, err
		}
		s.body["script"] = form
	default:
		s.operation = []string{"ping"}
	}
	if err := c.addKeys(&o.Request, s.body); err != nil {
		return nil, err
	}
	return s, c.addEnvironment(s, o, task)
}

// addEnvironment adds the variables of o, and says what task is with its environment.
func (c *console) addEnvironment(s *submission, o *launchOptions, task fanout.Task) error {
	settings := o.Task
	settings.Stdin = "" // it is read whole
	r, err := c.Env().Prepare(&settings, task)
	if err != nil {
		return err
	}
	defer r.Close()
	s.task = r.Task
	s.task.StdinName = o.Task.Stdin
	plain, secret := map[string]string{}, map[string]string{}
	for _, v := range r.Env {
		delete(plain, v.Name)
		delete(secret, v.Name) // the later one counts
		if v.Secret != nil {
			secret[v.Name] = string(v.Secret)
			continue
		}
		plain[v.Name] = v.Value
	}
	if len(r.Env) > 0 {
		s.body["env"], s.body["secret_env"] = plain, secret
	}
	return nil
}

// checkFilesOf refuses a selector with files of this machine.
func checkFilesOf(selector string) error {
	sel, err := inventory.ParseSelector(selector)
	if err != nil || len(sel.Files()) == 0 { // the server says what is wrong with it
		return nil
	}
	return hint(usagef("@%s names a file of this machine, which a server does not read", sel.Files()[0]), "name the hosts that are in it, separated by commas")
}

// addKeys adds the keys of r that were set to the body of a request, with the input,
// except for variables.
func (c *console) addKeys(r *runner.Request, body map[string]any) error {
	for _, k := range runner.Keys() {
		if !r.Given(k.Name) {
			continue
		}
		texts := r.Get(k.Name)
		var value any = texts[0]
		switch {
		case k.Name == "env", k.Name == "run-id-file", k.Name == "history": // which are this machine's
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
		return nil, usagef("%s is larger than 1MiB, the most that a server takes", what)
	}
	return data, nil
}

// scriptForm is a script as it is submitted.
func scriptForm(ctx context.Context, script *fanout.Script, name string) (*api.Script, error) {
	text, err := readSubmitted(script.Source.Open(ctx), "the script "+name)
	if err != nil {
		return nil, err
	}
	if !utf8.Valid(text) {
		return nil, usagef("the script %s is not UTF-8, as it has to be for a server", name)
	}
	return &api.Script{Text: string(text), Args: script.Args, Name: name}, nil
}

// runText says which run it is that was started.
func runText(id int64, hosts int) string {
	return fmt.Sprintf("run %d on %s", id, count(hosts, "host"))
}
